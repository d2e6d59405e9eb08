"""What this node stands for: its stamp and fitness, and the highest term and newest stamp known. Rules 8 to 11."""

from dataclasses import dataclass

from les_hooks.election.frames import State
from les_hooks.election.messages import Instant
from les_hooks.election.seniority import believable, fresh_stamp
from les_hooks.members import UNSTAMPED

__all__ = ["Standing"]


@dataclass(slots=True)
class Standing:
    """`term` and `newest` come from disk at start. `stands`: this node may take a stamp at all.

    `kept`: the disk remembered something, or this node has heard of the others since. `missed` is the term that others
    had when it, remembering nothing, joined; 0 where there was nothing to miss.

    `unfit` is why checks and operator keep it from leading; and until `held_until`, a boottime, `held` does.
    """

    term: int
    newest: float
    kept: bool = True
    missed: int = 0
    stands: bool = True
    stamp: float = UNSTAMPED
    unfit: str = ""
    held: str = ""
    held_until: float = 0.0

    def learn(self, state: State, wall: float) -> None:
        """Take in what another node knows."""
        if not self.kept:
            self.missed = max(self.missed, state.term, state.led_term)
        self.term = max(self.term, state.term, state.led_term)
        for stamp in (state.start_time, state.newest):
            if believable(stamp, wall):
                self.newest = max(self.newest, stamp)

    def restamp(self, wall: float, *, beyond: float = 0.0) -> None:
        """Become the most junior of all that are known, and of a leader whose stamp is `beyond` belief too."""
        if not self.stands:
            return
        self.stamp = fresh_stamp(wall, max(self.newest, beyond))
        self.newest = max(self.newest, self.stamp) if believable(self.stamp, wall) else self.newest

    @property
    def stamped(self) -> bool:
        """Whether this node has taken a stamp."""
        return self.stamp != UNSTAMPED

    def hold(self, why: str, until: float) -> None:
        """Be unfit until then, whatever the checks say."""
        self.held, self.held_until = why, max(until, self.held_until)

    def judge(self, unfit: str, wall: float) -> None:
        """Take what checks and operator say; to become unfit costs seniority, and to become fit again too."""
        changed = bool(unfit) != bool(self.unfit)
        self.unfit = unfit
        if changed and self.stamped:
            self.restamp(wall)

    def recover(self, now: Instant) -> None:
        """Be held no more when the time has come; having been unfit costs seniority."""
        if 0.0 < self.held_until <= now.boottime:
            self.held_until = 0.0
            self.restamp(now.wall)

    def obstacle(self, now: float) -> str:
        """Why this node may not lead, as far as it depends on itself; empty where it may."""
        return self.unfit or (self.held if now < self.held_until else "")
