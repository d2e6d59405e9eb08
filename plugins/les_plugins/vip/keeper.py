"""The addresses of one node: taken when it leads, renewed, put back, let go. For `vip`.

The kernel removes what is not renewed, so that no address outlives a daemon that died, hangs or was stopped. Who may
hold an address, and until when, is asked right before each renewal.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from les_hooks import Context, Event, PluginError, Reason
from les_plugins.vip.ether import Open, open_ether
from les_plugins.vip.frames import mac_text
from les_plugins.vip.ground import Ground
from les_plugins.vip.herald import Herald
from les_plugins.vip.kernel import Assigned, Change, Kernel, KernelError, Link, Placement
from les_plugins.vip.lease import most_seconds, pace
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.netlink import Netlink
from les_plugins.vip.settings import Mode, Takeover, VipConfig, VirtualAddress

__all__ = ["Held", "Keeper", "boottime"]

# Whoever led before has removed the addresses by then.
_ORDERLY = frozenset({Reason.LEADER_LEFT, Reason.LEADER_RESIGNED, Reason.TRANSFER})

# How much longer than its lifetime an address may answer elsewhere before that is no dying leader's.
_GRACE_SECONDS = 1.0

# Netlink tells of every change; this is for what it did not.
_LOOK_SECONDS = 10.0

# As many are told of; a host that makes hardware addresses up is not to fill the disk.
_MOST_RIVALS = 16


def boottime() -> float:
    """Seconds since this host started, those it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_released(event: Event) -> bool:
    """Whether another node led just before, and has let go.

    The reason alone may be what this node itself did last, and somebody that it did not hear of may lead since.
    """
    return event.reason in _ORDERLY and event.previous_leader not in (None, event.leader)


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """An address that this node has, since that Unix time; the kernel keeps it until the boottime `until`, if let."""

    address: VirtualAddress
    link: Link
    herald: Herald
    since: float
    until: float

    @property
    def assigned(self) -> Assigned:
        """It as the kernel knows it."""
        return Assigned(index=self.link.index, ip=self.address.ip, length=self.address.length, valid=None)


class Keeper:
    """Keeps the addresses of a context; `adopt` another when the configuration changes.

    `wall` gives Unix seconds and `clock` boottime seconds.
    """

    def __init__(
        self,
        ctx: Context,
        *,
        kernel: Kernel | None = None,
        open_ether: Open = open_ether,
        clock: Callable[[], float] = boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.ctx = ctx
        self.held: dict[VirtualAddress, Held] = {}
        self.ground = Ground(log=ctx.log, clock=clock, open_ether=open_ether, on_claim=self._claimed)
        self._kernel = kernel if kernel is not None else Netlink()
        self._clock = clock
        self._wall = wall
        self._leads = False
        self._rivals: set[tuple[VirtualAddress, bytes]] = set()
        self._lock = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._watchers = 0

    @property
    def config(self) -> VipConfig:
        """The plugin's table."""
        config: VipConfig = self.ctx.config
        return config

    def adopt(self, ctx: Context) -> None:
        """Go on with another configuration; what it no longer names goes with the next look."""
        self.ctx = ctx

    @property
    def busy(self) -> bool:
        """Whether something is held, or watched."""
        return self._leads or bool(self.held) or self._watchers > 0

    def lifetime_left(self, held: Held) -> float:
        """Seconds for which the kernel would keep the address if nobody renewed it."""
        return round(max(0.0, held.until - self._clock()), 1)

    def claims(self, address: VirtualAddress) -> Sequence[tuple[bytes, float]]:
        """Which other hosts have claimed the address, each with the seconds since."""
        lookout = self.ground.lookouts.get(address)
        now = self._clock()
        return [(mac, round(now - last, 1)) for mac, last in lookout.claims.items()] if lookout is not None else []

    def close(self) -> None:
        """Let go of links and kernel; the addresses stay until they end."""
        self._stop_renewing()
        self.ground.close()
        self._kernel.close()

    # -- leading -------------------------------------------------------------------------------------------------------

    async def take(self, event: Event) -> None:
        """Have every address, each as soon as it is free. Raises PluginError, with what could be had taken."""
        self._leads = True
        await self.look()
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_on(), name="vip-renew")
        failed: list[str] = []
        async with asyncio.TaskGroup() as group:
            for address in self.config.addresses:
                if address not in self.held:
                    group.create_task(self._take(address, _is_released(event), failed))
        if failed:
            raise PluginError(self.ctx.name, "; ".join(failed))

    async def reassert(self, event: Event) -> None:
        """Have every address, and say so again: another may have claimed it meanwhile."""
        before = list(self.held.values())
        await self.take(event)
        for held in before:
            if self.held.get(held.address) is held:
                held.herald.shout()

    async def _take(self, address: VirtualAddress, orderly: bool, failed: list[str]) -> None:
        begun = self._clock()
        try:
            link = self.ground.link(self.config.interface_of(address))
            lookout = self.ground.lookouts[address]
            found = await self._find_free(lookout, orderly=orderly)
            async with self._lock:
                await self._hold(address, link, lookout)
        except KernelError as error:
            failed.append(f"cannot take {address.ip}: {error.why}")
            self.ctx.audit("taken", "failure", address=address.ip, error=error.why)
            return
        waited = round(self._clock() - begun, 3)
        self.ctx.audit("taken", "success", address=address.ip, interface=link.name, found=found, waited=waited)
        self.ctx.log.info("address-taken", address=address.ip, interface=link.name, found=found, waited=waited)
        lookout.ask()  # who has it all the same is heard

    async def _hold(self, address: VirtualAddress, link: Link, lookout: Lookout) -> None:
        await self._put(address, link)
        until = self._clock() + self._seconds()
        herald = Herald(lookout, self.config.announce, may=self._acts, clock=self._clock, wall=self._wall)
        self.held[address] = Held(address=address, link=link, herald=herald, since=self._wall(), until=until)
        herald.shout()

    async def _find_free(self, lookout: Lookout, *, orderly: bool) -> str:
        """Wait until the address may be taken; returns what was found, in a word of docs/vip.md."""
        config = self.config
        if not config.probe or not lookout.can_ask:
            return "not-asked"
        if orderly:
            return "released"
        if config.takeover is Takeover.IMMEDIATE:
            return "not-waited"
        if lookout.is_silent:
            return "silent"
        if not lookout.is_answered and await lookout.is_free():
            return "free"
        until = self._clock() + config.lifetime + _GRACE_SECONDS
        if await lookout.falls_silent(until):
            return "fell-silent"
        return "answered"

    async def _put(self, address: VirtualAddress, link: Link) -> None:
        """Have the kernel keep the address from now on, but no longer than this node may hold it."""
        seconds = self._seconds()
        if not seconds:
            raise KernelError(self._why_not())
        placement = Placement(
            index=link.index,
            ip=address.ip,
            length=address.length,
            seconds=seconds,
            label=self.config.label,
            route=self.config.mode is Mode.ROUTE,
        )
        await self._kernel.put(placement)

    def _seconds(self) -> int:
        """For how long the kernel may keep an address from now on; 0: it must not be renewed."""
        if not self._leads or self.ctx.hold_left() <= 0.0:
            return 0
        return most_seconds(self.config.lifetime, self.ctx.release_left())

    def _acts(self) -> bool:
        """Whether this node may act as the leader at this moment."""
        return self._leads and self.ctx.authority() > 0.0

    def _why_not(self) -> str:
        if not self._leads or self.ctx.hold_left() <= 0.0:
            return "this node must not act as the leader"
        return (
            f"others may lead in {self.ctx.release_left():.1f} s already, and the kernel counts whole seconds and is "
            "up to half a second late; set timing.lease to 3s or more"
        )

    # -- renewing ------------------------------------------------------------------------------------------------------

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(pace(self.config.lifetime))
            async with self._lock:
                # One after the other, at once: the kernel is later where they end at different moments.
                for held in list(self.held.values()):
                    await self._renew(held)

    async def _renew(self, held: Held) -> None:
        if not self._seconds():
            return
        try:
            await self._put(held.address, held.link)
        except KernelError as error:
            self.ground.fail(f"renewal {held.address.ip}", f"cannot renew {held.address.ip}: {error.why}")
        else:
            held.until = self._clock() + self._seconds()
            self.ground.mend(f"renewal {held.address.ip}")

    def _stop_renewing(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        for held in self.held.values():
            held.herald.hush()

    # -- not leading ---------------------------------------------------------------------------------------------------

    async def release(self) -> None:
        """Let go of every address, and of what an earlier process left behind. Raises PluginError where that fails."""
        self._leads = False
        self._stop_renewing()
        async with self._lock:
            held, self.held = list(self.held.values()), {}
            self._rivals.clear()
            failed = [await self._remove(each.assigned, "released") for each in held]
            if not held:
                failed += await self._sweep()
        if any(failed):
            raise PluginError(self.ctx.name, "; ".join(filter(None, failed)))

    async def _sweep(self) -> list[str]:
        try:
            ours = self._ours(await self._kernel.assigned())
        except KernelError as error:
            return [error.why]
        if self.ground.strangers is None:
            self.ground.strangers = frozenset(each for each in ours if each.permanent)
        return [await self._remove(each, "left-over") for each in ours if each not in self.ground.strangers]

    async def _remove(self, assigned: Assigned, why: str) -> str:
        """Remove an address; returns what went wrong, empty where nothing did."""
        try:
            there = await self._kernel.remove(assigned)
        except KernelError as error:
            self.ctx.audit("removed", "failure", address=assigned.ip, why=why, error=error.why)
            return f"cannot remove {assigned.ip}: {error.why}"
        if there:
            self.ctx.audit("removed", "success", address=assigned.ip, why=why)
            self.ctx.log.info("address-removed", address=assigned.ip, why=why)
        return ""

    # -- seeing to it --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While within, this keeper is not given up for another one."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    async def watch(self, report: Callable[[str], None]) -> None:
        """See to it, until cancelled, that what is on the interfaces is what should be, and report what is wrong."""
        while True:
            await self.look()
            report(self.ground.unfit)
            await self._something_matters()

    async def _something_matters(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                while not any(self._matters(change) for change in await self._kernel.changes()):
                    pass

    async def prepare(self) -> None:
        """Ask, until cancelled, who has the addresses: their holder has fallen silent."""
        if self.config.probe:
            async with asyncio.TaskGroup() as group:
                for lookout in self.ground.lookouts.values():
                    group.create_task(lookout.watch())

    async def look(self) -> None:
        """Compare what is with what should be, once, and put it right."""
        async with self._lock:
            try:
                links = await self._kernel.links()
                ours = self._ours(await self._kernel.assigned())
            except KernelError as error:
                self.ground.fail("netlink", error.why)
                return
            self.ground.mend("netlink")
            back = self.ground.survey(self.config, links, ours)
            await self._let_go(ours)
            await self._put_back(ours)
        for held in self.held.values():
            if held.link.name in back:
                held.herald.shout()

    async def _let_go(self, ours: Sequence[Assigned]) -> None:
        """Remove what should not be here: all of ours where this node does not lead, and what is not named any more."""
        for address in [address for address in self.held if address not in self.config.addresses]:
            held = self.held.pop(address)
            held.herald.hush()
            await self._remove(held.assigned, "unconfigured")
        if not self._leads:
            for each in ours:
                if each not in (self.ground.strangers or ()):
                    await self._remove(each, "not-leading")

    async def _put_back(self, ours: Sequence[Assigned]) -> None:
        there = {(each.index, each.ip, each.length) for each in ours}
        for held in self.held.values():
            key = (held.link.index, held.address.ip, held.address.length)
            if key in there or self.ctx.authority() <= 0.0:
                continue
            try:
                await self._put(held.address, held.link)
            except KernelError as error:
                self.ground.fail(f"renewal {held.address.ip}", f"cannot put {held.address.ip} back: {error.why}")
                continue
            held.until = self._clock() + self._seconds()
            held.herald.shout()
            self.ctx.audit("restored", "success", address=held.address.ip, interface=held.link.name)
            self.ctx.log.warning("address-restored", address=held.address.ip, interface=held.link.name)

    def _ours(self, assigned: Sequence[Assigned]) -> list[Assigned]:
        names = {address.ip for address in (*self.config.addresses, *self.held)}
        return [each for each in assigned if each.ip in names]

    def _matters(self, change: Change) -> bool:
        """Whether the change is worth a look; renewals are not."""
        if not change.ip:
            return True
        held = next((held for held in self.held.values() if held.address.ip == change.ip), None)
        if held is not None and held.link.index == change.index:
            return change.gone
        return any(change.ip == address.ip for address in self.config.addresses)

    def _claimed(self, address: VirtualAddress, mac: bytes) -> None:
        """Another host says that the address is its own."""
        held = self.held.get(address)
        if held is None or not self._acts():
            return
        held.herald.defend()
        if (address, mac) not in self._rivals and len(self._rivals) < _MOST_RIVALS:
            self._rivals.add((address, mac))
            self.ctx.log.error("address-conflict", address=address.ip, interface=held.link.name, mac=mac_text(mac))
            self.ctx.audit("conflict", "failure", address=address.ip, interface=held.link.name, mac=mac_text(mac))
