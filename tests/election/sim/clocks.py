"""The clocks of one host: time since boot, which runs at its own rate and may stop, and a wall clock that is set."""

import math
from dataclasses import dataclass

from les_hooks.election.messages import Instant

__all__ = ["WALL_AT_START", "Clock"]

WALL_AT_START = 1_700_000_000.0


@dataclass(slots=True)
class Clock:
    """`boottime` was shown at the true time `since`, and goes on at `rate`; `wall_offset` is the wall clock's error."""

    boottime: float = 0.0
    since: float = 0.0
    rate: float = 1.0
    wall_offset: float = 0.0
    frozen: bool = False

    def show(self, now: float) -> float:
        """The time since boot at this true time."""
        return self.boottime if self.frozen else self.boottime + (now - self.since) * self.rate

    def instant(self, now: float) -> Instant:
        """Both clocks at this true time."""
        boottime = self.boottime if self.frozen else self.boottime + (now - self.since) * self.rate
        return Instant(boottime, WALL_AT_START + self.wall_offset + boottime)

    def when(self, boottime: float) -> float:
        """The true time at which this clock shows that; infinite while it stands still, unless that is past."""
        is_ahead = boottime > self.boottime
        return math.inf if self.frozen and is_ahead else self.since + (boottime - self.boottime) / self.rate

    def freeze(self, now: float) -> None:
        """Stand still."""
        self.boottime, self.since, self.frozen = self.show(now), now, True

    def thaw(self, now: float) -> None:
        """Go on from where it stands."""
        self.since, self.frozen = now, False

    def reboot(self, now: float) -> None:
        """The host starts anew: its time since boot begins again, its wall clock does not."""
        self.wall_offset += self.show(now)
        self.boottime, self.since, self.frozen = 0.0, now, False
