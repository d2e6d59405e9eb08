"""The simplest engine: a key on a lease, and the oldest leads. It makes the mistakes that the plugin must not make."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from les_hooks.backends import Backend, Disk, Instant, Reports, Seat
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address, Mandate, Member, MemberKind, View
from les_plugins.etcd.entry import Entry, Keys, Place, read_entry, write_entry
from les_plugins.etcd.store import KeyValue, Put, Range, Store, StoreError, Transaction

__all__ = ["NaiveBackend", "NaiveEngine"]


@dataclass(frozen=True, slots=True)
class NaiveEngine:
    """`from_receipt`: authority counts from when a renewal was answered and for all of the ttl, as with etcdctl."""

    store: Store
    from_receipt: bool = False

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> Backend:
        """Make one that only looks at its clock when it has asked."""
        return NaiveBackend(self, seat, reports, clock)

    async def release(self, seat: Seat) -> None:
        """Leave it to the lease."""


class NaiveBackend:
    """Asks, and believes what it is told."""

    def __init__(self, engine: NaiveEngine, seat: Seat, reports: Reports, clock: Callable[[], Instant]) -> None:
        self.mandate = NO_MANDATE
        self.confirming = False
        self._store = engine.store
        self._from_receipt = engine.from_receipt
        self._seat = seat
        self._reports = reports
        self._clock = clock
        self._ttl = seat.config.ttl
        self._keys = Keys(seat.config.prefix, seat.cluster)
        self._lease = 0
        self._term = 0
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """See whether the time has run out."""
        if math.isfinite(self.mandate.act_until) and self._now > self.mandate.act_until:
            self._lapse()

    async def start(self) -> None:
        """Nothing to take."""

    async def join(self) -> None:
        """Go on for ever."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                with contextlib.suppress(StoreError):
                    await self._turn()
                self.look()
                await asyncio.sleep(self._ttl / 6)
        except Exception as error:
            self._reports.on_broken(error)

    @property
    def _now(self) -> float:
        return self._clock().boottime

    async def _turn(self) -> None:
        self.look()
        sent = self._now
        if self._lease and not (await self._store.keep_alive(self._lease)).ttl:
            self._lapse()
        if not self._lease:
            await self._enter()
        counted = self._now if self._from_receipt else sent
        found = await self._store.range(Range(key=self._keys.prefix, prefix=True))
        self.look()
        line = sorted(found.kvs, key=lambda kv: kv.create_revision)
        if line and line[0].lease == self._lease:
            self._lead(counted, line)
        else:
            self._follow(tuple(line))

    async def _enter(self) -> None:
        self._lease = (await self._store.grant(int(self._ttl))).lease
        me = self._seat.identity
        entry = Entry(address=me.address, name=me.name, boot=me.boot, version=me.version)
        key = self._keys.name(Place.LINE, self._lease, 0)
        await self._store.transact(Transaction(then=(Put(key=key, value=write_entry(entry), lease=self._lease),)))

    def _lead(self, counted: float, line: list[KeyValue]) -> None:
        lasting = self._ttl if self._from_receipt else self._ttl * 0.99 / 1.01
        self.mandate = Mandate(
            act_until=counted + lasting - (0 if self._from_receipt else self._ttl / 4), release_by=counted + lasting
        )
        self._reports.on_authority(self.mandate)
        self._view(tuple(line), leading=True)

    def _lapse(self) -> None:
        """What was led on this lease is over, and never goes on."""
        self._lease = 0
        self._follow(())

    def _follow(self, line: tuple[KeyValue, ...]) -> None:
        if math.isfinite(self.mandate.act_until):
            self.mandate = Mandate(act_until=-math.inf, release_by=self.mandate.release_by)
            self._reports.on_authority(self.mandate)
        self._view(line, leading=False)

    def _view(self, line: tuple[KeyValue, ...], *, leading: bool) -> None:
        entries = [read_entry(kv.value) for kv in line]
        self._reports.on_view(
            View(
                leading=leading,
                leader=entries[0].address if entries else None,
                leaderless=not entries,
                term=line[0].create_revision if line else 0,
                members=tuple(_member(kv, entry) for kv, entry in zip(line, entries, strict=True)),
                departed=(),
                settled=True,
                reason=Reason.FIRST,
            )
        )

    def released(self) -> None:
        """The key stays where it is."""

    def step_down(self, reason: Reason, note: str = "") -> None:
        """It does not."""

    def transfer(self, target: Address) -> None:
        """It does not."""

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """It is always fit."""

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """It has none."""

    async def leave(self, limit: float) -> None:
        """It never does."""

    def status(self) -> Mapping[str, object]:
        """Nothing to tell."""
        return {}


def _member(kv: KeyValue, entry: Entry) -> Member:
    return Member(
        address=entry.address,
        name=entry.name,
        kind=MemberKind.LES,
        boot=entry.boot,
        start_time=float(kv.create_revision),
        part=entry.part,
        role="follower",
        fit=True,
        unfit="",
        direct=True,
        version=entry.version,
    )
