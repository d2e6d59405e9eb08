"""Whether a leader may still act whose key is gone, and not by its own hand. Pure; private to `etcd`.

As a rule its lease has run out, and then it has long since lapsed. But etcd before 3.4.31 can take a lease away that is
renewed, and an operator can at any time; then it acts until it hears of that. So whoever is next in line asks how long
the leases ahead of it have left: one that has less than a second left was not renewed for longer than its holder may
act on a renewal, and a leader that has lapsed never leads again with the same key. So that is known of keys, not of
leases, and of nobody who had not taken office when the question went out: that one may be renewed and lead yet. Where
it is not known, the next in line waits for as long as a leader may act that was renewed the moment before.
"""

import math

from les_hooks.backends import Role
from les_plugins.etcd.hold import DRIFT, reserve_of, wait_of
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Life

__all__ = ["Inquest", "ttl_of"]

# Who says so has taken office with the key that it says it in.
_IN_OFFICE = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})


def ttl_of(standing: Standing, otherwise: int) -> int:
    """The seconds of the lease of who stood there, as it has said; `otherwise` where that cannot be read."""
    return standing.entry.ttl if standing.entry is not None else otherwise


class Inquest:
    """What is known of those ahead, by the revisions of their keys.

    Times are boottime seconds; `ttl` is that of this node's own lease.
    """

    def __init__(self, ttl: int) -> None:
        self._ttl = ttl
        self._lapsed: dict[int, tuple[float, int]] = {}
        self._late: set[int] = set()
        self._raft_terms: dict[int, int] = {}

    def asked(self, standing: Standing, life: Life, received: float) -> None:
        """Take an answer about the lease of who stood so when etcd was asked; whole seconds, rounded down."""
        known_term = self._raft_terms.get(life.header.member_id)
        self._raft_terms[life.header.member_id] = life.header.raft_term
        if life.ttl < 0:
            return
        revision, entry = standing.revision, standing.entry
        # A third of it is the longest pause between two renewals.
        if life.ttl + 1 <= life.granted_ttl * 2 / 3:
            self._late.add(revision)
        else:
            self._late.discard(revision)
        # A server asks the leader that it knows, and then names the Raft term that it knows, which may be a newer one.
        if known_term != life.header.raft_term:
            return
        most = (life.ttl + 1) * (1 + DRIFT) / (1 - DRIFT)
        if most > reserve_of(life.granted_ttl) or entry is None or entry.role not in _IN_OFFICE:
            return
        known, raft_term = self._lapsed.get(revision, (math.inf, 0))
        if life.header.raft_term > raft_term:
            known = math.inf  # what a leader of etcd said that was deposed since may never have been so
        if life.header.raft_term >= raft_term:
            self._lapsed[revision] = min(known, received + most), life.header.raft_term

    def is_late(self, standing: Standing) -> bool:
        """Whether it has missed a renewal."""
        return standing.revision in self._late

    def over_at(self, standing: Standing) -> tuple[float, int]:
        """From when on the key counts for nothing, infinite for unknown, and the Raft term in which etcd told so.

        Its lease has run out then, and so has the time that its holder had for its demotion.
        """
        return self._lapsed.get(standing.revision, (math.inf, 0))

    def free_at(self, standing: Standing, gone: float, raft_term: int) -> float:
        """From when on who stood there acts no more; the key was gone at `gone`, as etcd told in that Raft term.

        What a leader of etcd said that was deposed meanwhile counts for nothing: it does not hear of renewals.
        """
        lapsed, term = self._lapsed.get(standing.revision, (math.inf, 0))
        return min(lapsed if term >= raft_term else math.inf, gone + wait_of(ttl_of(standing, self._ttl)))

    def forget(self, revisions: frozenset[int]) -> None:
        """Keep what is known of the keys of these revisions alone."""
        self._lapsed = {revision: known for revision, known in self._lapsed.items() if revision in revisions}
        self._late &= revisions
