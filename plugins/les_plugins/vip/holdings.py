"""The addresses that this node has put into its kernel: put, renewed, put back, removed. For `vip`.

The kernel removes what is not renewed, so that no address outlives a daemon that died, hangs or was stopped. Who may
hold an address, and until when, is asked right before each step: `placing` does so.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from les_hooks import Context
from les_plugins.vip.ground import Ground
from les_plugins.vip.herald import Herald
from les_plugins.vip.kernel import Assigned, Change, Kernel, KernelError, Link
from les_plugins.vip.lease import pace
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.placing import Placing
from les_plugins.vip.settings import Mode, VipConfig, VirtualAddress

__all__ = ["Held", "Holdings"]


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
        self.unsure = False
        """Whether something was being put when its call ended: it may be there, or not."""
        self._placing = Placing(ctx, kernel, clock=clock)
        self._ground = ground
        self._clock = clock
        self._wall = wall
        # One change at a time: what is being put is not removed meanwhile, nor the other way round.
        self._lock = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    def adopt(self, ctx: Context) -> None:
        """Go on with another configuration, at once: a lease of an hour is not to outlive one that says seconds."""
        if ctx is not self.ctx:
            self.ctx = self._placing.ctx = ctx
            self._hurry.set()

    @property
    def config(self) -> VipConfig:
        """The plugin's table."""
        config: VipConfig = self.ctx.config
        return config

    @property
    def leads(self) -> bool:
        """Whether this node does, as far as was told."""
        return self._placing.leads

    @property
    def removed(self) -> int:
        """How many addresses it has removed, its own and others."""
        return self._placing.removed

    def acts(self) -> bool:
        """Whether this node may act as the leader at this moment."""
        return self._placing.acts()

    def begin(self) -> None:
        """This node leads: what it takes from now on is renewed."""
        if not self.leads:
            self.held.clear()  # of a leadership whose end was interrupted
        self._placing.leads = True
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_on(), name="vip-renew")

    def end(self) -> None:
        """It does not lead any more: nothing is put or renewed, whoever still waits to do so."""
        self._placing.leads = False
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        for held in self.held.values():
            held.herald.hush()

    # -- putting -------------------------------------------------------------------------------------------------------

    async def take(self, address: VirtualAddress, link: Link, lookout: Lookout) -> bool:
        """Have an address, and tell everybody; returns False where it is held already. Raises KernelError."""
        async with self._lock:
            if address in self.held:
                return False
            before, self.unsure = self.unsure, True
            until = await self._place(address, link)
            self.unsure = before
            herald = Herald(lookout, self.config.announce, may=self._placing.acts, clock=self._clock, wall=self._wall)
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
                if not missing or held.placed >= seen or not self._placing.seconds():
                    continue
                if self.ctx.authority() > 0.0:
                    with contextlib.suppress(KernelError):
                        await self._keep(held)
                        self._tell_restored(held)
                        restored = True
        return restored

    def miss(self, gone: Change) -> bool:
        """Somebody has removed an address; what is held comes back with `restore`. Returns whether it is held."""
        missed = [held for held in self.held.values() if held.assigned.key == (gone.index, gone.ip, gone.length)]
        for held in missed:
            held.missed = True
        return bool(missed)

    async def _place(self, address: VirtualAddress, link: Link) -> float:
        """Have the kernel keep an address; returns until which boottime. Raises KernelError."""
        before = self._placing.granted
        until = await self._placing.put(address, link)
        if self._placing.granted < before:
            self._hurry.set()  # the pause until the next renewal was chosen for a longer one
        return until

    # -- renewing ------------------------------------------------------------------------------------------------------

    async def _renew_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pace(min(self._placing.granted, self.config.lifetime))):
                    await self._hurry.wait()
            self._hurry.clear()
            async with self._lock:
                await self._renew()

    async def _renew(self) -> None:
        for held in list(self.held.values()):
            if not self._placing.seconds():
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
            held.until = await self._place(held.address, held.link)
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
                    await self._placing.remove_all([held.assigned], "unconfigured")
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
            failed = await self._placing.remove_all([held.assigned for held in self.held.values()], "released")
            # Not before: whoever is interrupted above begins anew.
            self.held.clear()
        return failed

    async def clear(self, strays: Sequence[Assigned], why: str) -> list[str]:
        """Remove addresses that must not be here; returns what went wrong.

        On a node that leads these are twins of what it holds: they would outlive the daemon.
        """
        async with self._lock:
            if not self.leads:
                return await self._placing.remove_all(strays, why)
            keys = {held.assigned.key for held in self.held.values()}
            ips = {ip for _, ip, _ in keys}
            return await self._placing.remove_all(
                [each for each in strays if each.ip in ips and each.key not in keys], "twin"
            )


def _about(address: VirtualAddress) -> str:
    return f"renewal {address.ip}"
