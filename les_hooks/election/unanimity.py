"""Every live member's word, the original's rule 7: always available, and each side of a partition has its own leader.

Relayed words count, so that a broken link between two followers blocks nobody. Pure.
"""

import math
from dataclasses import dataclass

from les_hooks.election.effects import Effect
from les_hooks.election.frames import (
    Electorate,
    Grant,
    Refusal,
    Release,
    Request,
    State,
)
from les_hooks.election.identity import Identity
from les_hooks.election.membership import Peer, Roster
from les_hooks.election.messages import Pledged, PledgeFailed
from les_hooks.election.pulse import Pulse
from les_hooks.election.roles import Role
from les_hooks.election.seniority import is_eligible
from les_hooks.election.telling import beat
from les_hooks.members import Address, Boot, Part

__all__ = ["Unanimity"]

_ACCEPTING = frozenset({Role.JOINING, Role.FOLLOWER})


@dataclass(slots=True)
class Unanimity:
    """Implements `Quorum`. A leader's authority lasts `failure` from its last timely heartbeat."""

    identity: Identity
    roster: Roster
    pulse: Pulse
    effects: list[Effect]

    @property
    def electorate(self) -> Electorate | None:
        """Nobody in particular."""
        return None

    @property
    def act_until(self) -> float:
        """`failure` after the last timely heartbeat."""
        return self.pulse.authority_end

    @property
    def release_by(self) -> float:
        """No end: nobody knows when another leads."""
        return math.inf

    @property
    def hold_until(self) -> float:
        """`failure` after the last timely heartbeat: whoever is silent for longer is replaced."""
        return self.pulse.authority_end

    @property
    def in_doubt(self) -> bool:
        """Whether this node awaits answers after a jump of the wall clock."""
        return bool(self.pulse.awaited)

    def obstacle(self, role: Role) -> str:
        """Nothing."""
        return ""

    def may_lead(self, state: State) -> bool:
        """Whether the node is eligible; who goes by voters of its own would never be confirmed, nor confirm."""
        return is_eligible(state) and state.electorate is None

    def is_won(self, term: int, now: float) -> bool:
        """Whether every live member accepts this very process, and it has authority: who slept beats in time first."""
        confirmed = all(self._confirms(peer) for peer in self.roster.peers.values())
        return confirmed and now < self.act_until

    def _confirms(self, peer: Peer) -> bool:
        if peer.state.part == Part.OBSERVER:
            return True
        mine = peer.original or peer.state.leader_boot == self.identity.boot
        return mine and peer.state.leader == self.identity.address

    def is_lost(self, nominee: State | None) -> bool:
        """Whether another should lead."""
        return nominee is None or nominee.address != self.identity.address

    def accepted(self, nominee: State | None, role: Role, *, has_followed: bool) -> State | None:
        """A sitting leader, or a candidate once this node may elect."""
        if nominee is None or nominee.address == self.identity.address:
            return None
        if nominee.role == Role.LEADER:
            return nominee if role in _ACCEPTING else None
        elects = role is Role.FOLLOWER or (role is Role.JOINING and has_followed)
        return nominee if elects and not self._others_are_led(nominee) else None

    def _others_are_led(self, candidate: State) -> bool:
        """Whether others still know a sitting leader that this node does not list.

        It may live where only they reach it, or their news of its death is under way: elect nobody before it is here.
        The candidate is not asked, which spares a cluster of three the round trip.
        """
        known = {self.identity.address, *self.roster.peers}
        return any(
            other.address not in known
            for state in self.roster.states()
            if state.address != candidate.address
            for other in state.sitting
        )

    def beat(self, role: Role, term: int, now: float) -> None:
        """Nothing: heartbeats say it."""

    def doubt(self, role: Role, term: int, now: float) -> None:
        """Await an answer of each member: the others may have elected another meanwhile."""
        for address in self.roster.heard_lately(now):
            link = self.roster.links.get(address)
            if link is not None:
                self.effects.append(beat(address, link, now, prompt=True))
            # Where the link broke meanwhile, any answer over the next one will do.
            self.pulse.ask(address, link.sent if link is not None else 1, now)

    def give_back(self) -> None:
        """Nothing: what this node says of itself says it."""

    def hear(self, sender: Address, frame: Request | Grant | Refusal | Release) -> None:
        """Nothing: votes are of no interest here."""

    def undone(self, address: Address, boot: Boot) -> None:
        """Nothing."""

    def unlinked(self, address: Address) -> None:
        """Nothing."""

    def written(self, report: Pledged | PledgeFailed) -> None:
        """Nothing: nobody promised."""

    def vote(self, nominee: State | None, role: Role, now: float) -> bool:
        """Nothing: whom this node accepts is its word."""
        return False

    def next_moment(self) -> tuple[float, ...]:
        """Nothing."""
        return ()
