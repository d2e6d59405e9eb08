"""How many calls a provider may be asked in an hour, and when none at all. Private to `floating_ip`."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["Allowance", "Purpose"]

_HOUR_SECONDS = 3600.0


class Purpose(Enum):
    """What a call is for; the value is the part of the hour's calls that it leaves to those that matter more."""

    LOOK = 0.25
    """To see whether all is as it should be."""
    KEEP = 0.2
    """To get the address back, in the middle of a leadership: two leaders apart may do so for ever."""
    POLL = 0.1
    """To see whether a change is done, at the beginning of a leadership or when it is reasserted."""
    TAKE = 0.0
    """To get the address then."""


# Not in the allowance: an operator's look beside a take-over is no part of it.
_purpose: ContextVar[Purpose] = ContextVar("purpose", default=Purpose.LOOK)


class Allowance:
    """Counts the calls of the last hour: at most `most`, the last of them for who takes an address alone."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._calls: deque[float] = deque()
        self._again_at = -math.inf

    @property
    def left(self) -> int:
        """How many calls are left at this moment, the last ones included."""
        # A copy, and nothing is forgotten here: `status` asks from a thread.
        return self._most - sum(at > self._clock() - _HOUR_SECONDS for at in tuple(self._calls))

    def pause(self, seconds: float) -> None:
        """Have no calls made for so long: the provider has said so."""
        self._again_at = max(self._again_at, self._clock() + seconds)

    def take(self) -> None:
        """Count one call. Raises Trouble where there is none left for this purpose, or none is wanted yet."""
        now = self._clock()
        if now < self._again_at:
            wait = self._again_at - now
            raise Trouble(Fault.THROTTLED, f"the provider wants to be left alone for {wait:.0f} s more", wait)
        while self._calls and self._calls[0] <= now - _HOUR_SECONDS:
            self._calls.popleft()
        room = self._most - math.ceil(self._most * _purpose.get().value)
        if len(self._calls) >= room:
            # So many of the oldest have to be forgotten until there is room for one more.
            wait = self._calls[len(self._calls) - room] + _HOUR_SECONDS - now
            raise Trouble(Fault.SPENT, f"calls_per_hour = {self._most} leaves none for {wait:.0f} s", wait)
        self._calls.append(now)

    @contextmanager
    def spending(self, purpose: Purpose) -> Iterator[None]:
        """Calls in this block are for this purpose."""
        before = _purpose.set(purpose)
        try:
            yield
        finally:
            _purpose.reset(before)
