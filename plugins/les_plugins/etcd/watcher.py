"""What others do, as etcd tells it: one list and one watch, begun anew where they break; and who is asked about whom.

Private to `etcd`.
"""

import asyncio
import contextlib
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from les_hooks.backends import Instant
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.health import Health
from les_plugins.etcd.line import Standing
from les_plugins.etcd.pacing import Alarm
from les_plugins.etcd.store import (
    CompactedError,
    Comparison,
    Delete,
    Range,
    Store,
    StoreError,
    Transacted,
    Transaction,
)

__all__ = ["Asker", "Watcher"]

_RETRY_SECONDS = 0.25
# A watch may be a little behind a read; by more it is dead. Who is near to leading does not wait to find out.
_BEHIND_SECONDS = 1.0

_ASKS_PER_LEASE = 5
# What a successor does not know to the tenth of a second, it waits for.
_LATE_SECONDS = 0.1


class Watcher:
    """Keeps the candidate's line; `changed` is called whenever it was told something."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        candidate: Candidate,
        *,
        health: Health,
        clock: Callable[[], Instant],
        changed: Callable[[], None],
        rewound: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._keys = keys
        self._candidate = candidate
        self._health = health
        self._clock = clock
        self._changed = changed
        self._rewound = rewound
        self._log = log
        self._listed = False
        self._stream: asyncio.Task[None] | None = None
        self._doubt: tuple[int, float] | None = None

    async def run(self) -> None:
        """List, and follow, for ever."""
        while True:
            self._stream = asyncio.create_task(self._follow())
            try:
                await asyncio.wait((self._stream,))
            finally:
                self._stream.cancel()
                await asyncio.gather(self._stream, return_exceptions=True)
            if not self._stream.cancelled():
                self._broke(self._stream.exception() or StoreError("the watch has ended"))
                await asyncio.sleep(_RETRY_SECONDS)

    def again(self) -> None:
        """Begin with a list."""
        self._listed, self._doubt = False, None
        if self._stream is not None:
            self._stream.cancel()

    def compare(self, found: Transacted, known: int, count: int) -> bool:
        """Hold a read through the quorum against the line, which was known up to `known` and had `count` keys then.

        Returns whether to do so again soon: the watch may only be a little behind.
        """
        line, revision = self._candidate.line, found.header.revision
        # What the watch has told since the read was sent may be newer than its answer.
        if revision < known:
            self._went_back(revision, known)
        elif not self._listed or line.revision != known:
            self._doubt = None
        elif not found.ranged[1].kvs and found.ranged[1].count == count:
            self._doubt = None
            line.confirm(revision)
            self._candidate.saw([], found.header.raft_term, self._clock())
        elif self._candidate.is_near or self._is_behind(known):
            self._log.info("watch-behind", revision=revision, known=known)
            self.again()
        return self._doubt is not None

    def _went_back(self, revision: int, known: int) -> None:
        self._log.error("etcd-went-back", revision=revision, known=known)
        self._rewound()

    def _is_behind(self, known: int) -> bool:
        """Whether the watch has had its time to tell what a read has found."""
        now = self._clock().boottime
        if self._doubt is None or self._doubt[0] != known:
            self._doubt = known, now
        return now - self._doubt[1] >= _BEHIND_SECONDS

    async def _follow(self) -> None:
        line = self._candidate.line
        if not self._listed:
            sent, known = self._clock().boottime, line.revision
            ranged = await self._store.range(Range(key=self._keys.prefix, prefix=True))
            self._health.well(sent, self._clock().boottime)
            if ranged.header.revision < known:
                self._went_back(ranged.header.revision, known)
            self._listed = True
            self._candidate.saw(line.replace(ranged), ranged.header.raft_term, self._clock())
            self._changed()
        async with self._store.watch(self._keys.prefix, line.revision + 1) as batches:
            async for batch in batches:
                gone = line.follow(batch)
                self._candidate.saw(gone, batch.header.raft_term, self._clock())
                self._changed()

    def _broke(self, error: BaseException) -> None:
        if isinstance(error, CompactedError):
            self._log.info("watch-compacted", revision=error.revision)
            self._listed = False
        elif isinstance(error, StoreError):
            self._health.failed(error, self._clock().boottime)
            self._changed()
        else:
            raise error


class Asker:
    """Asks etcd how long the leases ahead have left, and takes away the key of a leader whose lease is over."""

    def __init__(
        self, store: Store, candidate: Candidate, *, clock: Callable[[], Instant], changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._candidate = candidate
        self._clock = clock
        self._changed = changed
        self._alarm = Alarm()
        self._asks: tuple[Standing, ...] = ()

    def wake(self) -> None:
        """Others may be ahead now."""
        if [each.revision for each in self._candidate.asks] != [each.revision for each in self._asks]:
            self._alarm.ring()

    async def run(self) -> None:
        """Ask, for ever."""
        while True:
            self._asks = self._candidate.asks
            for standing in self._asks:
                await self._ask(standing)
            await self._clear()
            late = any(map(self._candidate.inquest.is_late, self._asks))
            pause = _LATE_SECONDS if late else self._candidate.hold.ttl / _ASKS_PER_LEASE
            _, due, _ = self._candidate.overdue
            left = due - self._now()
            await self._alarm.wait(min(pause, left if left > 0.0 else pause) if self._asks else None)

    async def _clear(self) -> None:
        """Take away the key of a leader that acts no more."""
        standing, due, raft_term = self._candidate.overdue
        if standing is None or self._now() < due:
            return
        with contextlib.suppress(StoreError):
            found = await self._store.range(Range(key=standing.key, keys_only=True))
            # A leader of etcd that was deposed does not hear of renewals, and knows of no later term.
            if found.header.raft_term == raft_term:
                mine = Comparison(key=standing.key, create_revision=standing.revision)
                await self._store.transact(Transaction(compare=(mine,), then=(Delete(key=standing.key),)))

    async def _ask(self, standing: Standing) -> None:
        try:
            life = await self._store.time_to_live(standing.lease)
        except StoreError:
            return  # it is not known then, which is what there is to know
        self._candidate.inquest.asked(standing, life, self._now())
        self._changed()

    def _now(self) -> float:
        return self._clock().boottime
