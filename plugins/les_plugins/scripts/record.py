"""What became of the scripts of one node: for `les status`, and so that nothing is said twice. Private to `scripts`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from les_hooks.events import Event
from les_hooks.processes import Ending, Finished

__all__ = ["FAILURES", "Record", "Run"]

FAILURES = frozenset({Ending.FAILURE, Ending.TIMEOUT, Ending.UNSTARTED})
"""The endings that an operator should hear of."""

# More scripts than anybody has; past it the one that ran longest ago is forgotten.
_MOST_RUNS = 256
_MOST_REPORTED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The last run of one script on one event, and how many there were; `time` is its end, in Unix seconds."""

    event: str
    event_id: str
    path: str
    time: float
    outcome: str
    exit_code: int | None
    signal: int | None
    duration_ms: int
    runs: int
    failures: int


@dataclass(slots=True, kw_only=True)
class Record:
    """Last runs by event and path, what runs now since when, and the files that were reported as skipped."""

    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    since: dict[tuple[str, str], float] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)

    def is_news(self, path: str, reason: str) -> bool:
        """Whether this was not reported yet; without a `reason` nothing is, and what was reported is settled."""
        if not reason:
            self.reported.pop(path, None)
            return False
        if self.reported.get(path) == reason:
            return False
        if len(self.reported) >= _MOST_REPORTED:
            self.reported.clear()
        self.reported[path] = reason
        return True

    @contextmanager
    def running(self, path: str, event: Event) -> Iterator[None]:
        """Note that it runs, as long as this lasts."""
        key = (event.kind.value, path)
        self.since[key] = time.time()
        try:
            yield
        finally:
            self.since.pop(key, None)

    def running_since(self, path: str) -> float | None:
        """Since when it runs, in Unix seconds; None where it does not."""
        return min((since for (_, running), since in self.since.items() if running == path), default=None)

    def add(self, path: str, event: Event, finished: Finished) -> None:
        """Note a run."""
        key = (event.kind.value, path)
        before = self.runs.pop(key, None)
        self.runs[key] = Run(
            event=event.kind.value,
            event_id=event.id,
            path=path,
            time=time.time(),
            outcome=finished.ending.value,
            exit_code=finished.exit_code,
            signal=finished.signal,
            duration_ms=round(finished.seconds * 1000),
            runs=1 + (before.runs if before else 0),
            failures=(before.failures if before else 0) + (finished.ending in FAILURES),
        )
        while len(self.runs) > _MOST_RUNS:
            del self.runs[next(iter(self.runs))]
