"""Whether a leader may still act whose key is gone, and not by its own hand. Pure; private to `etcd`.

As a rule its lease has run out, and then it has long since lapsed. But etcd before 3.4.31 can take a lease away that is
renewed, and an operator can at any time; then it acts until it hears of that. So whoever is next in line asks how long
the leases ahead of it have left: one that has less than a second left was not renewed for longer than its holder may
act on a renewal, and a leader that has lapsed never leads again with the same key. So that is known of keys, not of
leases, and of nobody who had not taken office when the question went out: that one may be renewed and lead yet. Where
it is not known, the next in line waits for as long as a leader may act that was renewed the moment before.
"""

import math
from typing import Final

from les_hooks.backends import Role
from les_plugins.etcd.hold import DRIFT, reserve_of, wait_of
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Life

__all__ = ["Inquest", "ttl_of"]

# Who says so has taken office with the key that it says it in.
_IN_OFFICE = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})

_UNKNOWN: Final = math.inf, 0


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
        self._over: dict[int, tuple[float, int]] = {}
        self._late: set[int] = set()

    def asked(self, standing: Standing, life: Life, received: float) -> None:
        """Take an answer about the lease of who stood so when etcd was asked; whole seconds, rounded down."""
        if life.ttl < 0:
            return
        revision, entry = standing.revision, standing.entry
        # A third of it is the longest pause between two renewals.
        if life.ttl + 1 <= life.granted_ttl * 2 / 3:
            self._late.add(revision)
        else:
            self._late.discard(revision)
        most = (life.ttl + 1) * (1 + DRIFT) / (1 - DRIFT)
        if most > reserve_of(life.granted_ttl):
            self._over.pop(revision, None)
            return
        _note(self._over, revision, received + most, life.header.raft_term)
        if entry is not None and entry.role in _IN_OFFICE:
            _note(self._lapsed, revision, received + most, life.header.raft_term)

    def is_late(self, standing: Standing) -> bool:
        """Whether it has missed a renewal."""
        return standing.revision in self._late

    def over_at(self, standing: Standing) -> tuple[float, int]:
        """From when on its lease has run out, and the Raft term of etcd's in which that was told.

        Infinite where it is not known, and where it was renewed since.
        """
        return self._over.get(standing.revision, _UNKNOWN)

    def free_at(self, standing: Standing, gone: float, raft_term: int) -> float:
        """From when on who stood there acts no more; the key was gone at `gone`, as etcd told in that Raft term.

        What a leader of etcd said that was deposed meanwhile counts for nothing: it does not hear of renewals.
        """
        lapsed, term = self._lapsed.get(standing.revision, _UNKNOWN)
        return min(lapsed if term >= raft_term else math.inf, gone + wait_of(ttl_of(standing, self._ttl)))

    def forget(self, revisions: frozenset[int]) -> None:
        """Keep what is known of the keys of these revisions alone."""
        for known in (self._lapsed, self._over):
            for revision in known.keys() - revisions:
                del known[revision]
        self._late &= revisions


def _note(known: dict[int, tuple[float, int]], revision: int, moment: float, raft_term: int) -> None:
    before, told_in = known.get(revision, _UNKNOWN)
    if raft_term > told_in:
        # What a leader of etcd said that was deposed since may never have been so.
        known[revision] = moment, raft_term
    elif raft_term == told_in:
        known[revision] = min(before, moment), raft_term
