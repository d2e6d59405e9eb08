"""What one node does about its addresses: takes them when it leads, watches over them, lets go of them. For `vip`."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence

from les_hooks import Context, Event, PluginError, Reason
from les_hooks.backoff import Backoff
from les_plugins.vip.ether import Open, open_ether
from les_plugins.vip.frames import mac_text
from les_plugins.vip.ground import Ground
from les_plugins.vip.holdings import Held, Holdings
from les_plugins.vip.kernel import Assigned, Change, Kernel, KernelError, ReadOnly
from les_plugins.vip.netlink import Netlink
from les_plugins.vip.settings import VipConfig, VirtualAddress
from les_plugins.vip.takeover import find_free

__all__ = ["Keeper", "boottime"]

# Whoever led before has removed the addresses by then.
_ORDERLY = frozenset({Reason.LEADER_LEFT, Reason.LEADER_RESIGNED, Reason.TRANSFER})

# Netlink tells of every change; this is for what it did not. A host with hundreds of interfaces takes a while.
_LOOK_SECONDS = 60.0

# What this node does itself comes back as a change: looking into that would only delay what it does.
_CALM_SECONDS = 0.1

# From one look to the next, however much changes; and at most, where somebody removes what is put back again and again.
_LEAST_PAUSE_SECONDS = 0.05
_MOST_PAUSE_SECONDS = 1.0

# As many are told of; a host that makes hardware addresses up is not to fill the disk.
_MOST_RIVALS = 16

_REASSERTION = "reassertion"


def boottime() -> float:
    """Seconds since this host started, those it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_released(event: Event) -> bool:
    """Whether another node led just before, and has let go.

    The reason alone may be what this node itself did last, and somebody that it did not hear of may lead since.
    """
    return event.reason in _ORDERLY and event.previous_leader not in (None, event.leader)


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
        self.ground = Ground(
            log=ctx.log, clock=clock, open_ether=open_ether, on_claim=self._claimed, on_news=self._report
        )
        kernel = kernel if kernel is not None else Netlink()
        self._kernel: Kernel = ReadOnly(kernel) if ctx.dry_run else kernel
        self._clock = clock
        self._holdings = Holdings(ctx, self._kernel, self.ground, clock=clock, wall=wall)
        self._looked_with: Context | None = None
        self._rivals: set[tuple[str, bytes]] = set()
        self._reports: list[Callable[[str], None]] = []
        self._watchers = 0
        self._tried = -math.inf

    @property
    def config(self) -> VipConfig:
        """The plugin's table."""
        config: VipConfig = self.ctx.config
        return config

    def adopt(self, ctx: Context) -> None:
        """Go on with another configuration; what it no longer names goes with the next look."""
        self.ctx = ctx
        self._holdings.adopt(ctx)

    @property
    def held(self) -> Mapping[VirtualAddress, Held]:
        """What this node has."""
        return self._holdings.held

    @property
    def busy(self) -> bool:
        """Whether something is held, or watched."""
        return self._holdings.leads or bool(self.held) or self._watchers > 0

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
        self._holdings.end()
        self.ground.close()
        self._kernel.close()

    # -- leading -------------------------------------------------------------------------------------------------------

    async def take(self, event: Event) -> None:
        """Have every address, each as soon as it is free. Raises PluginError, with what could be had taken."""
        self._holdings.begin()
        if self._looked_with is not self.ctx or not self._watchers:
            await self.look()  # otherwise what was seen last is how it is
        if failed := await self._take_missing(orderly=_is_released(event)):
            raise PluginError(self.ctx.name, "; ".join(failed))

    async def _take_missing(self, *, orderly: bool) -> list[str]:
        """Take what is not held; returns what went wrong."""
        failed: list[str] = []
        self._tried = self._clock()
        async with asyncio.TaskGroup() as group:
            for address in self.config.addresses:
                if address not in self.held:
                    group.create_task(self._take(address, orderly, failed))
        return failed

    async def _try_again(self) -> None:
        """Take what a leader could not take at first, and goes on without, as it is not critical: nobody else will."""
        missing = any(address not in self.held for address in self.config.addresses)
        due = self._clock() >= self._tried + _LOOK_SECONDS - _MOST_PAUSE_SECONDS
        if missing and due and not self.config.critical and self._holdings.acts():
            await self._take_missing(orderly=False)

    async def reassert(self, event: Event) -> None:
        """Have every address, and say so again: another may have claimed it meanwhile."""
        before = list(self.held.values())
        try:
            await self.take(event)
        except PluginError as error:
            if self.config.critical:  # as on `elected`, where the engine sees to it
                self.ground.fail(_REASSERTION, error.why)
            raise
        self.ground.mend(_REASSERTION)
        for held in before:
            if self.held.get(held.address) is held:
                held.herald.shout(self.config.announce)

    async def _take(self, address: VirtualAddress, orderly: bool, failed: list[str]) -> None:
        begun = self._clock()
        interface = self.config.interface_of(address)
        try:
            self.ground.link(interface)
            lookout = self.ground.lookout(address)
            found = await find_free(lookout, self.config, clock=self._clock, orderly=orderly)
            # A clock that jumped meanwhile is no reason to do without.
            await self.ctx.confirmed()
            if not await self._holdings.take(address, self.ground.link(interface), lookout):
                return
        except KernelError as error:
            failed.append(f"cannot take {address.ip}: {error.why}")
            self.ctx.audit("taken", "failure", address=address.ip, error=error.why)
            return
        waited = round(self._clock() - begun, 3)
        self.ctx.audit("taken", "success", address=address.ip, interface=interface, found=found, waited=waited)
        self.ctx.log.info("address-taken", address=address.ip, interface=interface, found=found, waited=waited)
        lookout.ask()  # who has it all the same is heard

    # -- not leading ---------------------------------------------------------------------------------------------------

    async def release(self) -> None:
        """Let go of every address, and of what an earlier process left behind. Raises PluginError where that fails."""
        self._holdings.end()
        self._rivals.clear()
        self.ground.mend(_REASSERTION)
        certain = bool(self.held) and not self._holdings.unsure
        failed = await self._holdings.let_go()
        if certain and not failed:
            return  # at once: the next leader waits for it
        try:
            # What is there, and not only what is known: a call that was interrupted, or another process, leaves more.
            ours = self._ours(await self._kernel.assigned())
        except KernelError as error:
            failed.append(f"cannot see whether all is gone: {error.why}")
        else:
            self.ground.tell_apart(self.config, ours)
            failed += await self._holdings.clear(
                [each for each in ours if not self.ground.is_strange(each)], "left-over"
            )
        if failed:
            raise PluginError(self.ctx.name, "; ".join(dict.fromkeys(failed)))
        self._holdings.unsure = False

    async def prepare(self) -> None:
        """Ask, until cancelled, who has the addresses: their holder has fallen silent."""
        if self.config.probe:
            async with asyncio.TaskGroup() as group:
                for lookout in self.ground.lookouts.values():
                    group.create_task(lookout.watch())

    # -- seeing to it --------------------------------------------------------------------------------------------------

    async def watch(self, report: Callable[[str], None]) -> None:
        """See to it, until cancelled, that what is on the interfaces is what should be, and report what is wrong."""
        quarrel = Backoff(least=_LEAST_PAUSE_SECONDS, most=_MOST_PAUSE_SECONDS, healthy=_LOOK_SECONDS)
        mended = self._clock()
        self._watchers += 1
        try:
            while True:
                pause = _LEAST_PAUSE_SECONDS
                if await self.look():
                    since, mended = mended, self._clock()
                    pause = quarrel.after(mended - since)
                await self._try_again()
                seen = self._looked_with is not None
                if report not in self._reports:
                    self._reports.append(report)
                    report(self.ground.unfit)
                await asyncio.sleep(pause if seen else _MOST_PAUSE_SECONDS)
                if seen and not await self._something_matters():
                    await asyncio.sleep(_CALM_SECONDS)
        finally:
            self._watchers -= 1
            if report in self._reports:
                self._reports.remove(report)

    async def _something_matters(self) -> bool:
        """Wait for a change that is worth a look, or until it is time for one; returns whether it is urgent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                while True:
                    changes = await self._kernel.changes()
                    missed = [change for change in changes if change.gone and self._holdings.miss(change)]
                    if missed or any(map(self._matters, changes)):
                        return bool(missed) or not all(map(self._is_own_doing, changes))
        return False

    async def look(self) -> bool:
        """Compare what is with what should be, once, and put it right; returns whether something was not."""
        begun, ctx, removed = self._clock(), self.ctx, self._holdings.removed
        try:
            links = await self._kernel.links()
            ours = self._ours(await self._kernel.assigned())
        except KernelError as error:
            self.ground.fail("netlink", error.why)
            self._looked_with = None
            return False
        self.ground.mend("netlink")
        back = self.ground.survey(self.config, links, ours)
        await self._holdings.settle(links)
        strays = [each for each in ours if not self.ground.is_strange(each)]
        await self._holdings.clear(strays, "not-leading")
        restored = await self._holdings.restore(ours, begun)
        self._looked_with = ctx
        for held in self.held.values():
            if held.link.name in back:
                held.herald.shout()
        return restored or self._holdings.removed > removed

    def _ours(self, assigned: Sequence[Assigned]) -> list[Assigned]:
        names = {address.ip for address in (*self.config.addresses, *self.held)}
        return [each for each in assigned if each.ip in names]

    def _matters(self, change: Change) -> bool:
        """Whether the change is worth a look; renewals are not, nor is what containers come and go with."""
        if change.link:
            return self.ground.concerns(change.link, change.index)
        if not change.ip:
            return True
        held = next((held for held in self.held.values() if held.address.ip == change.ip), None)
        if held is not None and held.assigned.key == (change.index, change.ip, change.length):
            return change.gone
        if change.ip.startswith("fe80:"):  # of the interface itself, which goes and comes with IPv6
            return self.ground.concerns("", change.index)
        return any(change.ip == address.ip for address in self.config.addresses)

    def _is_own_doing(self, change: Change) -> bool:
        """Whether it looks like what this node does: a leader puts addresses, and who leads no more removes them."""
        return bool(change.ip) and self._holdings.leads != change.gone

    def _report(self) -> None:
        for report in self._reports:
            report(self.ground.unfit)

    def _claimed(self, address: VirtualAddress, mac: bytes) -> None:
        """Another host says that the address is its own."""
        held = self.held.get(address)
        if held is None or not self._holdings.acts():
            return
        held.herald.defend()
        if (address.ip, mac) not in self._rivals and len(self._rivals) < _MOST_RIVALS:
            self._rivals.add((address.ip, mac))
            self.ctx.log.error("address-conflict", address=address.ip, interface=held.link.name, mac=mac_text(mac))
            self.ctx.audit("conflict", "failure", address=address.ip, interface=held.link.name, mac=mac_text(mac))
