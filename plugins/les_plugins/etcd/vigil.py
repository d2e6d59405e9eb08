"""For whom the next in line waits: those who may have led and whose keys are gone without their word. Pure.

Private to `etcd`. What is known of them comes from `inquest`.
"""

import math
from collections.abc import Iterable

from les_plugins.etcd.hold import Hold, wait_of
from les_plugins.etcd.inquest import Inquest, ttl_of
from les_plugins.etcd.line import Gone, Standing

__all__ = ["Vigil"]


class Vigil:
    """Until when this node leads in nobody's place; `hold` is on its own lease. Times are boottime seconds."""

    def __init__(self, hold: Hold, inquest: Inquest) -> None:
        self._hold = hold
        self._inquest = inquest
        self._awaited: dict[int, float] = {}
        self._blind_until = -math.inf

    @property
    def until(self) -> float:
        """When it is over, -inf for no vigil at all."""
        return max((self._blind_until, *self._awaited.values()))

    def saw_gone(self, gone: Gone, raft_term: int, now: float) -> None:
        """Another's key is gone, as etcd told in that Raft term."""
        standing = gone.standing
        if not gone.orderly:
            free_at = self._inquest.free_at(standing, now, raft_term) if gone.led else -math.inf
            self._awaited[standing.revision] = free_at
        if gone.led and gone.removed:
            # Somebody else took it away, and its trace with it: it acts until it hears of that.
            self._blind_until = max(self._blind_until, now + wait_of(ttl_of(standing, self._hold.ttl)))

    def keep(self, strays: Iterable[Standing], now: float) -> None:
        """Wait for those of whom there is a trace and no key, also where that went before this node looked."""
        self._awaited = {
            stray.revision: self._awaited.get(stray.revision, now + wait_of(ttl_of(stray, self._hold.ttl)))
            for stray in strays
        }

    def is_over(self, stray: Standing, now: float) -> bool:
        """Whether this one acts no more, and its trace can go."""
        return self._awaited.get(stray.revision, math.inf) <= now

    def begin_blind(self, now: float) -> None:
        """Nothing is known any more of those who may have led: wait for as long as any of them may act."""
        self._blind_until = now + wait_of(self._hold.ttl)
