"""What webhooks leave in the audit and in the log, at a pace that a receiver which fails all the time cannot set.

Private to `webhook`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from les_hooks import Context
from les_plugins.webhook.workers import Happening

__all__ = ["PACE_SECONDS", "Records"]

PACE_SECONDS = 60.0
"""As often at most the same is recorded of an endpoint; what happens between is counted into the next record."""

_SUCCESS = frozenset({"recovered", "enabled", "outbox-recovered", "replayed"})
_DROPPED = "dropped"


@dataclass(slots=True, kw_only=True)
class _Pending:
    """What is not recorded yet: how many, and the fields of the last one."""

    recorded_at: float
    count: int
    fields: dict[str, object]


class Records:
    """Leaves the records; may be called in any thread. `clock` gives seconds."""

    def __init__(self, ctx: Context, clock: Callable[[], float]) -> None:
        self._ctx = ctx
        self._clock = clock
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._lock = threading.Lock()

    def __call__(self, happening: Happening, endpoint: str, *, count: int = 1, **fields: object) -> None:
        """Hear what happened to an endpoint."""
        self._note(happening.value, endpoint, count, fields)

    def dropped(self, endpoint: str, rows: int) -> None:
        """So many rows had to go to make room."""
        self._note(_DROPPED, endpoint, rows, {"reason": "more waits than max_rows and max_bytes allow"})

    def unwritten(self, event_id: str, why: str) -> None:
        """An event could not even be queued."""
        self._note("unwritten", "", 1, {"reason": why, "event_id": event_id})

    def enabled(self, endpoint: str) -> None:
        """A disabled endpoint leads elsewhere now."""
        self._note("enabled", endpoint, 1, {"reason": "it has another URL"})

    def replayed(self, endpoint: str, rows: int) -> None:
        """An operator had it posted again."""
        self._say("replayed", endpoint, rows, {})

    def set_aside(self, path: Path, why: str) -> None:
        """The outbox could not be used and is at `path` now."""
        self._say("outbox-set-aside", "", 1, {"reason": why, "path": str(path)})

    def degraded(self, why: str) -> None:
        """Nothing can be written; empty: it can again."""
        self._note("outbox-degraded" if why else "outbox-recovered", "", 1, {"reason": why or None})

    def flush(self, *, all_of_it: bool = False) -> None:
        """Record what has waited for its time."""
        with self._lock:
            due = [
                (key, pending)
                for key, pending in self._pending.items()
                if all_of_it or self._clock() - pending.recorded_at >= PACE_SECONDS
            ]
            for key, _ in due:
                del self._pending[key]
        for (action, endpoint), pending in due:
            if pending.count:
                self._note(action, endpoint, pending.count, pending.fields)

    def _note(self, action: str, endpoint: str, count: int, fields: dict[str, object]) -> None:
        with self._lock:
            pending = self._pending.get((action, endpoint))
            now = self._clock()
            if pending is not None and now - pending.recorded_at < PACE_SECONDS:
                pending.count += count
                pending.fields = fields
                return
            count += pending.count if pending is not None else 0
            self._pending[action, endpoint] = _Pending(recorded_at=now, count=0, fields={})
        self._say(action, endpoint, count, fields)

    def _say(self, action: str, endpoint: str, count: int, fields: dict[str, object]) -> None:
        found = {"endpoint": endpoint or None, "count": count, **fields}
        shown = {name: value for name, value in found.items() if value is not None}
        good = action in _SUCCESS
        log = self._ctx.log.info if good else self._ctx.log.warning
        log(f"webhook-{action}", **shown)
        self._ctx.audit(action, _DROPPED if action == _DROPPED else "success" if good else "failure", **shown)
