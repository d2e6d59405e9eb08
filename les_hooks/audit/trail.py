"""The audit trail: one JSON line for each decision, hook call and request. Imported by whoever decides or acts.

Records go through structlog, with processors and a sink of their own; its process-wide configuration plays no part.
"""

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

from les_hooks.audit.actions import SCHEMA, Action, Outcome
from les_hooks.audit.file import AuditFile, Opened, last_seq
from les_hooks.audit.record import render
from les_hooks.errors import PluginError

__all__ = ["Audit"]

_NOT_IN_A_WORD = re.compile(r"[^A-Za-z0-9._-]")
_MOST_WORD = 64


class Audit:
    """Writes the trail of one process.

    A trail that cannot be written never stops the node: records are dropped and counted, `degraded` says why, and
    `audit.gap` says how many once writing works again. Nothing is synced. All methods may be called from any thread.
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
        after_seq: int = 0,
    ) -> None:
        """`boot` is the start counter, `wall` gives Unix seconds, `log` hears of the trail's own trouble.

        `after_seq` is the last number remembered elsewhere, for a file whose predecessors are compressed or gone.
        """
        self._path = path
        self._file = AuditFile(path)
        self._wall = wall
        self._log = log
        self._origin: Mapping[str, object] = {"boot": boot, "node": node, "cluster": cluster}
        self._term: int | None = None
        self._leader: str | None = None
        self._seq = max(after_seq, last_seq(path))
        self._opening = Action.AUDIT_OPENED
        self._unannounced: Opened | None = None
        self._line = b""
        self._dropped = 0
        self._dropped_since = 0.0
        self._degraded: str | None = None
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
        return self._seq

    @property
    def degraded(self) -> str | None:
        """Why the trail cannot be written, None where it can."""
        return self._degraded

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
    ) -> None:
        """Write one record. `fields` are free; `term` and `leader` among them replace the present ones."""
        self._write(action, outcome, {"reason": reason, "event_id": event_id, **fields})

    def plugin(self, name: str, action: str, outcome: str, fields: Mapping[str, object]) -> None:
        """Write a plugin's record, as `plugin.<name>.<action>`. Raises PluginError for an unknown outcome."""
        if outcome not in list(Outcome):
            raise PluginError(name, f"the outcome of an audit record is one of {', '.join(Outcome)}, not {outcome!r}")
        word = _NOT_IN_A_WORD.sub("_", action)[:_MOST_WORD]
        self._write(f"plugin.{name}.{word}", Outcome(outcome), fields)

    def close(self) -> None:
        """Let go of the file, having tried once more to account for what was dropped."""
        with self._lock:
            if self._dropped:
                with contextlib.suppress(OSError):
                    self._catch_up()
            self._file.close()

    def _write(self, action: str, outcome: Outcome, fields: Mapping[str, object]) -> None:
        with self._lock:
            try:
                self._catch_up()
                self._emit(action, outcome, fields)
            except OSError as error:
                self._drop(str(error))
            else:
                self._recover()

    def _catch_up(self) -> None:
        """Have the file open, and say in it what has not been said yet. Raises OSError."""
        opened = self._file.ready()
        if opened is not None:
            self._unannounced = opened
            self._seq = max(self._seq, opened.last_seq)
        if self._unannounced is not None:
            self._emit(self._opening, Outcome.SUCCESS, {"torn_bytes": self._unannounced.torn_bytes})
            self._unannounced = None
            self._opening = Action.AUDIT_REOPENED
        if self._dropped:
            since = _rfc3339(self._dropped_since)
            self._emit(
                Action.AUDIT_GAP,
                Outcome.FAILURE,
                {"reason": self._degraded, "dropped": self._dropped, "since": since},
            )
            self._dropped = 0

    def _emit(self, action: str, outcome: Outcome, fields: Mapping[str, object]) -> None:
        # The fields travel as one value: structlog could not take some names (`event`) as keywords.
        self._trail.write(str(action), outcome=outcome, fields=fields)
        self._seq += 1
        # As it was written: bounded, and of plain values.
        self.heard(msgspec.json.decode(self._line))

    def _complete(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Give the record its core fields; a free field that has the name of one gets an underscore."""
        fields = dict(event["fields"])
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "time": _rfc3339(self._wall()),
            "seq": self._seq + 1,
            **self._origin,
            "action": event["event"],
            "outcome": event["outcome"],
            "reason": fields.pop("reason", None),
            "term": fields.pop("term", self._term),
            "leader": fields.pop("leader", self._leader),
            "event_id": fields.pop("event_id", None),
        }
        for name, value in fields.items():
            record[f"{name}_" if name in record else name] = value
        return record

    def _render(self, _logger: object, _method: str, record: MutableMapping[str, Any]) -> bytes:
        self._line = render(record)
        return self._line

    def _drop(self, why: str) -> None:
        if self._dropped == 0:
            self._dropped_since = self._wall()
        self._dropped += 1
        if self._degraded is None:
            self._log.error("audit-degraded", path=str(self._path), reason=why)
        self._degraded = why

    def _recover(self) -> None:
        if self._degraded is not None:
            self._log.info("audit-recovered", path=str(self._path))
        self._degraded = None


def _ignore(_record: Mapping[str, Any]) -> None:
    """Nobody wants to know."""


def _rfc3339(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
