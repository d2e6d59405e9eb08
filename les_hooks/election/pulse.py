"""The heartbeat of this node, the authority that hangs on it, and the clocks that it watches. Rule 13."""

import math
from dataclasses import dataclass, field

from les_hooks.election.identity import Timing
from les_hooks.election.messages import Instant
from les_hooks.members import Address

__all__ = ["Pulse"]

# A wall clock that gains this much on the time since boot was set, or the whole machine was paused. NTP slews by at
# most 0.5 ms a second, so that from one look to the next it never gains this honestly.
_JUMP_SECONDS = 1.0


@dataclass(slots=True)
class Pulse:
    """`due` is the next heartbeat, `timely` the last one that was not late; boottime seconds.

    `awaited` are the answers that a leader wants after a jump of the wall clock: per member the number of a frame.
    """

    timing: Timing
    due: float
    timely: float
    offset: float
    awaited: dict[Address, int] = field(default_factory=dict)

    def lateness(self, now: float) -> float | None:
        """Seconds by which the heartbeat is late; None where none is due."""
        return now - self.due if now >= self.due else None

    def beat(self, now: float, lateness: float) -> None:
        """Count a heartbeat; a late one gives no authority, so that the next comes before what is left of it ends."""
        if lateness <= self.timing.heartbeat:
            self.timely = now
            self.due += self.timing.heartbeat
        else:
            left = self.authority_end - now
            self.due = now + (min(self.timing.heartbeat, left / 2) if left > 0 else self.timing.heartbeat)

    def has_jumped(self, now: Instant) -> bool:
        """Whether the wall clock jumped forward since the last look."""
        offset = now.wall - now.boottime
        jumped = offset > self.offset + _JUMP_SECONDS
        self.offset = offset
        return jumped

    @property
    def authority_end(self) -> float:
        """Until when a leader may act on what it knows, in members mode."""
        return self.timely + self.timing.failure

    def answered(self, address: Address, acked: int) -> None:
        """A member has answered our frames up to this number."""
        if self.awaited.get(address, math.inf) <= acked:
            del self.awaited[address]
