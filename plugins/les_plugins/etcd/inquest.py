"""Whether a leader may still act whose key is gone, and not by its own hand. Pure; private to `etcd`.

As a rule its lease has run out, and then it has long since lapsed. But etcd before 3.4.31 can take a lease away that is
renewed, and an operator can at any time; then it acts until it hears of that. So whoever is next in line asks how long
the leases ahead of it have left: one that has less than a second left was not renewed for longer than its holder may
act on a renewal, and a leader that has lapsed never leads again with the same key. Where that is not known, the next
in line waits for as long as a leader may act that was renewed the moment before.
"""

import math

from les_plugins.etcd.hold import DRIFT, reserve_of, wait_of
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Life

__all__ = ["Inquest", "ttl_of"]


def ttl_of(standing: Standing, otherwise: int) -> int:
    """The seconds of the lease of who stood there, as it has said; `otherwise` where that cannot be read."""
    return standing.entry.ttl if standing.entry is not None else otherwise


class Inquest:
    """What is known of the leases ahead. Times are boottime seconds; `ttl` is that of this node's own lease."""

    def __init__(self, ttl: int) -> None:
        self._ttl = ttl
        self._lapsed: dict[int, tuple[float, int]] = {}
        self._late: set[int] = set()

    def asked(self, lease: int, life: Life, received: float) -> None:
        """Take an answer of etcd's about a lease, which is in whole seconds, rounded down."""
        if life.ttl < 0:
            return
        # A third of it is the longest pause between two renewals.
        if life.ttl + 1 <= life.granted_ttl * 2 / 3:
            self._late.add(lease)
        else:
            self._late.discard(lease)
        most = (life.ttl + 1) * (1 + DRIFT) / (1 - DRIFT)
        if most <= reserve_of(life.granted_ttl):
            known, _ = self._lapsed.get(lease, (math.inf, 0))
            self._lapsed[lease] = min(known, received + most), life.header.raft_term

    def is_late(self, lease: int) -> bool:
        """Whether its holder has missed a renewal."""
        return lease in self._late

    def free_at(self, standing: Standing, gone: float, raft_term: int) -> float:
        """From when on who stood there acts no more; the key was gone at `gone`, as etcd told in that Raft term.

        What a leader of etcd said that was deposed meanwhile counts for nothing: it does not hear of renewals.
        """
        lapsed, term = self._lapsed.get(standing.lease, (math.inf, 0))
        return min(lapsed if term >= raft_term else math.inf, gone + wait_of(ttl_of(standing, self._ttl)))

    def forget(self, leases: frozenset[int]) -> None:
        """Keep what is known of these alone."""
        self._lapsed = {lease: known for lease, known in self._lapsed.items() if lease in leases}
        self._late &= leases
