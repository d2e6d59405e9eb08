"""The audit trail: one JSON line for each decision, hook call and request. Imported by whoever decides or acts.

Records go through structlog, with processors and a sink of their own; its process-wide configuration plays no part.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from les_hooks.audit.actions import CHAIN_FIELDS, SCHEMA, SYNCED, Action, Outcome
from les_hooks.audit.chain import BEGINNING, Head, seal
from les_hooks.audit.file import AuditFile, Opened, last_head
from les_hooks.audit.record import render
from les_hooks.audit.sync import LATE_SECONDS, Syncer
from les_hooks.errors import PluginError

__all__ = ["Audit"]

_NOT_IN_A_WORD = re.compile(r"[^A-Za-z0-9._-]")
_MOST_WORD = 64


class Audit:
    """Writes the trail of one process.

    A trail that cannot be written never stops the node: records are dropped and counted, `degraded` says why, and
    `audit.gap` says how many once writing works again. All methods may be called from any thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        node: str,
        cluster: str,
        boot: int,
        wall: Callable[[], float],
        log: FilteringBoundLogger,
        after: Head | None = None,
        syncer: Syncer | None = None,
    ) -> None:
        """`boot` is the start counter, `wall` gives Unix seconds, `log` hears of the trail's own trouble.

        `after` is the last record as it was remembered elsewhere, for a trail whose files are gone, or were exchanged.
        """
        self._path = path
        self._file = AuditFile(path)
        self._wall = wall
        self._log = log
        self._origin: Mapping[str, object] = {"boot": boot, "node": node, "cluster": cluster}
        self._term: int | None = None
        self._leader: str | None = None
        self._head = _later(after or Head(), last_head(path))
        self._syncer = syncer or Syncer()
        self._opening = Action.AUDIT_OPENED
        self._unannounced: Opened | None = None
        self._line, self._hash = b"", ""
        self._dropped = self._dropped_bytes = 0
        self._dropped_since = 0.0
        self._degraded: str | None = None
        self._unsynced = ""
        self._lock = threading.Lock()
        self.heard: Callable[[Mapping[str, Any]], None] = _ignore
        """Called with each record that was written, in the thread that wrote it; must return at once."""
        self._trail: Any = structlog.wrap_logger(
            self._file,
            processors=[self._complete, self._render],
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
            cache_logger_on_first_use=True,
        ).bind()

    @property
    def seq(self) -> int:
        """The number of the last record; the numbers in the trail have no holes, dropped records have none."""
        return self._head.seq

    @property
    def head(self) -> Head:
        """The last record."""
        return self._head

    @property
    def degraded(self) -> str | None:
        """Why the trail cannot be written, or brought to the disk; None where it can."""
        return self._degraded or self._syncer.trouble or None

    @property
    def dropped(self) -> int:
        """How many records were lost and are not yet accounted for by an `audit.gap`."""
        return self._dropped

    def leadership(self, term: int, leader: str | None) -> None:
        """From now on records say this term and leader, unless they bring their own."""
        self._term, self._leader = term, leader

    def record(
        self,
        action: Action,
        outcome: Outcome = Outcome.SUCCESS,
        *,
        reason: str | None = None,
        event_id: str | None = None,
        **fields: object,
    ) -> int | None:
        """Write one record, and return its number, None where it was dropped.

        `fields` are free; `term` and `leader` among them replace the present ones.
        """
        return self._write(action, outcome, {"reason": reason, "event_id": event_id, **fields})

    def plugin(self, name: str, action: str, outcome: str, fields: Mapping[str, object]) -> None:
        """Write a plugin's record, as `plugin.<name>.<action>`. Raises PluginError for an unknown outcome."""
        if outcome not in list(Outcome):
            raise PluginError(name, f"the outcome of an audit record is one of {', '.join(Outcome)}, not {outcome!r}")
        word = _NOT_IN_A_WORD.sub("_", action)[:_MOST_WORD]
        self._write(f"plugin.{name}.{word}", Outcome(outcome), fields)

    def sync(self) -> None:
        """Begin to bring to the disk what was written; returns at once."""
        with self._lock:
            if self._file.fd >= 0:
                self._request_sync()

    async def on_disk(self, seconds: float = LATE_SECONDS) -> bool:
        """Wait until that which is being brought to the disk is there, at most so many seconds; returns whether it is.

        A disk that is known to hang is not waited for.
        """
        if self._syncer.trouble and seconds <= LATE_SECONDS:
            self._tell_of_disk()
            return False
        done = asyncio.wrap_future(self._syncer.done())
        await asyncio.wait({done}, timeout=seconds)
        there = done.done() and not self._syncer.trouble
        done.cancel()
        self._tell_of_disk()
        return there

    def close(self) -> None:
        """Let go of the file, having tried once more to account for what was dropped."""
        with self._lock:
            if self._dropped:
                with contextlib.suppress(OSError):
                    self._catch_up()
            self._file.close()
            self._syncer.close()

    def _write(self, action: str, outcome: Outcome, fields: Mapping[str, object]) -> int | None:
        with self._lock:
            try:
                self._catch_up()
                self._emit(action, outcome, fields)
            except OSError as error:
                self._drop(str(error), self._size(action, outcome, fields))
                return None
            self._recover()
            if action in SYNCED:
                self._request_sync()
            return self._head.seq

    def _request_sync(self) -> None:
        with contextlib.suppress(OSError):  # out of descriptors, of which others will speak
            self._syncer.request(self._file.fd)

    def _catch_up(self) -> None:
        """Have the file open, and say in it what has not been said yet. Raises OSError."""
        opened = self._file.ready(self._head)
        if opened is not None:
            self._unannounced = opened
            self._head = _later(self._head, opened.head)
        if self._unannounced is not None:
            found = self._unannounced
            kept = found.kept.name if found.kept is not None else None
            self._emit(self._opening, Outcome.SUCCESS, {"torn_bytes": found.torn_bytes, "torn_kept": kept})
            self._unannounced = None
            self._opening = Action.AUDIT_REOPENED
        if self._dropped:
            lost = {
                "reason": self._degraded,
                "dropped": self._dropped,
                "dropped_bytes": self._dropped_bytes,
                "since": _rfc3339(self._dropped_since),
                "torn_bytes": self._file.torn_bytes,
            }
            self._emit(Action.AUDIT_GAP, Outcome.FAILURE, lost)
            self._dropped = self._dropped_bytes = 0

    def _emit(self, action: str, outcome: Outcome, fields: Mapping[str, object]) -> None:
        # The fields travel as one value: structlog could not take some names (`event`) as keywords.
        self._trail.write(str(action), outcome=outcome, fields=fields)
        self._head = Head(seq=self._head.seq + 1, hash=self._hash)
        # As it was written: bounded, and of plain values.
        self.heard(msgspec.json.decode(self._line))

    def _complete(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Give the record its core fields; a free field that has the name of one gets an underscore."""
        fields = dict(event["fields"])
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "time": _rfc3339(self._wall()),
            "seq": self._head.seq + 1,
            **self._origin,
            "action": event["event"],
            "outcome": event["outcome"],
            "reason": fields.pop("reason", None),
            "term": fields.pop("term", self._term),
            "leader": fields.pop("leader", self._leader),
            "event_id": fields.pop("event_id", None),
        }
        for name, value in fields.items():
            record[f"{name}_" if name in record or name in CHAIN_FIELDS else name] = value
        return record

    def _render(self, _logger: object, _method: str, record: MutableMapping[str, Any]) -> bytes:
        self._line, self._hash = seal(render(record), self._head.hash)
        return self._line

    def _size(self, action: str, outcome: Outcome, fields: Mapping[str, object]) -> int:
        """How many bytes the record would have taken."""
        event: MutableMapping[str, Any] = {"event": str(action), "outcome": outcome, "fields": fields}
        return len(self._render(None, "", self._complete(None, "", event)))

    def _drop(self, why: str, size: int) -> None:
        if self._dropped == 0:
            self._dropped_since = self._wall()
        self._dropped += 1
        self._dropped_bytes += size
        if self._degraded is None:
            self._log.error("audit-degraded", path=str(self._path), reason=why)
        self._degraded = why

    def _recover(self) -> None:
        if self._degraded is not None:
            self._log.info("audit-recovered", path=str(self._path))
        self._degraded = None

    def _tell_of_disk(self) -> None:
        """Log it, once, when the disk comes into trouble, and when it is out of it again."""
        trouble, before = self._syncer.trouble, self._unsynced
        if trouble and not before:
            self._log.error("audit-unsynced", path=str(self._path), reason=trouble)
        elif before and not trouble:
            self._log.info("audit-synced", path=str(self._path))
        self._unsynced = trouble


def _ignore(_record: Mapping[str, Any]) -> None:
    """Nobody wants to know."""


def _later(known: Head, found: Head | None) -> Head:
    """The later of the two, so that no number is used twice.

    Of two with one number the one that was known counts: where the file was exchanged the chain does not fit, and that
    shows. Only where its hash is not known can it be taken from the file.
    """
    if found is None or found.seq < known.seq or (found.seq == known.seq and known.hash != BEGINNING):
        return known
    return found


def _rfc3339(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
