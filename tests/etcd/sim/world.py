"""Hosts and processes on one etcd, and what a node does around its backend: hooks that end, a guard, a cleanup."""

import asyncio
import dataclasses
from collections.abc import Callable, MutableMapping
from random import Random
from typing import Any, Final

import structlog

from les_hooks.backends import Backend, Engine, Reports, Seat
from les_hooks.election.identity import Identity
from les_hooks.events import Reason
from les_hooks.members import Address, Boot, Mandate, View
from les_plugins.etcd.store import Store
from tests.election.sim.clocks import Clock
from tests.election.sim.violation import Violation
from tests.etcd.fake import Client, Etcd
from tests.etcd.sim.judge import Judge, Office
from tests.etcd.sim.loops import HostLoop

__all__ = ["EngineFor", "Host", "Process", "Settings", "World"]

EngineFor = Callable[[Store], Engine]
"""The engine under test, on that store."""

_MOST_STORY: Final = 2000
_LEAVE_SECONDS: Final = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a node is configured, in seconds; `config` is the engine's own."""

    config: Any
    ttl: float
    hold: float = 3.0
    heartbeat: float = 0.5
    cluster: str = "web"


class Host:
    """A host: its clock, its way to the etcd, its disk, and the process that runs on it."""

    def __init__(self, name: str, clock: Clock, client: Client) -> None:
        self.name = name
        self.address = Address(f"{name}:4000")
        self.clock = clock
        self.client = client
        self.starts = 0
        self.term = 0
        self.process: Process | None = None

    async def save(self, term: int, newest: float) -> None:
        """Write the term down."""
        await asyncio.sleep(0.001)
        self.term = max(self.term, term)

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Nobody votes here."""


class Process:
    """One life of a node: its backend, in a loop of its own, and hooks that take `demote_seconds` to be undone."""

    def __init__(self, world: "World", host: Host) -> None:
        host.starts += 1
        self.world = world
        self.host = host
        self.name = f"{host.name}{host.starts}"
        self.office = Office(self.name, host.clock)
        self.view: View | None = None
        self.demote_seconds = 0.0
        self.leaving = False
        self.loop = HostLoop(host.clock)
        self.seat = Seat(
            identity=Identity(
                address=host.address,
                name=host.name,
                version="1",
                boot=Boot(host.starts, f"{world.random.getrandbits(32):08x}"),
            ),
            cluster=world.settings.cluster,
            hold=world.settings.hold,
            heartbeat=world.settings.heartbeat,
            config=world.settings.config,
            term=host.term,
            log=world.log.bind(node=self.name),
        )
        self.backend = self.loop.enter(self._make)
        self.loop.create_task(self._join())

    def _make(self) -> Backend:
        reports = Reports(
            on_view=self._on_view, on_authority=self._on_authority, on_beat=lambda: None, on_broken=self._on_broken
        )
        engine = self.world.engine_for(self.host.client)
        return engine.make(self.seat, reports, lambda: self.host.clock.instant(self.world.now), self.host)

    async def _join(self) -> None:
        await self.backend.start()
        await self.backend.join()

    async def leave(self) -> None:
        """End in order, as on SIGTERM."""
        self.leaving = True
        await self.backend.leave(_LEAVE_SECONDS)
        self.world.ended(self)

    def _on_authority(self, mandate: Mandate) -> None:
        self.world.tell(f"{self.name} {mandate}")
        with self.world.noting():
            self.world.judge.hear_mandate(self.office, mandate, self.world.now)

    def _on_view(self, view: View) -> None:
        led = self.office.leads
        self.view = view
        with self.world.noting():
            self.world.judge.hear_view(self.office, view, self.world.now)
        if led != view.leading:
            self.world.tell(f"{self.name} {'leads' if view.leading else 'is demoted'} {view.term} {view.reason}")
        if led and not view.leading:
            self.loop.call_later(self.demote_seconds, self._released)

    def _released(self) -> None:
        """The hooks of a demotion have ended; the guard has seen to it at the end of all authority."""
        if self.office.leads:
            return
        self.world.tell(f"{self.name} has nothing left")
        self.world.judge.hear_end(self.office)
        self.backend.released()

    def _on_broken(self, error: BaseException) -> None:
        with self.world.noting():
            raise Violation("a backend does not break", f"{self.name}: {error!r}") from error


class World:
    """All of it; made in the loop in which it runs. `violation` is the first one, and ends the story."""

    def __init__(self, seed: int, names: str, engine_for: EngineFor, settings: Settings) -> None:
        self.random = Random(seed)
        self.loop = asyncio.get_running_loop()
        self.settings = settings
        self.engine_for = engine_for
        self.judge = Judge()
        self.violation: Violation | None = None
        self.story: list[str] = []
        self.log = structlog.wrap_logger(
            structlog.testing.ReturnLogger(),
            processors=[self._hear_log],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
        self.etcd = Etcd(self.loop.time, self.random, rate=self.random.uniform(0.99, 1.01))
        self.hosts = [self._host(name) for name in names]
        self.twins: list[Host] = []
        self._gone: list[HostLoop] = []

    def _host(self, name: str) -> Host:
        clock = Clock(boottime=self.random.uniform(10, 1000), since=self.now, rate=self.random.uniform(0.99, 1.01))
        client = Client(self.etcd, name, attempt=self.settings.ttl / 6, tries=2)
        client.delay = lambda: self.random.uniform(0.0005, 0.01)
        return Host(name, clock, client)

    @property
    def now(self) -> float:
        """The true time."""
        return self.loop.time()

    # -- what happens to hosts -----------------------------------------------------------------------------------------

    def start(self, host: Host) -> None:
        """Start a process where none runs."""
        assert host.process is None
        host.process = Process(self, host)
        self.judge.offices.append(host.process.office)
        self.tell(f"{host.process.name} starts")

    def stop(self, host: Host) -> None:
        """Have the process end in order; `ended` is called when it has."""
        process = host.process
        if process is not None and not process.leaving:
            self.tell(f"{process.name} is to leave")
            process.loop.create_task(process.leave())

    def ended(self, process: Process) -> None:
        """A process has left; where it could not wait for its hooks, the guard has ended them."""
        self.tell(f"{process.name} has left")
        process.office.leads = False
        self.judge.hear_end(process.office)
        self._gone.append(process.loop)
        if process.host.process is process:
            process.host.process = None

    def twin(self, host: Host) -> Host:
        """Start a process at the same address elsewhere, with a disk of its own."""
        twin = self._host(host.name)
        self.twins.append(twin)
        self.start(twin)
        return twin

    def crash(self, host: Host, *, cleanup_after: float | None) -> None:
        """Kill the process; the guard has ended its work after so many seconds, and releases its key.

        None: the mains are gone. Nothing is left at once, and nobody says so.
        """
        process, host.process = host.process, None
        assert process is not None
        self.tell(f"{process.name} is killed, cleanup {cleanup_after}")
        process.loop.dead = True
        process.office.leads = False
        host.client.break_watches()
        self._gone.append(process.loop)
        if cleanup_after is None:
            self.judge.hear_end(process.office)
        else:
            self.loop.call_later(cleanup_after, self._clean_up, process)

    def _clean_up(self, process: Process) -> None:
        self.judge.hear_end(process.office)
        loop = HostLoop(process.host.clock)
        self._gone.append(loop)
        loop.create_task(self._release(process))

    async def _release(self, process: Process) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self.engine_for(process.host.client).release(process.seat)
        except (OSError, TimeoutError):
            self.tell(f"{process.name} is not released")

    def step_down(self, host: Host) -> None:
        """Have the leader there give up."""
        if host.process is not None:
            backend = host.process.backend
            host.process.loop.call_soon(backend.step_down, Reason.OPERATOR)

    def set_fitness(self, host: Host, unfit: str) -> None:
        """Say why it may not lead."""
        if host.process is not None:
            host.process.loop.call_soon(host.process.backend.set_fitness, unfit, Reason.UNFIT)

    def transfer(self, host: Host, target: Host) -> None:
        """Have the leader there hand over."""
        if host.process is not None:
            host.process.loop.call_soon(host.process.backend.transfer, target.address)

    async def close(self) -> None:
        """End every task there is."""
        hosts = [*self.hosts, *self.twins]
        loops = [host.process.loop for host in hosts if host.process is not None] + self._gone
        for host in hosts:
            host.client.cut = True
        for loop in loops:
            await loop.end()

    # -- what is told --------------------------------------------------------------------------------------------------

    def tell(self, what: str) -> None:
        """Add to the story, of which the end is kept."""
        self.story.append(f"{self.now:9.3f} {what}")
        del self.story[:-_MOST_STORY]

    def noting(self) -> "_Noting":
        """Keep a violation, which a backend must not see."""
        return _Noting(self)

    def look(self) -> None:
        """Raise what was found so far."""
        for host in (*self.hosts, *self.twins):
            if host.process is not None and host.process.loop.errors and self.violation is None:
                self.violation = Violation("no callback fails", str(host.process.loop.errors[0]))
        if self.violation is not None:
            raise self.violation

    def _hear_log(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        self.tell(f"{method} {event}")
        raise structlog.DropEvent


class _Noting:
    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Violation):
            self._world.violation = self._world.violation or error
            self._world.tell(f"VIOLATION {error}")
            return True
        return False
