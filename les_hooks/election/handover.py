"""Handing leadership to a chosen member: who gives up bequeaths its stamp, and seniority still explains all. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from les_hooks.election.frames import Offer, State
from les_hooks.election.roles import Role
from les_hooks.election.seniority import MICROSECOND
from les_hooks.members import UNSTAMPED, Address, Boot

__all__ = ["Bequest", "bequeath", "may_take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bequest:
    """The `stamp` that the process `heir` at `address` is to have.

    Once it is offered the giver waits for the heir until `until`, boottime; that is infinite while its hooks still run.
    """

    address: Address
    heir: Boot
    stamp: float
    until: float = math.inf

    @property
    def is_offered(self) -> bool:
        """Whether the giver's hooks have ended."""
        return self.until < math.inf

    @property
    def offer(self) -> Offer:
        """The frame for the heir."""
        return Offer(start_time=self.stamp, boot=self.heir)

    def offered(self, until: float) -> "Bequest":
        """It is offered now."""
        return replace(self, until=until)

    def is_settled(self, others: Iterable[State], now: float) -> bool:
        """Whether there is nothing to wait for: the heir shows the stamp, and who else stood has yielded to it.

        Nor is there if the offer got lost, or the heir left it: all goes on by seniority then.
        """
        if not self.is_offered:
            return False
        states = {state.address: state for state in others}
        heir = states.pop(self.address, None)
        if heir is None or heir.boot != self.heir or now >= self.until:
            return True
        return heir.start_time == self.stamp and all(state.role != Role.CANDIDATE for state in states.values())


def bequeath(giver: State, heir: State, others: Iterable[State]) -> Bequest:
    """What a leader leaves to its heir: its own stamp, or one that is older by a hair where somebody shares it."""
    shared = any(state.start_time == giver.start_time and state.address != heir.address for state in others)
    stamp = max(0.0, giver.start_time - (MICROSECOND if shared else 0.0))
    return Bequest(address=Address(heir.address), heir=heir.boot, stamp=stamp)


def may_take(offer: Offer, own: State, giver: State | None) -> bool:
    """Whether this node takes the stamp: it is fit, leads nothing, and the giver is just giving up leadership."""
    return (
        offer.boot == own.boot
        and giver is not None
        and giver.role == Role.DEMOTING
        and own.fit
        and own.start_time != UNSTAMPED
        and own.role in (Role.FOLLOWER, Role.CANDIDATE)
        and offer.start_time < own.start_time
    )
