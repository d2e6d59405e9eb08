"""Putting an address into the kernel, for no longer than this node may hold it, and removing it. For `vip`.

Whether it may, and until when, is asked right before each put, and once more after it.
"""

from collections.abc import Callable, Sequence

from les_hooks import Context
from les_plugins.vip.kernel import Assigned, Kernel, KernelError, Link, Placement
from les_plugins.vip.lease import LATENESS_SECONDS, most_seconds
from les_plugins.vip.settings import Mode, VipConfig, VirtualAddress

__all__ = ["Placing"]

# A process that is stopped each time on its way to the kernel is in no state to lead.
_MOST_PUTS = 3


class Placing:
    """Puts and removes for a context; `leads` is whether its node does. `clock` gives boottime seconds.

    `granted` is for how many seconds the kernel was last told to keep an address.
    """

    def __init__(self, ctx: Context, kernel: Kernel, *, clock: Callable[[], float]) -> None:
        self.ctx = ctx
        self.leads = False
        config: VipConfig = ctx.config
        self.granted = config.lifetime
        self.removed = 0
        """How many addresses were removed."""
        self._kernel = kernel
        self._clock = clock

    def acts(self) -> bool:
        """Whether this node may act as the leader at this moment."""
        return self.leads and self.ctx.authority() > 0.0

    async def put(self, address: VirtualAddress, link: Link) -> float:
        """Have the kernel keep the address from now on, but no longer than this node may hold it; returns until when.

        Raises KernelError.
        """
        config: VipConfig = self.ctx.config
        late: Placement | None = None
        for _ in range(_MOST_PUTS):
            seconds = self.seconds()
            if not seconds:
                break
            asked = self._clock()
            late = placement = Placement(
                index=link.index,
                ip=address.ip,
                length=address.length,
                seconds=seconds,
                label=config.label,
                route=config.mode is Mode.ROUTE,
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
                self.granted = seconds
                return asked + seconds
        if late is not None:
            await self._take_back(late)
        raise KernelError(self._why_not())

    async def _take_back(self, placement: Placement) -> None:
        late = Assigned(index=placement.index, ip=placement.ip, length=placement.length, valid=None)
        await self.remove_all([late], "too-late")

    def seconds(self) -> int:
        """For how long the kernel may keep an address from now on; 0: it must not be renewed."""
        if not self.leads or self.ctx.hold_left() <= 0.0:
            return 0
        config: VipConfig = self.ctx.config
        return most_seconds(config.lifetime, self.ctx.release_left())

    def _why_not(self) -> str:
        if not self.leads or self.ctx.hold_left() <= 0.0:
            return "this node must not act as the leader"
        return (
            f"others may lead in {self.ctx.release_left():.1f} s already, and the kernel counts whole seconds and is "
            "up to a second late; set timing.lease to 3s or more"
        )

    async def remove_all(self, assigned: Sequence[Assigned], why: str) -> list[str]:
        """Remove addresses, for a reason of docs/vip.md; returns what went wrong."""
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
            self.removed += 1
            self.ctx.audit("removed", "success", address=assigned.ip, why=why)
            self.ctx.log.info("address-removed", address=assigned.ip, why=why)
