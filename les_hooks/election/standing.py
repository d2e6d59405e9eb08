"""What this node stands for: its stamp and fitness, and the highest term and newest stamp known. Rules 8 to 11."""

from dataclasses import dataclass

from les_hooks.election.messages import Instant, State
from les_hooks.election.seniority import believable, fresh_stamp
from les_hooks.members import UNSTAMPED

__all__ = ["Standing"]


@dataclass(slots=True)
class Standing:
    """`term` and `newest` come from disk at start; `unfit_until` is a boottime."""

    term: int
    newest: float
    stamp: float = UNSTAMPED
    unfit_until: float = 0.0

    def learn(self, state: State, wall: float) -> None:
        """Take in what another node knows."""
        self.term = max(self.term, state.term, state.led_term)
        for stamp in (state.start_time, state.newest):
            if believable(stamp, wall):
                self.newest = max(self.newest, stamp)

    def restamp(self, wall: float, *, beyond: float = 0.0) -> None:
        """Become the most junior of all that are known, and of a leader whose stamp is `beyond` belief too."""
        self.stamp = fresh_stamp(wall, max(self.newest, beyond))
        self.newest = max(self.newest, self.stamp) if believable(self.stamp, wall) else self.newest

    @property
    def stamped(self) -> bool:
        """Whether this node has taken a stamp."""
        return self.stamp != UNSTAMPED

    def recover(self, now: Instant) -> None:
        """Become fit again when the time has come; having been unfit costs seniority."""
        if 0.0 < self.unfit_until <= now.boottime:
            self.unfit_until = 0.0
            self.restamp(now.wall)

    def is_fit(self, now: float) -> bool:
        """Whether this node may lead, as far as it depends on itself."""
        return now >= self.unfit_until
