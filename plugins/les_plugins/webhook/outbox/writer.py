"""The thread that writes the outbox, which nobody waits for longer than he wants to. For `outbox`.

All work on the file is a queue of jobs. The thread takes what is there, does it in one transaction and lets go of the
jobs once that is committed: so a burst costs few waits for the disk, and a disk that is full or hangs costs none of
the jobs, until too many wait.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from les_hooks.text import error_words
from les_plugins.webhook.outbox.file import StoreTooNew, put_aside
from les_plugins.webhook.outbox.rows import Bounds, Tally
from les_plugins.webhook.outbox.store import Store

__all__ = ["MOST_JOBS", "Reporter", "Unwritten", "Writer"]

T = TypeVar("T")

MOST_JOBS = 16_384
"""As many events as a burst may have: some 16 MiB."""

_MOST_AT_ONCE = 512
_RETRY_SECONDS = 1.0
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Unwritten(Exception):  # noqa: N818  (it says what is so)
    """The outbox cannot take it: the message says why."""


class Reporter(Protocol):
    """Who is told what happens in the thread; called there."""

    def dropped(self, endpoint: str, rows: int) -> None:
        """So many rows had to go to make room."""

    def set_aside(self, path: Path, why: str) -> None:
        """The file could not be used and is at `path` now; a new one was begun."""

    def enabled(self, endpoint: str) -> None:
        """It was disabled, and leads elsewhere now."""

    def degraded(self, why: str) -> None:
        """Nothing can be written at present; empty: it can again."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """`writes`: it is done again until it could be committed. `durable`: it has to be on the disk then.

    `after` is called in the thread with what came of it.
    """

    work: Callable[[Store], Any]
    writes: bool
    durable: bool
    after: Callable[[Any], None] | None = None
    result: "Future[Any]" = field(default_factory=Future)


class Writer:
    """Does jobs on the file at `path`. `submit` and `close` are called in the loop.

    `endpoints` says which there are, and where each leads; it is asked in the thread, as it may have to read files.
    `wall` gives Unix seconds.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        endpoints: Callable[[], Mapping[str, str]],
        reporter: Reporter,
        wall: Callable[[], float],
    ) -> None:
        self.tallies: Mapping[str, Tally] = {}
        """How much there is by endpoint, as of the last commit."""
        self.trouble = ""
        """Why nothing can be written at present."""
        self._path = path
        self._bounds = bounds
        self._endpoints = endpoints
        self._reporter = reporter
        self._wall = wall
        self._jobs: deque[_Job] = deque()
        self._change = threading.Condition()
        self._closing = False
        self._store: Store | None = None
        self._thread = threading.Thread(target=self._run, name="webhook-outbox", daemon=True)
        self._thread.start()

    # -- in the loop ---------------------------------------------------------------------------------------------------

    def submit(
        self,
        work: Callable[[Store], T],
        *,
        writes: bool = False,
        durable: bool = False,
        after: Callable[[T], None] | None = None,
    ) -> "asyncio.Future[T]":
        """Have it done; see `_Job` for the words. Raises Unwritten where too much waits, now or by the future."""
        job = _Job(work=work, writes=writes, durable=durable, after=after)
        with self._change:
            if self._closing or len(self._jobs) >= MOST_JOBS:
                raise Unwritten(self.trouble or ("it is closed" if self._closing else "too much waits to be written"))
            self._jobs.append(job)
            self._change.notify()
        return asyncio.wrap_future(job.result)

    async def close(self, seconds: float) -> None:
        """Write what waits, for so long at most, and let go of the file; what is not written by then is refused."""
        with self._change:
            self._closing = True
            self._change.notify()
        await asyncio.to_thread(self._thread.join, seconds)
        with self._change:
            late = list(self._jobs)
        _refuse(late, self.trouble or "the disk does not answer")

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._do(batch)
        finally:
            if self._store is not None:
                self._store.close()

    def _next(self) -> Sequence[_Job]:
        """What to do now, left in the queue; nothing at the end."""
        with self._change:
            while not self._jobs and not self._closing:
                self._change.wait()
            return list(islice(self._jobs, _MOST_AT_ONCE))

    def _do(self, batch: Sequence[_Job]) -> None:
        try:
            results = self._commit(batch)
        except Exception as error:
            self._fail(batch, error)
            return
        with self._change:
            for _ in batch:
                self._jobs.popleft()
        self._say("")
        for job, result in zip(batch, results, strict=True):
            if job.after is not None:
                job.after(result)
            with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
                job.result.set_result(result)

    def _commit(self, batch: Sequence[_Job]) -> Sequence[Any]:
        store = self._store or self._open()
        if not any(job.writes for job in batch):
            return [job.work(store) for job in batch]
        with store.transaction(durable=any(job.durable for job in batch)):
            results = [job.work(store) for job in batch]
            tallies = store.tallies()
        self.tallies = tallies
        return results

    def _open(self) -> Store:
        store = Store(path=self._path, bounds=self._bounds)
        try:
            with store.transaction(durable=True):
                enabled = store.enrol(self._endpoints(), self._wall())
                self.tallies = store.tallies()
        except BaseException:
            store.close()
            raise
        for endpoint in enabled:
            self._reporter.enabled(endpoint)
        self._store = store
        return store

    def _fail(self, batch: Sequence[_Job], error: Exception) -> None:
        """Keep what is to be written, and go on when that may work; who only asks is told at once."""
        why = error_words(error)
        useless = isinstance(error, StoreTooNew) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
        if useless and self._begin_anew(why):
            return
        # Anything else is a fault of ours, which would be the same each time.
        may_pass = useless or isinstance(error, sqlite3.OperationalError | OSError)
        failed = {job for job in batch if not (job.writes and may_pass)}
        with self._change:
            self._jobs = deque(job for job in self._jobs if job not in failed)
        _refuse(failed, why)
        self._say(why)
        with self._change:
            self._change.wait_for(lambda: self._closing, _RETRY_SECONDS if may_pass else 0.0)
            late = list(self._jobs) if self._closing else []
            if late:
                self._jobs.clear()
        _refuse(late, why)

    def _say(self, why: str) -> None:
        if bool(why) != bool(self.trouble):
            self._reporter.degraded(why)
        self.trouble = why

    def _begin_anew(self, why: str) -> bool:
        """Put the file aside, so that the next batch makes another; returns whether that worked."""
        if self._store is not None:
            with contextlib.suppress(sqlite3.Error):
                self._store.close()
            self._store = None
        try:
            folder = put_aside(self._path, self._wall())
        except OSError:
            return False
        self._reporter.set_aside(folder, why)
        return True


def _refuse(jobs: Iterable[_Job], why: str) -> None:
    for job in jobs:
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            job.result.set_exception(Unwritten(why))
