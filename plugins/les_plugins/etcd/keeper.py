"""The lease and the key of this node in etcd: granted, renewed, proven, and made what the candidate wants them to be.

Private to `etcd`. Two tasks, so that a key is moved at once though a renewal waits for an endpoint that is dead.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from les_hooks.backends import Instant
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Keys, Own, Place, Wanted, read_entry, write_entry
from les_plugins.etcd.health import Health
from les_plugins.etcd.pacing import Alarm
from les_plugins.etcd.store import (
    Comparison,
    Delete,
    LeaseGoneError,
    Put,
    Range,
    RefusedError,
    Store,
    StoreError,
    Transacted,
    Transaction,
)

__all__ = ["Keeper"]

# Of the lease: who leads, or is the next to, must know sooner where it stands.
_RENEWALS = 3
_RENEWALS_NEAR = 6
# Others prove their key, and compare what they know, less often than they renew.
_RENEWALS_PER_PROOF = 3

# etcd takes 128 operations in a transaction as it comes.
_MOST_LITTER = 64

# Hundreds of nodes must not keep an etcd from getting up again.
_RETRY_SECONDS = 1.0
_RETRY_NEAR_SECONDS = 0.25


class Keeper:
    """`changed` is called whenever the candidate was told something, `compared` with what a comparison has found,
    `dropped` when the lease was given up and, with it, whatever key it had.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        candidate: Candidate,
        *,
        health: Health,
        clock: Callable[[], Instant],
        changed: Callable[[], None],
        compared: Callable[[Transacted, int, int], bool],
        dropped: Callable[[], None],
    ) -> None:
        self._store = store
        self._keys = keys
        self._candidate = candidate
        self._health = health
        self._clock = clock
        self._changed = changed
        self._compared = compared
        self._on_dropped = dropped
        self._renewal = Alarm()
        self._placement = Alarm()
        self._ttl = candidate.hold.ttl
        self._renewals = 0
        self._urgent = False, False
        self._doubtful = False
        self._unproven = self._refused = False
        self._placed = False
        self._dropped = 0
        self._attempted = ""
        self._swept: set[str] = set()
        self.lease = 0

    def wake(self) -> None:
        """The candidate may want another key, have lost the one that it had, or be nearer to leading than it was."""
        if self._placed and self._candidate.own is None:
            self.drop()
        self._placement.ring()
        urgent = self._candidate.is_near, self._candidate.confirming
        if any(now and not before for now, before in zip(urgent, self._urgent, strict=True)):
            self._renewal.ring()
        self._urgent = urgent

    def drop(self) -> None:
        """Take another lease. A key that this one may still have, as an answer was lost, goes with it."""
        self._dropped = self.lease or self._dropped
        self.lease, self._placed, self._attempted = 0, False, ""
        self._unproven = self._refused = False
        self._renewal.ring()
        self._on_dropped()

    # -- the lease -----------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Have a lease, for ever."""
        while True:
            try:
                pause = await self._renew() if self.lease else await self._grant()
            except StoreError as error:
                self._health.failed(error, self._now())
                self._changed()
                pause = self._retry
            await self._renewal.wait(pause)

    async def _grant(self) -> float:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            with contextlib.suppress(StoreError):
                await self._store.revoke(dropped)
        sent = self._now()
        granted = await self._store.grant(self._ttl)
        self.lease, self._candidate.hold.ttl, self._renewals = granted.lease, granted.ttl, 0
        self._candidate.hold.renewed(sent, self._now(), granted.header)
        self._placement.ring()
        return granted.ttl / _RENEWALS_NEAR

    async def _renew(self) -> float:
        """Renew the lease, and see to it that the renewal counts; returns after how many seconds to do it again."""
        lease = self.lease
        # etcd renews for whoever knows the lease, also for who may read and write nothing any more. The key of such a
        # node must not stay at the head of the line.
        if self._unproven or self._refused:
            await self._prove()
            self._changed()
            if self._refused or lease != self.lease:
                return self._retry
        sent = self._now()
        kept = await self._store.keep_alive(lease)
        if lease != self.lease:
            return 0.0
        if not kept.ttl:
            self._candidate.evicted(self._clock())
            self.drop()
            self._changed()
            return 0.0
        self._candidate.hold.renewed(sent, self._now(), kept.header)
        self._health.well(sent, self._now())
        self._renewals += 1
        near = self._candidate.is_near or self._candidate.confirming
        if near or self._doubtful or self._renewals % _RENEWALS_PER_PROOF == 0:
            await self._prove()
        self._changed()
        soon = near or self._doubtful
        return self._candidate.hold.ttl / (_RENEWALS_NEAR if soon else _RENEWALS) - (self._now() - sent)

    async def _prove(self) -> None:
        """Read the own key through the quorum, and beside it whether anything has escaped the watch."""
        candidate, own = self._candidate, self._candidate.own
        sent, known, count = self._now(), candidate.line.revision, candidate.line.count
        self._unproven = True
        asked = (
            Range(key=own.key if own is not None else self._keys.prefix, keys_only=True),
            Range(key=self._keys.prefix, prefix=True, min_mod_revision=known + 1, limit=1, keys_only=True),
        )
        found = await self._store.transact(Transaction(then=asked))
        self._unproven = False
        self._health.well(sent, self._now())
        if own is not None and candidate.own == own and not candidate.moves:
            if any(kv.create_revision == own.revision for kv in found.ranged[0].kvs):
                candidate.proven(sent, found.header, self._clock())
            elif found.header.revision >= own.revision:
                candidate.evicted(self._clock())
        self._doubtful = self._compared(found, known, count)

    # -- the key -------------------------------------------------------------------------------------------------------

    async def place(self) -> None:
        """Have the key that the candidate wants, for ever."""
        while True:
            await self._placement.wait()
            while (wanted := self._lacks()) is not None or self._litter():
                try:
                    await (self._sweep() if wanted is None else self._place(wanted))
                except StoreError as error:
                    self._health.failed(error, self._now())
                    lease_is_gone = isinstance(error, LeaseGoneError)
                    self._refused = isinstance(error, RefusedError) and not lease_is_gone and self._is_behind
                    if lease_is_gone:
                        self._renewal.ring()
                    await asyncio.sleep(self._retry)
                self._changed()

    def _litter(self) -> tuple[str, ...]:
        """What is to be swept and was not: the watch tells of that a moment later."""
        litter = self._candidate.litter(self._now())
        self._swept &= set(litter)
        return tuple(key for key in litter if key not in self._swept)[:_MOST_LITTER]

    async def _sweep(self) -> None:
        """Take away traces that nobody needs to mind any more; no name is used twice."""
        sent, litter = self._now(), self._litter()
        await self._store.transact(Transaction(then=tuple(Delete(key=key) for key in litter)))
        self._health.well(sent, self._now())
        self._swept |= set(litter)

    def _lacks(self) -> Wanted | None:
        wanted, own = self._candidate.wanted, self._candidate.own
        if wanted is None or not self.lease:
            return None
        stands = own is not None and (own.place, own.stint, own.entry) == (wanted.place, wanted.stint, wanted.entry)
        return None if stands else wanted

    async def _place(self, wanted: Wanted) -> None:
        own = self._candidate.own
        if own is not None and own.stint == wanted.stint:
            await self._rewrite(own, wanted)
        else:
            await self._move(own, wanted)

    async def _rewrite(self, own: Own, wanted: Wanted) -> None:
        """Say something else in the same key, unless that is gone: it must never come anew."""
        sent = self._now()
        put = Put(key=own.key, value=write_entry(wanted.entry), lease=self.lease)
        standing = Comparison(key=own.key, create_revision=own.revision)
        done = await self._store.transact(Transaction(compare=(standing,), then=(put,)))
        self._health.well(sent, self._now())
        if self._candidate.own != own:
            return
        if not done.succeeded:
            self._candidate.evicted(self._clock())
            return
        self._stands(Own(key=own.key, place=own.place, stint=own.stint, revision=own.revision, entry=wanted.entry))
        self._candidate.proven(sent, done.header, self._clock())

    async def _move(self, own: Own | None, wanted: Wanted) -> None:
        """Put a new key in the place of the old one, in one revision. What came of it is known in the end."""
        candidate, key, lease = self._candidate, self._keys.name(wanted.place, self.lease, wanted.stint), self.lease
        if own is None and self._attempted not in ("", key):
            self.drop()  # nobody knows of that one whether it stands
            return
        before = own if own is not None and own.key != key else None
        sent, candidate.moves, self._attempted = self._now(), own is not None, key
        done = await self._store.transact(moving(self._keys, before, key, wanted, lease))
        self._refused = False
        candidate.moves, self._attempted = False, ""
        self._health.well(sent, self._now())
        if lease != self.lease or candidate.own != own:
            return  # an eviction came between
        fresh = Own(key=key, place=wanted.place, stint=wanted.stint, revision=done.header.revision, entry=wanted.entry)
        if done.succeeded:
            self._stands(fresh)
        elif (attempted := _attempt(fresh, done)) is not None:
            self._stands(attempted)
        else:
            candidate.evicted(self._clock())
            self.drop()  # with whatever else is on it
            return
        candidate.proven(sent, done.header, self._clock())
        candidate.saw([], done.header.raft_term, self._clock())

    @property
    def _is_behind(self) -> bool:
        """Whether its key stands where it should be no more."""
        wanted, own = self._candidate.wanted, self._candidate.own
        return wanted is not None and own is not None and own.stint != wanted.stint

    def _stands(self, own: Own) -> None:
        self._placed = True
        self._candidate.placed(own)

    async def say_farewell(self) -> None:
        """Take the key away, of whom nothing is left. Raises StoreError; the lease then ends by itself."""
        own, farewell = self._candidate.own, self._candidate.farewell
        if not self.lease:
            return
        if own is not None:
            key = self._keys.name(Place.ASIDE, self.lease, farewell.stint)
            await self._store.transact(moving(self._keys, own, key, farewell, self.lease))
        elif self._litter():
            await self._sweep()
        await self._store.revoke(self.lease)

    @property
    def _retry(self) -> float:
        return _RETRY_NEAR_SECONDS if self._candidate.is_near else _RETRY_SECONDS

    def _now(self) -> float:
        return self._clock().boottime


def _attempt(fresh: Own, done: Transacted) -> Own | None:
    """What an earlier attempt has written that had no answer; None for nothing, and for what is none of this node's."""
    for found in done.ranged[0].kvs:
        with contextlib.suppress(ValueError):
            return replace(fresh, revision=found.create_revision, entry=read_entry(found.value))
    return None


def moving(keys: Keys, own: Own | None, key: str, wanted: Wanted, lease: int) -> Transaction:
    """Remove the old key, if it stands, and write the new one; or tell what stands under the new one's name.

    Who is in line has a trace beside its key. It comes and goes with that, at the same revision.
    """
    compare, then = [Comparison(key=key, create_revision=0)], list[Put | Delete]()
    value, name = write_entry(wanted.entry), key.rpartition("/")[2]
    if own is not None:
        compare.append(Comparison(key=own.key, create_revision=own.revision))
        then.append(Delete(key=own.key))
        if own.place is Place.LINE:
            then.append(Delete(key=keys.trace(own.key.rpartition("/")[2])))
    then.append(Put(key=key, value=value, lease=lease))
    if wanted.place is Place.LINE:
        then.append(Put(key=keys.trace(name), value=value, lease=0))
    return Transaction(compare=tuple(compare), then=tuple(then), otherwise=(Range(key=key),))
