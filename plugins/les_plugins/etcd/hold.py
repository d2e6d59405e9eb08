"""What a lease of etcd's is worth to a leader, and until when: the arithmetic. Pure; private to `etcd`.

etcd counts a lease from when it takes a keep-alive, which is after this node has sent it. So the leadership of a node
that counts from the sending, and lets its clock and etcd's differ by `DRIFT` each, is over before etcd ends the lease.
"""

import math
from typing import Final

from les_plugins.etcd.store import Header

__all__ = ["DRIFT", "Hold", "reserve_of", "span_of", "wait_of"]

DRIFT: Final = 0.01
"""By so much of itself a clock may run too fast or too slowly; steps of the wall clock do not matter."""

# A remaining time of etcd's is told in whole seconds. A successor knows that a leader has lapsed when it reads 0 of
# them, which is to say less than one; so a leader lapses at least that long before its lease does.
_SHORTEST_RESERVE_SECONDS: Final = 1.05
_RESERVE: Final = 0.25


def span_of(ttl: float) -> float:
    """For how many seconds after the sending of a keep-alive nobody else can have the lease's key."""
    return ttl * (1 - DRIFT) / (1 + DRIFT)


def reserve_of(ttl: float) -> float:
    """How many seconds of that are kept for the demotion."""
    return max(_SHORTEST_RESERVE_SECONDS, ttl * _RESERVE)


def wait_of(ttl: float) -> float:
    """After how many seconds of this clock a leader has lapsed that was renewed a moment ago, whatever its clock."""
    return ttl * (1 + DRIFT) / (1 - DRIFT)


class Hold:
    """Until when this node may act on its lease, boottime seconds; -inf for not at all.

    A keep-alive that was acknowledged counts only once a read through the quorum has found this node's key in the same
    Raft term: a leader of etcd that was deposed, and does not know it yet, acknowledges what no longer is.
    """

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self._renewed: tuple[float, float, int] | None = None
        self._since = -math.inf

    @property
    def since(self) -> float:
        """When the keep-alive was sent that it rests on."""
        return self._since

    @property
    def act_until(self) -> float:
        """Until when it may begin what a leader does."""
        return self._since + span_of(self.ttl) - reserve_of(self.ttl)

    @property
    def release_by(self) -> float:
        """When all of it must have ended."""
        return self._since + span_of(self.ttl)

    def renewed(self, sent: float, answered: float, header: Header) -> None:
        """A keep-alive, or the grant itself, was acknowledged."""
        self._renewed = sent, answered, header.raft_term

    def proven(self, sent: float, header: Header) -> bool:
        """A read through the quorum has found the key; returns whether it has moved the hold."""
        if self._renewed is None:
            return False
        renewed, answered, raft_term = self._renewed
        if answered > sent or raft_term != header.raft_term or renewed <= self._since:
            return False
        self._since = renewed
        return True

    def lose(self) -> None:
        """The lease is gone, or the key."""
        self._renewed, self._since = None, -math.inf
