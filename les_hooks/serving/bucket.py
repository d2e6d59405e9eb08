"""How often something may happen. Pure; imported by whoever bounds something."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Bucket", "Rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many at once, and so many more each second."""

    burst: int
    per_second: float

    def bucket(self, clock: Callable[[], float] = time.monotonic) -> "Bucket":
        """One that is full."""
        return Bucket(self.burst, 1 / self.per_second, clock)


class Bucket:
    """Bounds how often something happens: so many at once, and one more each `seconds`."""

    __slots__ = ("_at", "_clock", "_left", "_most", "_seconds")

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._left, self._at = float(most), clock()

    def take(self) -> bool:
        """Whether it may happen once more, now."""
        self._fill()
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def wait_seconds(self) -> float:
        """How long until it may happen again; 0 where it may."""
        self._fill()
        return max(0.0, (1.0 - self._left) * self._seconds)

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(float(self._most), self._left + (now - self._at) / self._seconds)
        self._at = now
