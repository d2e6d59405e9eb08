"""How long a leader may act: its hold on the lease, and what ends that for good. Pure; private to `etcd`."""

import math
from typing import Final

from les_hooks.backends import Instant, Role
from les_hooks.members import NO_MANDATE, Mandate
from les_plugins.etcd.hold import Hold
from les_plugins.etcd.store import Header

__all__ = ["LEADING", "Tenure"]

LEADING: Final = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})
"""What a node is that leads, or still ends what it did as the leader."""

# A resumed machine's wall clock jumps; what NTP corrects at a time is less.
_JUMP_SECONDS: Final = 1.0


class Tenure:
    """One leadership after another, on one lease after another; whose `role` is what the caller says."""

    def __init__(self, ttl: int, now: Instant) -> None:
        self.hold = Hold(ttl)
        self.lapsed = False
        """Whether what it took must be gone; what is known too late brings it back no more."""
        self._release_by = math.inf
        self._doubt_since = -math.inf
        self._offset = now.wall - now.boottime

    @property
    def is_doubtful(self) -> bool:
        """Whether the wall clock has jumped since what the hold rests on."""
        return self.hold.since <= self._doubt_since

    def look(self, now: Instant) -> None:
        """Notice a jump of the wall clock."""
        offset = now.wall - now.boottime
        if offset - self._offset > _JUMP_SECONDS:
            self._doubt_since = now.boottime
        self._offset = offset

    def may_begin(self, now: float) -> bool:
        """Whether there is a hold to begin a leadership on."""
        return now < self.hold.act_until and not self.is_doubtful

    def begin(self) -> None:
        """A leadership begins."""
        self.lapsed = False

    def is_over(self, role: Role, now: float) -> bool:
        """Whether its time has come and nobody has noticed yet.

        Others count on it that nothing brings it back: not for the demotion either, which has until the lease ends.
        """
        return role in LEADING and not self.lapsed and now >= self.hold.act_until

    def lapse(self) -> None:
        """It is over; the demotion has what is left of the lease."""
        if not self.lapsed:
            self.lapsed, self._release_by = True, self.hold.release_by

    def proven(self, sent: float, header: Header, role: Role, now: float) -> None:
        """A read through the quorum, sent then, has found the key."""
        if not self.is_over(role, now):
            self.hold.proven(sent, header)

    def mandate(self, role: Role) -> Mandate:
        """How long it may act, and keep what it took."""
        if role not in LEADING:
            return NO_MANDATE
        release_by = self._release_by if self.lapsed else self.hold.release_by
        doubtful = role is Role.LEADER and self.is_doubtful
        return Mandate(
            act_until=self.hold.act_until if role is Role.LEADER else -math.inf,
            release_by=release_by,
            hold_until=-math.inf if self.lapsed or doubtful else release_by,
        )
