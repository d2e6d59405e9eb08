"""Whether an address may be taken, and how long to wait until it may. For `vip`."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import Takeover, VipConfig

__all__ = ["Found", "find_free"]

# How much longer than its lifetime an address may answer elsewhere before that is no dying leader's.
_GRACE_SECONDS: Final = 1.0


class Found(StrEnum):
    """What is known of an address when it is taken; the words are those of the audit trail."""

    NOT_ASKED = "not-asked"
    """`probe` is off, or there is nobody to ask: no neighbours on the interface."""
    RELEASED = "released"
    """The leader before let go of it."""
    NOT_WAITED = "not-waited"
    """`takeover` is `immediate`."""
    SILENT = "silent"
    """Nobody has answered since the leader fell silent."""
    FREE = "free"
    """Nobody answers."""
    FELL_SILENT = "fell-silent"
    """Somebody answered, and then no more."""
    ANSWERED = "answered"
    """Somebody still answers, longer than the kernel of a dead leader could."""


async def find_free(lookout: Lookout, config: VipConfig, *, clock: Callable[[], float], orderly: bool) -> Found:
    """Wait until the address may be taken; `orderly`: the leader before let go of it. Raises KernelError.

    `clock` gives boottime seconds.
    """
    if not config.probe or not lookout.can_ask:
        return Found.NOT_ASKED
    if orderly:
        return Found.RELEASED
    if config.takeover is Takeover.IMMEDIATE:
        return Found.NOT_WAITED
    if lookout.is_silent:
        return Found.SILENT
    if not lookout.is_answered and await lookout.is_free():
        return Found.FREE
    until = clock() + config.lifetime + _GRACE_SECONDS
    return Found.FELL_SILENT if await lookout.falls_silent(until) else Found.ANSWERED
