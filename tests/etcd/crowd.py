"""Many nodes on one etcd, in one loop and without their daemons: the backend alone, and what each asks of etcd.

async with Crowd(etcd.url, 100, prefix="/crowd", ttl_seconds=5) as crowd:
    await crowd.settled()
    spent = await crowd.rest(10.0)
"""

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self

from les_hooks.backends import Reports, Seat
from les_hooks.daemon.clock import instant
from les_hooks.election.identity import Identity
from les_hooks.members import Address, Boot, Mandate, View
from les_plugins.etcd.backend import EtcdBackend
from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Life, Put, Range, Ranged, Transacted, Transaction
from les_plugins.etcd.transport import Traffic
from tests.fake_context import FakeContext

__all__ = ["Crowd", "Deed", "Node", "Spent"]

_LIMIT_SECONDS = 30.0
_LOOK_SECONDS = 0.02
# Each that comes is told to all others in the same loop: if all came at once, the first would miss their renewals, and
# one by one it would take four times as long.
_AT_ONCE = 10


class Deed(Enum):
    """What a node does for a reason, and not merely as time passes."""

    WRITE = auto()
    LIST = auto()
    ASK = auto()
    """About another node's lease."""


class _Watched(Gateway):
    """A client that remembers when it did what."""

    def __init__(self, config: EtcdConfig) -> None:
        super().__init__(config, attempt=2.0)
        self.deeds: list[tuple[float, Deed]] = []

    async def transact(self, transaction: Transaction) -> Transacted:
        """Do it."""
        if any(isinstance(operation, Put) for operation in transaction.then):
            self._note(Deed.WRITE)
        return await super().transact(transaction)

    async def range(self, asked: Range) -> Ranged:
        """Do it."""
        self._note(Deed.LIST)
        return await super().range(asked)

    async def time_to_live(self, lease: int) -> Life:
        """Do it."""
        self._note(Deed.ASK)
        return await super().time_to_live(lease)

    def _note(self, deed: Deed) -> None:
        self.deeds.append((time.monotonic(), deed))


class _NoDisk:
    """Remembers nothing: everybody here lives once."""

    async def save(self, term: int, newest: float) -> None:
        """It is as good as written."""

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """It is as good as written."""


class Node:
    """A backend, and its client."""

    def __init__(self, number: int, config: EtcdConfig) -> None:
        self.address = Address(f"10.1.{number // 250}.{number % 250 + 1}:4000")
        self.views: list[View] = []
        self.broken: list[BaseException] = []
        self._gateway = _Watched(config)
        identity = Identity(address=self.address, name=f"n{number}", version="0", boot=Boot(1, f"{number:032x}"))
        log = FakeContext(name="etcd", config=config).log
        seat = Seat(identity=identity, cluster="crowd", hold=1.0, heartbeat=0.5, config=config, term=0, log=log)
        reports = Reports(
            on_view=self._see, on_authority=self._hear, on_beat=lambda: None, on_broken=self.broken.append
        )
        self.backend = EtcdBackend(seat, self._gateway, reports, instant, _NoDisk())

    @property
    def view(self) -> View | None:
        """The last one."""
        return self.views[-1] if self.views else None

    @property
    def leading(self) -> bool:
        """Whether it leads."""
        return self.view is not None and self.view.leading

    @property
    def traffic(self) -> Traffic:
        """What went over the wire so far, as a value of its own."""
        return dataclasses.replace(self._gateway.traffic)

    def deeds_since(self, moment: float) -> set[Deed]:
        """What it has done since then, by the monotonic clock."""
        return {deed for at, deed in self._gateway.deeds if at >= moment}

    async def die(self) -> None:
        """End as a process that is killed: etcd is told nothing."""
        await self._gateway.close()
        await self.backend.leave(0.0)

    def _see(self, view: View) -> None:
        led = self.leading
        self.views.append(view)
        if led and not view.leading:
            # No hooks, so nothing is to be waited for.
            asyncio.get_running_loop().call_soon(self.backend.released)

    def _hear(self, _mandate: Mandate) -> None:
        """A mandate that nobody acts on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one node cost in so many seconds."""

    seconds: float
    requests: int
    sent_bytes: int
    received_bytes: int


class Crowd:
    """So many nodes. Entering has all join and waits until they have settled; `nodes` is the line. Leaving ends all."""

    def __init__(self, url: str, count: int, *, prefix: str, ttl_seconds: float) -> None:
        self._config = EtcdConfig(endpoints=(url,), prefix=prefix, ttl=ttl_seconds)
        self._count = count
        self.nodes: list[Node] = []

    async def settled(self) -> Node:
        """Wait until all know all, and accept one leader; returns it."""
        async with asyncio.timeout(_LIMIT_SECONDS):
            while (leader := self._agreed()) is None:
                await asyncio.sleep(_LOOK_SECONDS)
        return leader

    async def rest(self, seconds: float) -> list[Spent]:
        """Let so much time pass, and tell what it cost each, in the order of the line."""
        before = [(time.monotonic(), node.traffic) for node in self.nodes]
        await asyncio.sleep(seconds)
        return [_spent(node, *then) for node, then in zip(self.nodes, before, strict=True)]

    async def succession(self) -> float:
        """Have the leader die; returns when the next one led, by the monotonic clock."""
        leader = await self.settled()
        self.nodes.remove(leader)
        await leader.die()
        async with asyncio.timeout(_LIMIT_SECONDS):
            while not any(node.leading for node in self.nodes):
                await asyncio.sleep(_LOOK_SECONDS / 20)
        return time.monotonic()

    async def _enter(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await node.backend.start()
            await node.backend.join()
        async with asyncio.timeout(_LIMIT_SECONDS):
            while not all(node.view is not None and node.view.settled for node in nodes):
                await asyncio.sleep(_LOOK_SECONDS / 4)

    def _agreed(self) -> Node | None:
        leaders = [node for node in self.nodes if node.leading]
        for node in self.nodes:
            assert not node.broken, node.broken
            view = node.view
            if len(leaders) != 1 or view is None or view.leader != leaders[0].address:
                return None
            if len(view.members) != len(self.nodes):
                return None
        return leaders[0]

    async def __aenter__(self) -> Self:
        self.nodes = [Node(number, self._config) for number in range(self._count)]
        try:
            for first in range(0, self._count, _AT_ONCE):
                await self._enter(self.nodes[first : first + _AT_ONCE])
            leader = await self.settled()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        assert leader.view is not None
        line = [member.address for member in leader.view.members]
        self.nodes.sort(key=lambda node: line.index(node.address))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(node.die() for node in self.nodes))


def _spent(node: Node, begun: float, before: Traffic) -> Spent:
    now = node.traffic
    return Spent(
        seconds=time.monotonic() - begun,
        requests=now.requests - before.requests,
        sent_bytes=now.sent_bytes - before.sent_bytes,
        received_bytes=now.received_bytes - before.received_bytes,
    )
