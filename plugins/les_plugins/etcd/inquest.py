"""Whether a leader may still act whose key is gone, and not by its own hand. Pure; private to `etcd`.

As a rule its lease has run out, and then it has long since lapsed. But etcd before 3.4.31 can take a lease away that is
renewed, and an operator can at any time; then it acts until it hears of that. So whoever is next in line asks how long
the leases ahead of it have left: one that has less than a second left was not renewed for longer than its holder may
act on a renewal, and a leader that has lapsed never leads again with the same key. Where that is not known, the next
in line waits for as long as a leader may act that was renewed the moment before.
"""

import math
from dataclasses import dataclass
from typing import Final

from les_hooks.backends import Role
from les_plugins.etcd.hold import DRIFT, reserve_of, wait_of
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Life

__all__ = ["Inquest", "ttl_of"]

# By these its holder says that it has led with this key.
_LED: Final = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lapse:
    """A lease has run out at `at`, as etcd told in that Raft term; `led`: it was then a leader's."""

    at: float
    raft_term: int
    led: bool


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
        self._lapsed: dict[int, _Lapse] = {}
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
        if most > reserve_of(life.granted_ttl):
            # Renewed since, it may come to lead with this key, if it has not yet.
            self._lapsed.pop(standing.revision, None)
            return
        lapse = _Lapse(
            at=received + most,
            raft_term=life.header.raft_term,
            led=standing.entry is not None and standing.entry.role in _LED,
        )
        known = self._lapsed.get(standing.revision)
        if known is None or known.at > lapse.at or (known.raft_term, known.led) != (lapse.raft_term, lapse.led):
            self._lapsed[standing.revision] = lapse

    def is_late(self, standing: Standing) -> bool:
        """Whether its holder has missed a renewal."""
        return standing.revision in self._late

    def over_at(self, standing: Standing) -> tuple[float, int]:
        """From when on the key counts for nothing, and the Raft term of etcd's in which that was told.

        Its lease has run out then, and so has the time that its holder had for its demotion. That is final for a leader
        alone: who has not led may be renewed at the last moment, and do so. Infinite where it is not known.
        """
        known = self._lapsed.get(standing.revision)
        return (known.at, known.raft_term) if known is not None and known.led else (math.inf, 0)

    def free_at(self, standing: Standing, gone: float, raft_term: int) -> float:
        """From when on who stood there acts no more; the key was gone at `gone`, as etcd told in that Raft term.

        What a leader of etcd said that was deposed meanwhile counts for nothing: it does not hear of renewals.
        """
        known = self._lapsed.get(standing.revision)
        lapsed = known.at if known is not None and known.raft_term >= raft_term else math.inf
        return min(lapsed, gone + wait_of(ttl_of(standing, self._ttl)))

    def forget(self, revisions: frozenset[int]) -> None:
        """Keep what is known of these alone."""
        self._lapsed = {revision: known for revision, known in self._lapsed.items() if revision in revisions}
        self._late &= revisions
