"""How many calls a provider may be asked in an hour. Private to `floating_ip`."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["Allowance"]

_HOUR_SECONDS = 3600.0

# What polls and the slow looks leave for a take-over, which would otherwise find all calls used up.
_RESERVE = 1 / 4


class Allowance:
    """Counts the calls of the last hour; at most `most` of them, the last quarter only for who may use the reserve."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._calls: deque[float] = deque()
        self._reserve = max(1, int(most * _RESERVE))

    @property
    def left(self) -> int:
        """How many calls are left at this moment, the reserve included."""
        self._forget()
        return self._most - len(self._calls)

    def take(self) -> None:
        """Count one call. Raises Trouble where there is none left."""
        if self.left <= self._reserve:
            # The next call is free when the one has been forgotten that makes room for it beside the reserve.
            oldest = self._calls[len(self._calls) - (self._most - self._reserve)]
            wait = oldest + _HOUR_SECONDS - self._clock()
            raise Trouble(Fault.SPENT, f"calls_per_hour, {self._most}, are used up for {wait:.0f} s", wait)
        self._calls.append(self._clock())

    @contextmanager
    def with_reserve(self) -> Iterator[None]:
        """Let calls in this block use the reserve."""
        kept, self._reserve = self._reserve, 0
        try:
            yield
        finally:
            self._reserve = kept

    def _forget(self) -> None:
        while self._calls and self._calls[0] <= self._clock() - _HOUR_SECONDS:
            self._calls.popleft()
