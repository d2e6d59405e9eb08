"""The addresses that this node has put into its kernel: put, renewed, put back, removed. For `vip`.

The kernel removes what is not renewed, so that no address outlives a daemon that died, hangs or was stopped. Who may
hold an address, and until when, is asked right before each step.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from les_hooks import Context
from les_plugins.vip.ground import Ground
from les_plugins.vip.herald import Herald
from les_plugins.vip.kernel import Assigned, Kernel, KernelError, Link, Placement
from les_plugins.vip.lease import LATENESS_SECONDS, most_seconds, pace
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import Mode, VipConfig, VirtualAddress

__all__ = ["Held", "Holdings"]

# A process that is stopped each time on its way to the kernel is in no state to lead.
_MOST_PUTS = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """An address that this node has, since that Unix time; the kernel keeps it until the boottime `until`, if let.

    `placed` is the boottime at which it was last put where it was not. `missed`: somebody removed it since.
    """

    address: VirtualAddress
    link: Link
    herald: Herald
    mode: Mode
    since: float
    placed: float
    until: float
    missed: bool = False

    @property
    def assigned(self) -> Assigned:
        """It as the kernel knows it."""
        return Assigned(index=self.link.index, ip=self.address.ip, length=self.address.length, valid=None)


class Holdings:
    """What is held, and whether it may be: only between `begin` and `end`, and as long as the context says.

    `wall` gives Unix seconds and `clock` boottime seconds.
    """

    def __init__(
        self,
        ctx: Context,
        kernel: Kernel,
        ground: Ground,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.ctx = ctx
        self.held: dict[VirtualAddress, Held] = {}
        self.leads = False
        self._kernel = kernel
        self._ground = ground
        self._clock = clock
        self._wall = wall
        # One change at a time: what is being put is not removed meanwhile, nor the other way round.
        self._lock = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self._granted = self.config.lifetime
        """Seconds for which the kernel was last told to keep an address."""

    def adopt(self, ctx: Context) -> None:
        """Go on with another configuration, at once: a lease of an hour is not to outlive one that says seconds."""
        if ctx is not self.ctx:
            self.ctx = ctx
            self._hurry.set()

    @property
    def config(self) -> VipConfig:
        """The plugin's table."""
        config: VipConfig = self.ctx.config
        return config

    def begin(self) -> None:
        """This node leads: what it takes from now on is renewed."""
        if not self.leads:
            self.held.clear()  # of a leadership whose end was interrupted
        self.leads = True
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_on(), name="vip-renew")

    def end(self) -> None:
        """It does not lead any more: nothing is put or renewed, whoever still waits to do so."""
        self.leads = False
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        for held in self.held.values():
            held.herald.hush()

    def acts(self) -> bool:
        """Whether this node may act as the leader at this moment."""
        return self.leads and self.ctx.authority() > 0.0

    # -- putting -------------------------------------------------------------------------------------------------------

    async def take(self, address: VirtualAddress, link: Link, lookout: Lookout) -> bool:
        """Have an address, and tell everybody; returns False where it is held already. Raises KernelError."""
        async with self._lock:
            if address in self.held:
                return False
            until = await self._put(address, link)
            herald = Herald(lookout, self.config.announce, may=self.acts, clock=self._clock, wall=self._wall)
            self.held[address] = Held(
                address=address,
                link=link,
                herald=herald,
                mode=self.config.mode,
                since=self._wall(),
                placed=self._clock(),
                until=until,
            )
            herald.shout()
        if len(self.held) > 1:
            # All of them at once: the kernel is later where they end at different moments.
            self._hurry.set()
        return True

    async def restore(self, there: Collection[Assigned], seen: float) -> bool:
        """Put back what should be `there`, as was seen at that boottime, and is not; returns whether anything was."""
        keys = {each.key for each in there}
        restored = False
        async with self._lock:
            for held in list(self.held.values()):
                # What was missed may be there again: a renewal can be quicker than this look.
                missing = held.missed or held.assigned.key not in keys
                if not missing or held.placed >= seen or not self._seconds():
                    continue
                if self.ctx.authority() > 0.0:
                    with contextlib.suppress(KernelError):
                        await self._keep(held)
                        self._tell_restored(held)
                        restored = True
        return restored

    def miss(self, index: int, ip: str, length: int) -> None:
        """Somebody has removed an address; what is held comes back with `restore`."""
        for held in self.held.values():
            if held.assigned.key == (index, ip, length):
                held.missed = True

    async def _put(self, address: VirtualAddress, link: Link) -> float:
        """Have the kernel keep the address from now on, but no longer than this node may hold it; returns until when.

        Raises KernelError.
        """
        late: Placement | None = None
        for _ in range(_MOST_PUTS):
            seconds = self._seconds()
            if not seconds:
                break
            asked = self._clock()
            late = placement = Placement(
                index=link.index,
                ip=address.ip,
                length=address.length,
                seconds=seconds,
                label=self.config.label,
                route=self.config.mode is Mode.ROUTE,
            )
            await self._kernel.put(placement)
            if self.ctx.hold_left() <= 0.0:
                # This process was stopped on its way to the kernel, and was too late when it came there; or the wall
                # clock jumped meanwhile, and the others say whether it was.
                await self._take_back(placement)
                late = None
                if not await self.ctx.confirmed():
                    break
            elif self.ctx.release_left() >= seconds + LATENESS_SECONDS:
                if seconds < self._granted:
                    self._hurry.set()  # the pause until the next renewal was chosen for a longer one
                self._granted = seconds
                return asked + seconds
        if late is not None:
            await self._take_back(late)
        raise KernelError(self._why_not())

    async def _take_back(self, placement: Placement) -> None:
        late = Assigned(index=placement.index, ip=placement.ip, length=placement.length, valid=None)
        await self._remove_all([late], "too-late")

    def _seconds(self) -> int:
        """For how long the kernel may keep an address from now on; 0: it must not be renewed."""
        if not self.leads or self.ctx.hold_left() <= 0.0:
            return 0
        return most_seconds(self.config.lifetime, self.ctx.release_left())

    def _why_not(self) -> str:
        if not self.leads or self.ctx.hold_left() <= 0.0:
            return "this node must not act as the leader"
        return (
            f"others may lead in {self.ctx.release_left():.1f} s already, and the kernel counts whole seconds and is "
            "up to a second late; set timing.lease to 3s or more"
        )

    # -- renewing ------------------------------------------------------------------------------------------------------

    async def _renew_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pace(min(self._granted, self.config.lifetime))):
                    await self._hurry.wait()
            self._hurry.clear()
            async with self._lock:
                await self._renew()

    async def _renew(self) -> None:
        for held in list(self.held.values()):
            if not self._seconds():
                return
            lapsed = self._clock() > held.until
            try:
                await self._keep(held)
            except KernelError as error:
                if error.silent:  # the others would wait as long in vain
                    return
            else:
                if lapsed:
                    self._tell_restored(held)

    async def _keep(self, held: Held) -> None:
        """Have the kernel keep the address for longer. Raises KernelError, which is noted."""
        try:
            held.until = await self._put(held.address, held.link)
        except KernelError as error:
            self._ground.fail(_about(held.address), f"cannot keep {held.address.ip}: {error.why}")
            raise
        self._ground.mend(_about(held.address))

    def _tell_restored(self, held: Held) -> None:
        held.placed, held.missed = self._clock(), False
        held.herald.shout()
        self.ctx.audit("restored", "success", address=held.address.ip, interface=held.link.name)
        self.ctx.log.warning("address-restored", address=held.address.ip, interface=held.link.name)

    # -- letting go ----------------------------------------------------------------------------------------------------

    async def settle(self, links: Mapping[str, Link]) -> None:
        """Go on with the links that there are, and let go of what the configuration does not name any more."""
        async with self._lock:
            for address, held in list(self.held.items()):
                held.link = links.get(held.link.name, held.link)
                named = self._named(held)
                if named is None:
                    del self.held[address]
                    held.herald.hush()
                    self._ground.mend(_about(address))
                    await self._remove_all([held.assigned], "unconfigured")
                elif named != address:
                    del self.held[address]
                    held.address = named
                    self.held[named] = held

    def _named(self, held: Held) -> VirtualAddress | None:
        """What the configuration calls an address that is held: its prefix may be another one now."""
        config = self.config
        if held.mode is Mode.ROUTE and config.mode is not Mode.ROUTE:
            return None  # its route would stay as long as it does
        same = (each for each in config.addresses if each.ip == held.address.ip)
        return next((each for each in same if config.interface_of(each) == held.link.name), None)

    async def let_go(self) -> list[str]:
        """Remove what is held; returns what went wrong."""
        async with self._lock:
            for address in self.held:
                self._ground.mend(_about(address))
            failed = await self._remove_all([held.assigned for held in self.held.values()], "released")
            # Not before: whoever is interrupted above begins anew.
            self.held.clear()
        return failed

    async def clear(self, strays: Sequence[Assigned], why: str) -> list[str]:
        """Remove addresses that must not be here; returns what went wrong.

        On a node that leads these are twins of what it holds: they would outlive the daemon.
        """
        async with self._lock:
            if not self.leads:
                return await self._remove_all(strays, why)
            keys = {held.assigned.key for held in self.held.values()}
            ips = {ip for _, ip, _ in keys}
            return await self._remove_all([each for each in strays if each.ip in ips and each.key not in keys], "twin")

    async def _remove_all(self, assigned: Sequence[Assigned], why: str) -> list[str]:
        failed = []
        for each in assigned:
            try:
                await self._remove(each, why)
            except KernelError as error:
                failed.append(f"cannot remove {each.ip}: {error.why}")
                if error.silent:  # the others would wait as long in vain
                    break
        return failed

    async def _remove(self, assigned: Assigned, why: str) -> None:
        try:
            there = await self._kernel.remove(assigned)
        except KernelError as error:
            self.ctx.audit("removed", "failure", address=assigned.ip, why=why, error=error.why)
            raise
        if there:
            self.ctx.audit("removed", "success", address=assigned.ip, why=why)
            self.ctx.log.info("address-removed", address=assigned.ip, why=why)


def _about(address: VirtualAddress) -> str:
    return f"renewal {address.ip}"
