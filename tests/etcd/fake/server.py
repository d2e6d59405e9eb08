"""The etcd itself: keys, leases and watches together, and what befalls it. Serves at once; delays are the client's."""

import asyncio
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from les_plugins.etcd.store import (
    Batch,
    Change,
    CompactedError,
    Granted,
    Header,
    Kept,
    LeaseGoneError,
    Life,
    Put,
    Range,
    Ranged,
    StoreError,
    Transacted,
    Transaction,
    UnreachableError,
)
from tests.election.sim.clocks import Clock
from tests.etcd.fake.keyspace import Found, Keyspace
from tests.etcd.fake.leases import LOOK_SECONDS, Leases

__all__ = ["Deposed", "Etcd", "Later", "Watcher"]

# What etcd has as it comes: an election timeout of a second, and no lease shorter than one and a half of it.
ELECTION_SECONDS = 1.0
MIN_TTL_SECONDS = 2

# Watches from the past are served by a loop of their own, and not all of a long past at once.
SYNC_SECONDS = 0.1
MOST_REVISIONS_AT_ONCE = 1000

# A timer may ring that much early, and must not find that nothing is due and be set for the same moment again.
_ROUNDING_SECONDS = 1e-6


class Later(Exception):  # noqa: N818  (no error: the answer takes so long)
    """This request is to be served anew after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Deposed:
    """A leader that does not know that it is none any more: what it has, and how it heads its answers."""

    leases: Leases
    header: Header


class Watcher:
    """A watch as the etcd sees it: `tell` is called with what there is to tell, in order, from revision `first` on.

    `synced`: it has been told what had been, and is told from now on what comes.
    """

    def __init__(self, prefix: str, revision: int, tell: Callable[[Batch | StoreError], None]) -> None:
        self.prefix = prefix
        self.first = revision
        self.tell = tell
        self.synced = False


class Etcd:
    """`clock` is the true time; timers are those of the loop in which this is made.

    `raft_term`, `cluster_id` and `member_id` head each answer. `lame`, it has no majority: no request is served, and
    no lease runs out.
    """

    def __init__(self, clock: Callable[[], float], random: Random, *, rate: float = 1.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.random = random
        self.keyspace = Keyspace()
        self.leases = Leases(phase=random.uniform(0.0, LOOK_SECONDS))
        self.raft_term = 2
        self.cluster_id = random.getrandbits(63)
        self.member_id = random.getrandbits(63)
        self.lame = False
        self.deposed: Deposed | None = None
        self.granted: dict[int, int] = {}
        self._true = clock
        self._clock = Clock(since=clock(), rate=rate)
        self._watchers: dict[Watcher, None] = {}
        self._look: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        """What the clock of the etcd shows."""
        return self._clock.show(self._true())

    @property
    def header(self) -> Header:
        """How each answer is headed now."""
        return Header(
            cluster_id=self.cluster_id,
            member_id=self.member_id,
            revision=self.keyspace.revision,
            raft_term=self.raft_term,
        )

    # -- requests ------------------------------------------------------------------------------------------------------

    def grant(self, ttl: int) -> Granted:
        """Make a lease."""
        lease, lasting = self.random.getrandbits(62) + 1, max(ttl, MIN_TTL_SECONDS)
        self.leases.grant(lease, lasting, self.now)
        self.granted[lease] = lasting
        self._arm()
        return Granted(header=self.header, lease=lease, ttl=lasting)

    def keep_alive(self, lease: int, by: Deposed | None = None) -> Kept:
        """Renew a lease; one that has run out is answered for once its keys are gone."""
        leases, header = (by.leases, by.header) if by is not None else (self.leases, self.header)
        if leases.is_expired(lease, self.now):
            raise Later(LOOK_SECONDS / 10)
        return Kept(header=header, ttl=leases.renew(lease, self.now))

    def time_to_live(self, lease: int, by: Deposed | None = None) -> Life:
        """Tell how long it lasts."""
        leases, header = (by.leases, by.header) if by is not None else (self.leases, self.header)
        ttl, granted_ttl = leases.remaining(lease, self.now)
        return Life(header=header, ttl=ttl, granted_ttl=granted_ttl)

    def revoke(self, lease: int) -> None:
        """End a lease, with its keys, in one revision."""
        gone = self.leases.all.pop(lease, None)
        if gone is not None:
            self._tell(self.keyspace.delete(gone.keys))

    def range(self, asked: Range) -> Ranged:
        """Read."""
        return self._ranged(self.keyspace.find(asked))

    def transact(self, transaction: Transaction) -> Transacted:
        """Do all of it at one revision."""
        held = all(map(self.keyspace.holds, transaction.compare))
        for operation in transaction.then if held else transaction.otherwise:
            if isinstance(operation, Put) and operation.lease and operation.lease not in self.leases.all:
                raise LeaseGoneError("etcdserver: requested lease not found")
        succeeded, found, changes = self.keyspace.transact(transaction)
        for change in changes:
            self._attach(change)
        self._tell(changes)
        return Transacted(header=self.header, succeeded=succeeded, ranged=tuple(map(self._ranged, found)))

    def _ranged(self, found: Found) -> Ranged:
        return Ranged(header=self.header, kvs=found[0], count=found[1])

    def _attach(self, change: Change) -> None:
        if change.before is not None and change.before.lease in self.leases.all:
            self.leases.all[change.before.lease].keys.discard(change.kv.key)
        if change.kv.lease:
            self.leases.all[change.kv.lease].keys.add(change.kv.key)

    # -- watches -------------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> None:
        """Tell it that it stands, then what has been, then what comes."""
        self._watchers[watcher] = None
        watcher.tell(self._batch((), watcher.first - 1))
        watcher.synced = watcher.first > self.keyspace.revision
        if not watcher.synced:
            self.loop.call_later(self.random.uniform(0.0, SYNC_SECONDS), self._sync, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Tell it nothing more."""
        self._watchers.pop(watcher, None)

    def _end_watches(self, why: str) -> None:
        for watcher in list(self._watchers):
            self.unwatch(watcher)
            watcher.tell(UnreachableError(why))

    def _sync(self, watcher: Watcher) -> None:
        if watcher not in self._watchers:
            return
        if watcher.first < self.keyspace.compacted:
            self.unwatch(watcher)
            watcher.tell(CompactedError(self.keyspace.compacted))
            return
        for changes in self.keyspace.history(watcher.prefix, watcher.first, MOST_REVISIONS_AT_ONCE):
            watcher.tell(self._batch(changes, changes[-1].kv.mod_revision))
        watcher.synced = True

    def _tell(self, changes: tuple[Change, ...]) -> None:
        for watcher in [one for one in self._watchers if one.synced and one.first <= self.keyspace.revision]:
            told = tuple(change for change in changes if change.kv.key.startswith(watcher.prefix))
            if told:
                watcher.tell(self._batch(told, self.keyspace.revision))

    def _batch(self, changes: tuple[Change, ...], revision: int) -> Batch:
        return Batch(header=replace(self.header, revision=revision), changes=changes)

    # -- what befalls it -----------------------------------------------------------------------------------------------

    def revoke_early(self, lease: int) -> None:
        """End a lease that is alive, as 3.4.23 may when its leader changes."""
        self.revoke(lease)

    def new_leader(self) -> None:
        """Have another member lead: all leases last for their full time again; the one before does not know yet."""
        self.deposed = Deposed(copy.deepcopy(self.leases), self.header)
        self.raft_term += 1
        self.leases.extend(ELECTION_SECONDS, self.now)
        self._arm()

    def lose_majority(self) -> None:
        """Serve nobody, let no lease run out, and end the watches, as is asked for with each of them."""
        self.lame = True
        self._end_watches("etcdserver: no leader")

    def regain_majority(self) -> None:
        """Serve again, under a new leader."""
        self.lame = False
        self.new_leader()

    def compact(self, revision: int | None = None) -> None:
        """Forget what was before that revision, the latest unless said."""
        self.keyspace.compact(self.keyspace.revision if revision is None else revision)

    def restore(self, revision: int, *, cluster_id: int | None = None) -> None:
        """Be what a backup of that revision holds: leases last for their full time, and watches break.

        The cluster has a new id only where the operator has given it a new token.
        """
        self.keyspace.restore(revision)
        self.cluster_id = cluster_id or self.cluster_id
        self.raft_term = 2
        self.deposed = None
        self.leases.all.clear()
        for kv in self.keyspace.kvs.values():
            if kv.lease:
                if kv.lease not in self.leases.all:
                    self.leases.grant(kv.lease, self.granted[kv.lease], self.now)
                self.leases.all[kv.lease].keys.add(kv.key)
        self._end_watches("the connection was lost")
        self._arm()

    # -- leases that run out -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Look again when the first of the leases may have run out, and not every half second of a year."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        first = self.leases.first_expiry
        if math.isfinite(first):
            due = self._clock.when(self.leases.next_look(max(first, self.now)))
            self._look = self.loop.call_later(max(0.0, due - self._true()), self._expire)

    def _expire(self) -> None:
        if self.lame:
            self._look = None
            return
        for lease in self.leases.expired(self.now + _ROUNDING_SECONDS):
            self.revoke(lease)
        self._arm()
