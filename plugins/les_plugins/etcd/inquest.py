"""Whether a leader may still act whose key is gone, and not by its own hand. Pure; private to `etcd`.

As a rule its lease has run out, and then it has long since lapsed. But etcd before 3.4.31 can take a lease away that is
renewed, and an operator can at any time; then it acts until it hears of that. So whoever is next in line asks how long
the leases ahead of it have left: one that has less than a second left was not renewed for longer than its holder may
act on a renewal, and a leader that has lapsed never leads again with the same key. Where that is not known, the next
in line waits for as long as a leader may act that was renewed the moment before.
"""

import math
from typing import Final

from les_plugins.etcd.hold import DRIFT, reserve_of, wait_of
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Life

__all__ = ["Inquest", "ttl_of"]

_UNKNOWN: Final = math.inf, 0


def ttl_of(standing: Standing, otherwise: int) -> int:
    """The seconds of the lease of who stood there, as it has said; `otherwise` where that cannot be read."""
    return standing.entry.ttl if standing.entry is not None else otherwise


class Inquest:
    """What is known of the leases ahead. Times are boottime seconds; `ttl` is that of this node's own lease.

    It is known of a key, by the revision that this was created at, and not of its lease: that may come to be another
    key's, with which its holder leads anew.
    """

    def __init__(self, ttl: int) -> None:
        self._ttl = ttl
        self._lapsed: dict[int, tuple[float, int]] = {}
        self._late: set[int] = set()

    def asked(self, standing: Standing, life: Life, received: float) -> None:
        """Take an answer of etcd's about the lease of this key, which is in whole seconds, rounded down."""
        if life.ttl < 0:
            return
        # A third of it is the longest pause between two renewals.
        if life.ttl + 1 <= life.granted_ttl * 2 / 3:
            self._late.add(standing.revision)
        else:
            self._late.discard(standing.revision)
        most = (life.ttl + 1) * (1 + DRIFT) / (1 - DRIFT)
        if most <= reserve_of(life.granted_ttl):
            known, term = self._lapsed.get(standing.revision, _UNKNOWN)
            same = term == life.header.raft_term
            self._lapsed[standing.revision] = min(known if same else math.inf, received + most), life.header.raft_term

    def is_late(self, standing: Standing) -> bool:
        """Whether its holder has missed a renewal."""
        return standing.revision in self._late

    def over_at(self, standing: Standing) -> tuple[float, int]:
        """From when on its lease has run out, and the Raft term of etcd's in which that was told.

        Infinite where it is not known, and where it was renewed since.
        """
        return self._lapsed.get(standing.revision, _UNKNOWN) if self.is_late(standing) else _UNKNOWN

    def free_at(self, standing: Standing, gone: float, raft_term: int) -> float:
        """From when on who stood there acts no more; the key was gone at `gone`, as etcd told in that Raft term.

        What a leader of etcd said that was deposed meanwhile counts for nothing: it does not hear of renewals.
        """
        lapsed, term = self._lapsed.get(standing.revision, _UNKNOWN)
        return min(lapsed if term >= raft_term else math.inf, gone + wait_of(ttl_of(standing, self._ttl)))

    def forget(self, revisions: frozenset[int]) -> None:
        """Keep what is known of these alone."""
        self._lapsed = {revision: known for revision, known in self._lapsed.items() if revision in revisions}
        self._late &= revisions
