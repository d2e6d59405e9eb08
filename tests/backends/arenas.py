"""Where the backends of this project run for the conformance test: on loopback, in the loop of the test."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from les_hooks.backends import Backend, Disk, Instant, Reports, Seat
from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.election import effects
from les_hooks.election.frames import Electorate, Farewell
from les_hooks.election.identity import Memory, Timing
from les_hooks.election.messages import Heard, Message
from les_hooks.members import Address, parse_address
from les_hooks.security import Credentials
from les_hooks.testing.backends import Place, Traits
from les_hooks.wire import PROTOCOL
from les_plugins.etcd import EtcdConfig, backends
from les_plugins.etcd.backend import EtcdBackend
from tests.backends.peers.fakes import free_port

__all__ = ["EtcdArena", "PeersArena"]

_TIMING = Timing(heartbeat=0.25, failure=0.75, settle=0.1, lease=1.6, loop_rate=0.25, alone_after=1.0)
_NODES = 4


class CuttablePeers(PeersBackend):
    """Hears nothing and says nothing while it is cut off; its connections stay, as they would."""

    is_cut = False

    def _tell(self, message: Message) -> None:
        if not (self.is_cut and isinstance(message, Heard)):
            super()._tell(message)

    def _carry_out(self, effect: effects.Effect) -> None:
        if not (self.is_cut and isinstance(effect, effects.Send)):
            super()._carry_out(effect)

    async def crash(self) -> None:
        """Close all that it has, as the kernel would, and say nothing."""
        if self._driver is not None:
            self._driver.stop()
            self._driver = None
        await self.leave(0.0)


@dataclass
class PeersEngine:
    """The built-in backend, made as a plugin's is."""

    addresses: tuple[Address, ...]
    electorate: Electorate | None
    made: dict[Address, CuttablePeers] = field(default_factory=dict)

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> CuttablePeers:
        host, port = parse_address(seat.identity.address)
        timing = Timing(**{name: getattr(_TIMING, name) for name in _TIMING.__slots__} | {"hold": seat.hold})
        assert seat.heartbeat == timing.heartbeat
        backend = CuttablePeers(
            Settings(
                identity=seat.identity,
                cluster=seat.cluster,
                host=host,
                port=port,
                seeds=self.addresses,
                retry=0.1,
                timing=timing,
                electorate=self.electorate,
            ),
            # There was a life before, in which it granted nothing.
            memory=Memory(term=seat.term, kept=True),
            clock=clock,
            credentials=Credentials(),
            on_view=reports.on_view,
            on_authority=reports.on_authority,
            disk=disk,
            on_beat=reports.on_beat,
            on_broken=reports.on_broken,
            log=seat.log,
        )
        self.made[seat.identity.address] = backend
        return backend

    async def release(self, seat: Seat) -> None:
        if self.electorate is None:
            return
        me = seat.identity
        farewell = Farewell(protocol=PROTOCOL, cluster=seat.cluster, address=me.address, boot=me.boot)
        voters = {Address(voter) for voter in self.electorate.voters} - {me.address}
        await say_farewell(voters, farewell, Credentials(), limit=1.0, log=seat.log)


class PeersArena:
    """The built-in backend; with `majority`, the nodes 0 to 2 vote."""

    def __init__(self, *, majority: bool = False) -> None:
        self._addresses = tuple(Address(f"127.0.0.1:{free_port()}") for _ in range(_NODES))
        electorate = Electorate(voters=tuple(sorted(self._addresses[:3])), lease=_TIMING.lease) if majority else None
        self.engine = PeersEngine(self._addresses, electorate)
        self.traits = self.traits_of(majority=majority)

    @staticmethod
    def traits_of(*, majority: bool) -> Traits:
        """What may be asked of it; without a majority, each side of a cut may have its leader."""
        return Traits(
            replaced_within=4.0, lost_within=8.0, leads_alone=not majority, exclusive=majority, can_cut=majority
        )

    async def place(self, node: int) -> Place:
        return Place(address=self._addresses[node])

    async def crash(self, node: int, backend: Backend) -> None:
        assert isinstance(backend, CuttablePeers)
        await backend.crash()

    async def cut(self, node: int) -> None:
        self.engine.made[self._addresses[node]].is_cut = True

    async def heal(self, node: int) -> None:
        self.engine.made[self._addresses[node]].is_cut = False

    async def close(self) -> None:
        """Nothing is left."""


class EtcdArena:
    """The plugin `etcd`, each node with a wire of its own to the server."""

    # Who waits for a lease, which lasts for five sixths of the ttl at the least, is told from who does not.
    traits = Traits(replaced_within=3.0, lost_within=11.0, can_cut=True)

    def __init__(self, url: str, cluster: str) -> None:
        self._server = parse_address(url.removeprefix("http://"))
        self._prefix = f"/{cluster}"
        self._wires: dict[int, Wire] = {}
        self.engine = backends()["etcd"]

    async def place(self, node: int) -> Place:
        if node not in self._wires:
            self._wires[node] = await Wire(*self._server).open()
        config = EtcdConfig(endpoints=(self._wires[node].url,), prefix=self._prefix, ttl=4.0)
        return Place(address=Address(f"10.0.0.{node + 1}:4000"), config=config)

    async def crash(self, node: int, backend: Backend) -> None:
        assert isinstance(backend, EtcdBackend)
        for task in (tasks := list(backend._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await backend._store.close()

    async def cut(self, node: int) -> None:
        self._wires[node].cut()

    async def heal(self, node: int) -> None:
        self._wires[node].heal()

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()


class Wire:
    """A port that leads to another one, until it is cut: then it takes what comes, and passes nothing on."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> "Wire":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def cut(self) -> None:
        self._flows.clear()

    def heal(self) -> None:
        self._flows.set()

    async def close(self) -> None:
        self._server.close()
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the ends of the connections to be closed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass(reader, back))
                ways.create_task(self._pass(there, writer))
        except* (OSError, EOFError):
            pass
        finally:
            for end in (writer, back):
                end.close()
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        raise EOFError
