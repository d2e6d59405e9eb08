"""A kernel with leases and a network segment with hosts, both on the clock of a virtual loop, and both with faults."""

import asyncio
import ipaddress
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from les_plugins.vip.frames import IPAddress
from les_plugins.vip.keeper import Keeper
from les_plugins.vip.kernel import Assigned, Change, KernelError, Link, Placement
from les_plugins.vip.settings import VipConfig, parse_virtual_address
from tests.fake_context import FakeContext
from tests.virtual import VirtualLoop

__all__ = ["ETH0", "FakeEther", "FakeHost", "FakeKernel", "FakeSegment", "Mandated", "Stage", "a_config", "now"]

ETH0 = Link(index=2, name="eth0", mac=bytes.fromhex("020000000001"), up=True, carrier=True, speaks_arp=True)


def now() -> float:
    """The time of the running loop, which all fakes go by."""
    return asyncio.get_running_loop().time()


def a_config(*addresses: str, interface: str | None = "eth0", **keys: Any) -> VipConfig:
    """The plugin's table with these addresses, one where none is given."""
    parsed = tuple(map(parse_virtual_address, addresses or ("10.0.0.100/24",)))
    return VipConfig(addresses=parsed, interface=interface, **keys)


class FakeKernel:
    """Implements `Kernel`. An address goes `lateness` seconds after its lease, as those of a real one do."""

    def __init__(self, *links: Link) -> None:
        self.lateness = 0.0
        self.put_at: list[tuple[float, Placement]] = []
        self.gone_at: list[tuple[float, str]] = []
        self.removals: list[Assigned] = []
        self.calls: Counter[str] = Counter()
        self.closed = False
        self.before: Callable[[str], None] = lambda step: None
        """Called right before a step takes effect: `links`, `assigned`, `put`, `remove`."""
        self.slowness = 0.0
        """Seconds until an answer comes; what was asked for is done at once."""
        self._faults: dict[str, list[KernelError]] = defaultdict(list)
        self._links: dict[str, Link] = {link.name: link for link in links or (ETH0,)}
        self._there: dict[tuple[int, str, int], float | None] = {}
        self._timers: dict[tuple[int, str, int], asyncio.TimerHandle] = {}
        self._changes: list[Change] = []
        self._news = asyncio.Event()

    # -- what the test does --------------------------------------------------------------------------------------------

    def fail(self, step: str, error: KernelError, times: int = 1) -> None:
        """Have a step fail so many times from now on."""
        self._faults[step] += [error] * times

    def heal(self) -> None:
        """Have everything work again."""
        self._faults.clear()

    def configure(self, ip: str, length: int, index: int = 2, valid: float | None = None) -> None:
        """Somebody else puts an address."""
        self._set((index, ip, length), valid)

    def delete(self, ip: str) -> None:
        """Somebody else removes an address."""
        for key in [key for key in self._there if key[1] == ip]:
            self._unset(key)

    def set_link(self, name: str, /, **fields: Any) -> None:
        """Change a link, or its name."""
        link = replace(self._links.pop(name), **fields)
        self._links[link.name] = link
        self._tell(Change(link=link.name, index=link.index))

    def add_link(self, link: Link) -> None:
        """An interface appears."""
        self._links[link.name] = link
        self._tell(Change(link=link.name, index=link.index))

    def remove_link(self, name: str) -> None:
        """An interface goes, with all its addresses."""
        link = self._links.pop(name)
        for key in [key for key in self._there if key[0] == link.index]:
            self._unset(key)
        self._tell(Change(link=link.name, index=link.index))

    def lose_changes(self) -> None:
        """Nothing is told of what happened just now."""
        self._changes.clear()
        self._news.clear()

    @property
    def ips(self) -> list[str]:
        """Which addresses are there, sorted."""
        return sorted(key[1] for key in self._there)

    def left(self, ip: str) -> float | None:
        """How long an address stays; None: for good."""
        until = next(until for key, until in self._there.items() if key[1] == ip)
        return None if until is None else until - now()

    # -- `Kernel` ------------------------------------------------------------------------------------------------------

    async def links(self) -> Mapping[str, Link]:
        await self._step("links")
        return dict(self._links)

    async def assigned(self) -> Sequence[Assigned]:
        await self._step("assigned")
        return [
            Assigned(index=index, ip=ip, length=length, valid=None if until is None else max(0, int(until - now())))
            for (index, ip, length), until in self._there.items()
        ]

    async def put(self, placement: Placement) -> None:
        self._fault("put")
        if placement.index not in {link.index for link in self._links.values()}:
            raise KernelError("the interface is gone", 19)
        self.put_at.append((now(), placement))
        self._set((placement.index, placement.ip, placement.length), placement.seconds)
        await asyncio.sleep(self.slowness)

    async def remove(self, assigned: Assigned) -> bool:
        self._fault("remove")
        there = assigned.key in self._there
        self.removals.append(assigned)
        if there:
            self._unset(assigned.key)
        await asyncio.sleep(self.slowness)
        return there

    async def changes(self) -> Sequence[Change]:
        await self._news.wait()
        self._news.clear()
        changes, self._changes = self._changes, []
        return changes

    def close(self) -> None:
        self.closed = True

    # -- how -----------------------------------------------------------------------------------------------------------

    def _fault(self, step: str) -> None:
        assert not self.closed
        self.calls[step] += 1
        self.before(step)
        if self._faults[step]:
            raise self._faults[step].pop(0)

    async def _step(self, step: str) -> None:
        self._fault(step)
        await asyncio.sleep(self.slowness)

    def _set(self, key: tuple[int, str, int], seconds: float | None) -> None:
        self._there[key] = None if seconds is None else now() + seconds
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if seconds is not None:
            due = now() + seconds + self.lateness
            self._timers[key] = asyncio.get_running_loop().call_at(due, self._unset, key, due)
        self._tell(Change(ip=key[1], length=key[2], index=key[0]))

    def _unset(self, key: tuple[int, str, int], when: float | None = None) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._there:
            del self._there[key]
            # The kernel does not stop when this process does.
            self.gone_at.append((now() if when is None else when, key[1]))
            self._tell(Change(ip=key[1], length=key[2], index=key[0], gone=True))

    def _tell(self, change: Change) -> None:
        self._changes.append(change)
        self._news.set()


@dataclass(eq=False)
class FakeHost:
    """Another host: answers for `ips` after `delay` seconds, but for the questions that `loses` says are lost."""

    mac: bytes
    ips: set[str] = field(default_factory=set)
    delay: float = 0.0005
    loses: Callable[[int], bool] = lambda number: False
    asked: int = 0


class FakeSegment:
    """A network: pass `open` as what opens an `Ether`. `works` is whether it takes any packets."""

    def __init__(self) -> None:
        self.hosts: list[FakeHost] = []
        self.ethers: list[FakeEther] = []
        self.sent: list[tuple[float, bytes]] = []
        self.refuses: dict[str, KernelError] = {}
        """Addresses that nobody can listen for."""
        self.works = True
        self._under_way: list[tuple[float, asyncio.TimerHandle, Callable[[], None]]] = []

    def host(self, number: int, *ips: str, **fields: Any) -> FakeHost:
        """Add a host."""
        host = FakeHost(mac=bytes([2, 0, 0, 0, 1, number]), ips=set(ips), **fields)
        self.hosts.append(host)
        return host

    def open(self, link: Link, address: IPAddress, on_claim: Callable[[bytes], None]) -> "FakeEther":
        """An `Open`."""
        if str(address) in self.refuses:
            raise self.refuses[str(address)]
        ether = FakeEther(self, link, address, on_claim)
        self.ethers.append(ether)
        return ether

    def claim(self, ip: str, mac: bytes) -> None:
        """Somebody says unasked that an address is theirs."""
        for ether in list(self.ethers):
            if str(ether.address) == ip:
                ether.on_claim(mac)

    def questions(self, ip: str) -> list[float]:
        """When it was asked who has the address."""
        return [when for when, frame in self.sent if _question(frame) == ip]

    def announced(self, ip: str) -> list[float]:
        """When the address was announced; ARP does that with two frames, of which one counts."""
        return [when for when, frame in self.sent if _announcement(frame) == ip]

    def freeze(self, seconds: float) -> None:
        """The process stops here for so long; what arrives meanwhile is there when it goes on, before any timer."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._jumping.jumped += seconds
        due = [each for each in self._under_way if each[0] <= loop.time()]
        for each in due:
            self._under_way.remove(each)
            each[1].cancel()
            loop.call_soon(each[2])

    def send(self, frame: bytes, ether: "FakeEther") -> bool:
        """A frame of ours goes out."""
        if not self.works:
            return False
        self.sent.append((now(), frame))
        asked = _question(frame)
        for host in self.hosts:
            if asked in host.ips and (frame[:6] == host.mac or frame[0] & 1):
                host.asked += 1
                if not host.loses(host.asked):
                    self._answer(host, ether)
        return True

    def _answer(self, host: FakeHost, ether: "FakeEther") -> None:
        due = now() + host.delay

        def arrive() -> None:
            self._under_way[:] = [each for each in self._under_way if each[2] is not arrive]
            if ether in self.ethers and self.works:
                ether.on_claim(host.mac)

        timer = asyncio.get_running_loop().call_at(due, arrive)
        self._under_way.append((due, timer, arrive))


class FakeEther:
    """Implements `Ether`."""

    def __init__(self, segment: FakeSegment, link: Link, address: IPAddress, on_claim: Callable[[bytes], None]) -> None:
        self.segment = segment
        self.link = link
        self.address = address
        self.on_claim = on_claim

    def send(self, frame: bytes) -> bool:
        """Send a whole frame."""
        return self.segment.send(frame, self)

    def close(self) -> None:
        """Hear nothing more."""
        self.segment.ethers.remove(self)


def _ip(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def _question(frame: bytes) -> str:
    if frame[12:14] == b"\x08\x06" and frame[28:32] == bytes(4):
        return _ip(frame[38:42])
    return _ip(frame[62:78]) if frame[12:14] == b"\x86\xdd" and frame[54] == 135 else ""


def _announcement(frame: bytes) -> str:
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[28:32] == frame[38:42]:
        return _ip(frame[28:32])
    return _ip(frame[62:78]) if frame[12:14] == b"\x86\xdd" and frame[54] == 136 else ""


@dataclass(slots=True, kw_only=True, eq=False)
class Mandated(FakeContext):
    """A context whose authority runs out by itself, as that of a daemon does: in seconds of `now`."""

    act_until: float = math.inf
    hold_until: float = math.inf
    release_by: float = math.inf

    def authority(self) -> float:
        """What is left of it."""
        return max(0.0, self.act_until - now())

    def hold_left(self) -> float:
        """What is left of it."""
        return max(0.0, self.hold_until - now())

    def release_left(self) -> float:
        """What is left of it."""
        return max(0.0, self.release_by - now())


class Stage:
    """A keeper on a host of fakes, with the test as its engine. To be made in the loop; `close` it."""

    def __init__(self, config: VipConfig | None = None, *, links: Iterable[Link] = (ETH0,), **context: Any) -> None:
        self.kernel = FakeKernel(*links)
        self.segment = FakeSegment()
        self.ctx = Mandated(name="vip", config=config or a_config(), **context)
        self.keeper = Keeper(
            self.ctx, kernel=self.kernel, open_ether=self.segment.open, clock=now, wall=lambda: 1_700_000_000 + now()
        )
        self.reports: list[str] = []
        self._watching: asyncio.Task[None] | None = None

    def reload(self, config: VipConfig) -> None:
        """The plugin's table is another one; the hooks of that are the test's to call."""
        self.ctx = replace(self.ctx, config=config)
        self.keeper.adopt(self.ctx)

    async def watch(self) -> None:
        """Begin the check, and wait for its first word."""
        self._watching = asyncio.create_task(self.keeper.watch(self.reports.append))
        await asyncio.sleep(0.01)

    def audited(self, action: str) -> list[dict[str, Any]]:
        """The records of that kind."""
        return [record for record in self.ctx.audited if record["action"] == action]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of that kind."""
        return [line for line in self.ctx.logged if line["event"] == event]

    @property
    def unfit(self) -> str:
        """What was reported last."""
        return self.reports[-1]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what still runs; nothing of it may be left."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self.keeper.close()
        await asyncio.sleep(0)
        assert not self.segment.ethers
