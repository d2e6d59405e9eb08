"""How many calls a provider may be asked in an hour. Private to `floating_ip`."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["Allowance", "Purpose"]

_HOUR_SECONDS = 3600.0


class Purpose(Enum):
    """What a call is for; the value is the part of the hour's calls that it leaves to those that matter more."""

    LOOK = 0.25
    """To see whether all is as it should be."""
    POLL = 0.1
    """To see whether a change is done."""
    TAKE = 0.0
    """To get the address."""


class Allowance:
    """Counts the calls of the last hour: at most `most`, the last of them for who takes an address alone."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._calls: deque[float] = deque()
        self._purpose = Purpose.LOOK

    @property
    def left(self) -> int:
        """How many calls are left at this moment, the last ones included."""
        while self._calls and self._calls[0] <= self._clock() - _HOUR_SECONDS:
            self._calls.popleft()
        return self._most - len(self._calls)

    def take(self) -> None:
        """Count one call. Raises Trouble where there is none left for this purpose."""
        room = self._most - math.ceil(self._most * self._purpose.value)
        if self._most - self.left >= room:
            # So many of the oldest have to be forgotten until there is room for one more.
            wait = self._calls[len(self._calls) - room] + _HOUR_SECONDS - self._clock()
            raise Trouble(Fault.SPENT, f"calls_per_hour = {self._most} leaves none for {wait:.0f} s", wait)
        self._calls.append(self._clock())

    @contextmanager
    def spending(self, purpose: Purpose) -> Iterator[None]:
        """Calls in this block are for this purpose."""
        before, self._purpose = self._purpose, purpose
        try:
            yield
        finally:
            self._purpose = before
