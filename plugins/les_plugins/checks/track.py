"""From single results to a state that does not flutter: rise and fall. Pure; private to `checks`."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["State", "Track"]


class State(StrEnum):
    """What a check makes of the node."""

    UNKNOWN = "unknown"
    """It has not run yet."""
    FIT = "fit"
    UNFIT = "unfit"


@dataclass(slots=True, kw_only=True)
class Track:
    """The course of one check. The first result counts at once; later `rise` good or `fall` bad ones in a row turn it.

    `why` is the reason of the result that made it unfit: it stays as it is until the check is fit again, so that what
    others see of it does not change with each result. Times are Unix seconds, `took` is in seconds.
    """

    rise: int
    fall: int
    state: State = State.UNKNOWN
    why: str = ""
    since: float | None = None
    against: int = 0
    """How many results in a row have spoken against the state."""
    runs: int = 0
    failures: int = 0
    last: str = ""
    last_at: float | None = None
    took: float = 0.0

    def note(self, why: str, *, at: float, took: float) -> bool:
        """Take a result, empty for a good one; returns whether the state has changed."""
        self.runs += 1
        self.failures += bool(why)
        self.last, self.last_at, self.took = why, at, took
        seems = State.UNFIT if why else State.FIT
        if seems is self.state:
            self.against = 0
            return False
        self.against += 1
        if self.against < self._needed:
            return False
        self.state, self.why, self.since, self.against = seems, why, at, 0
        return True

    @property
    def _needed(self) -> int:
        return {State.UNKNOWN: 1, State.FIT: self.fall, State.UNFIT: self.rise}[self.state]
