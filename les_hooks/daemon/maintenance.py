"""Maintenance: an operator keeps this node from leading, until it is told otherwise or the time is up.

It is kept in `maintenance.json` in the state directory, for people reboot during maintenance. Imported by `node` only.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit
from les_hooks.daemon.folder import read_bounded, replace_file
from les_hooks.errors import ControlError
from les_hooks.text import printable

__all__ = ["LONGEST_SECONDS", "Maintenance", "Upkeep"]

LONGEST_SECONDS: Final = 366 * 86400.0
"""The longest maintenance, a year: after that the node is no part of the cluster any more."""

_FILE: Final = "maintenance.json"
_MOST_BYTES: Final = 16 * 1024
_MOST_NOTE: Final = 200

# The end is a time of the wall clock, which may be stepped, and the loop's clock stands still while the host sleeps.
_LOOK_SECONDS: Final = 60.0


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """Until when, in Unix seconds, and why this node shall not lead; `uid` is who said so."""

    until: Annotated[float, Meta(ge=0, le=2**33)]
    note: Annotated[str, Meta(max_length=_MOST_NOTE)]
    uid: Annotated[int, Meta(ge=0, lt=2**32)]

    @property
    def words(self) -> str:
        """What others see: `maintenance until 2026-11-22T14:00:00Z: replacing the disk`."""
        until = datetime.fromtimestamp(self.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"maintenance until {until}" + (f": {self.note}" if self.note else "")


class Upkeep:
    """The maintenance of this node: `on_change` is called with its words whenever there is another one, or none.

    `later` has work done that may block, one after the other. `wall` gives Unix seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        later: Callable[[Callable[[], None]], None],
        on_change: Callable[[str], None],
        audit: Audit,
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.current: Maintenance | None = None
        self.damage = ""
        """Why what is on disk cannot be read, empty where it can."""
        self._path = folder / _FILE
        self._later = later
        self._on_change = on_change
        self._audit = audit
        self._log = log
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def restore(self) -> None:
        """Go on with what the process before this one was told."""
        try:
            found = msgspec.json.decode(read_bounded(self._path, _MOST_BYTES), type=Maintenance)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # As if there were none: nobody could say when it ends, and a node that never leads again because of a bad
            # sector is worse than one that leads early. The operator sees it in `les status`.
            self.damage = printable(str(error))
            self._log.error("maintenance-damaged", path=str(self._path), error=str(error))
            return
        self.current = msgspec.structs.replace(found, note=printable(found.note)[:_MOST_NOTE])
        if found.until > self._wall():
            self._log.info("maintenance-goes-on", until=found.until, note=self.current.note, uid=found.uid)
            self._on_change(self.current.words)
        self._look()

    def begin(self, for_seconds: float, note: str, uid: int) -> None:
        """Begin, or replace the one there is. Raises ControlError for a time that makes no sense."""
        if not 0.0 < for_seconds <= LONGEST_SECONDS:
            raise ControlError(f"a maintenance lasts more than no time and at most a year, and not {for_seconds:g} s")
        until = self._wall() + for_seconds
        self.current = Maintenance(until=until, note=printable(note.strip())[:_MOST_NOTE], uid=uid)
        self.damage = ""
        data = msgspec.json.encode(self.current)
        self._later(lambda: self._write(data))
        self._audit.record(Action.MAINTENANCE_BEGUN, reason=self.current.note or None, until=until, uid=uid)
        self._log.info("maintenance-begun", until=until, note=self.current.note, uid=uid)
        self._on_change(self.current.words)
        self._look()

    def end(self) -> bool:
        """End it before its time; returns whether there was one. What cannot be read is forgotten."""
        if self.damage:
            self.damage = ""
            self._later(lambda: self._write(None))
        return self._end("told to")

    def close(self) -> None:
        """Look no more at the clock; the file stays."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self.close()
        if self.current is None:
            return
        left = self.current.until - self._wall()
        if left <= 0.0:
            self._end("its time is up")
        else:
            self._timer = self._loop.call_later(min(left, _LOOK_SECONDS), self._look)

    def _end(self, why: str) -> bool:
        if self.current is None:
            return False
        self.current = None
        self.close()
        self._later(lambda: self._write(None))
        self._audit.record(Action.MAINTENANCE_ENDED, reason=why)
        self._log.info("maintenance-ended", reason=why)
        self._on_change("")
        return True

    def _write(self, data: bytes | None) -> None:
        try:
            if data is None:
                with contextlib.suppress(FileNotFoundError):
                    self._path.unlink()
            else:
                replace_file(self._path, data, durable=True)
        except OSError as error:
            # It holds all the same, as long as this process lives.
            self._log.error("maintenance-unsaved", path=str(self._path), error=str(error))
