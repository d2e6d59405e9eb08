"""Small doubles for the tests of the peers backend: a machine that only notes, a node around it, and a bare peer."""

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import aiohttp
import pytest

from les_hooks import wire
from les_hooks.backends.peers import PeersBackend, Settings, server
from les_hooks.election.effects import Effect, Left
from les_hooks.election.frames import Electorate, Frame, Hello, State
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.machine import Machine
from les_hooks.election.messages import Instant, Leave, Message
from les_hooks.election.reporting import QuorumReport
from les_hooks.members import NO_MANDATE, UNSTAMPED, Address, Boot, Mandate, View
from les_hooks.security import Credentials
from les_hooks.serving import Rate

QUICK = Timing(heartbeat=0.1, failure=0.4, settle=0.05, hold=0.5, loop_rate=0.1)

M = TypeVar("M")


def clock() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until it holds; for what other sockets and threads do, which nobody announces."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


def identity(address: str, name: str = "a", counter: int = 1) -> Identity:
    return Identity(address=Address(address), name=name, version="0.1.0", boot=Boot(counter, f"{name}.{address[-4:]}"))


def hello(address: str, **changes: Any) -> Hello:
    """The hello of a node of the tests' cluster."""
    values: dict[str, Any] = {
        "protocol": wire.PROTOCOL,
        "cluster": "web",
        "address": address,
        "name": "peer",
        "version": "0.1.0",
        "boot": Boot(1, "peer"),
    }
    return Hello(**values | changes)


@dataclass
class NotingMachine:
    """Notes what it is told, and answers with what the test has put in `script`."""

    identity: Identity
    timing: Timing
    memory: Memory
    now: Instant
    electorate: Electorate | None = None
    told: list[Message] = field(default_factory=list)
    script: Callable[[Message], list[Effect]] = lambda _message: []
    ticks: list[Instant] = field(default_factory=list)
    deadline: float = math.inf
    mandate: Mandate = NO_MANDATE
    confirming: bool = False
    stays: bool = False

    def receive(self, message: Message, now: Instant) -> list[Effect]:
        self.told.append(message)
        return [Left()] if isinstance(message, Leave) and not self.stays else self.script(message)

    def tick(self, now: Instant) -> list[Effect]:
        self.ticks.append(now)
        self.deadline = math.inf
        return []

    def report_quorum(self, now: Instant) -> QuorumReport | None:
        return None

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def next_deadline(self) -> float:
        return self.deadline

    def all(self, kind: type[M]) -> list[M]:
        """What it was told of this kind."""
        return [message for message in self.told if isinstance(message, kind)]

    @property
    def state(self) -> State:
        me = self.identity
        return State(
            address=me.address,
            name=me.name,
            version=me.version,
            boot=me.boot,
            serial=0,
            start_time=UNSTAMPED,
            newest=0.0,
            term=self.memory.term,
            leader=None,
            leader_boot=None,
            role="joining",
            led_term=0,
            sitting=(),
            fit=True,
            links=(),
            members=(me.address,),
        )


@dataclass
class NotingDisk:
    """Notes the terms that it is to write; it `fails`, or has them on the spot."""

    saved: list[int]
    fails: bool = False

    async def save(self, term: int, newest: float) -> None:
        if self.fails:
            raise OSError("the disk is full")
        self.saved.append(term)

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        await self.save(term, 0.0)


@dataclass
class Node:
    """A backend with all that it said."""

    backend: PeersBackend
    address: Address
    views: list[View]
    authority: list[Mandate]
    saved: list[int]
    machines: list[NotingMachine]

    @property
    def machine(self) -> NotingMachine:
        return self.machines[0]

    @property
    def view(self) -> View:
        return self.views[-1]

    @property
    def links(self) -> list[dict[str, Any]]:
        """Those of its status."""
        found = self.backend.status()["links"]
        assert isinstance(found, list)
        return found


def make_node(
    *seeds: str,
    address: str = "",
    name: str = "a",
    noting: bool = False,
    save_fails: bool = False,
    credentials: Credentials | None = None,
    on_broken: Callable[[BaseException], None] | None = None,
    **settings: Any,
) -> Node:
    """A node on a loopback address of its own; `noting` puts a NotingMachine in it."""
    own = Address(address or f"127.0.0.1:{free_port()}")
    host, _, port = own.rpartition(":")
    views: list[View] = []
    authority: list[Mandate] = []
    saved: list[int] = []
    machines: list[NotingMachine] = []
    broken: list[BaseException] = []

    def elector(**values: Any) -> NotingMachine:
        machines.append(NotingMachine(**values))
        return machines[0]

    defaults: dict[str, Any] = {"timing": QUICK, "retry": 0.1, "cluster": "web"}
    backend = PeersBackend(
        Settings(
            identity=identity(own, name), host=host.strip("[]"), port=int(port), seeds=seeds, **defaults | settings
        ),
        memory=Memory(),
        clock=clock,
        credentials=credentials or Credentials(),
        on_view=views.append,
        on_authority=authority.append,
        disk=NotingDisk(saved, fails=save_fails),
        elector=elector if noting else Machine,
        on_broken=on_broken or broken.append,
    )
    return Node(backend, own, views, authority, saved, machines)


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Have the nodes join, and leave in the end; demotions end at once."""
    try:
        for node in nodes:
            await node.backend.start()
            await node.backend.join()
        yield
    finally:
        for node in nodes:
            leaving = asyncio.create_task(node.backend.leave(5.0))
            await asyncio.sleep(0)
            if not node.machines and node.views and node.view.reason == "leaving":
                node.backend.released()
            await leaving


def let_all_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let come as many as like, from any address: for what stands behind the door."""
    often = Rate(burst=100_000, per_second=100_000.0)
    monkeypatch.setattr(server, "_LIMITS", replace(server._LIMITS, source=often, everybody=often))


class Peer:
    """The other end of a link, in the hands of a test."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self.ws = ws

    async def say(self, frame: Frame) -> None:
        await self.ws.send_bytes(wire.encode(frame))

    async def hear(self) -> Frame | None:
        """The next frame; None at the end of the link."""
        async with asyncio.timeout(5):
            message = await self.ws.receive()
        return wire.decode(message.data) if message.type is aiohttp.WSMsgType.BINARY else None

    async def ended(self) -> str:
        """Wait for the end of the link; the reason that it was given."""
        async with asyncio.timeout(5):
            while True:
                message = await self.ws.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    return str(message.extra or "")


@asynccontextmanager
async def peer_of(node: Node, *, autoping: bool = True) -> AsyncIterator[Peer]:
    """A link to the node on which nothing was said; with `autoping`, pings are answered, and not heard of."""
    url = f"ws://{node.address}/les/link"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, autoping=autoping) as ws:
        yield Peer(ws)
