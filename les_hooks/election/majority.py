"""More than half of the configured voters, each with its one vote for one lease: at most one leader at any instant.

`voter` is what this node promises to others, `ballot` what others promised to it. Pure.
"""

from dataclasses import dataclass

from les_hooks.election.ballot import Ballot
from les_hooks.election.effects import Effect, Send
from les_hooks.election.electorates import rival_of
from les_hooks.election.frames import (
    Electorate,
    Grant,
    Refusal,
    Release,
    Request,
    State,
)
from les_hooks.election.identity import Identity, Memory
from les_hooks.election.membership import Roster
from les_hooks.election.messages import Pledged, PledgeFailed
from les_hooks.election.roles import Role
from les_hooks.election.seniority import is_eligible
from les_hooks.election.standing import Standing
from les_hooks.election.voter import Voter
from les_hooks.members import Address, Boot

__all__ = ["Majority", "make_majority"]


def make_majority(
    *,
    identity: Identity,
    electorate: Electorate,
    roster: Roster,
    standing: Standing,
    effects: list[Effect],
    memory: Memory,
    now: float,
) -> "Majority":
    """The quorum of a node that starts now; whatever it promised in its last life may still run."""
    voter = Voter(
        electorate=electorate,
        effects=effects,
        term=memory.granted_term,
        boot=memory.granted_boot,
        longest=memory.longest_lease,
        quiet_until=now + max(memory.longest_lease, electorate.lease),
    )
    return Majority(
        identity=identity,
        electorate=electorate,
        roster=roster,
        standing=standing,
        effects=effects,
        ballot=Ballot(electorate),
        voter=voter if identity.address in electorate.voters else None,
    )


@dataclass(slots=True)
class Majority:
    """Implements `Quorum`. `voter` is None on a node that has no vote."""

    identity: Identity
    electorate: Electorate
    roster: Roster
    standing: Standing
    effects: list[Effect]
    ballot: Ballot
    voter: Voter | None

    # -- who may lead --------------------------------------------------------------------------------------------------

    def may_lead(self, state: State) -> bool:
        """Whether the node is eligible, heard directly, goes by the same voters, and hears a majority of them."""
        return (
            is_eligible(state)
            and state.electorate == self.electorate
            and len(self._heard_by(state)) >= self.electorate.majority
            and (self._leads_nobody() if state.address == self.identity.address else self._is_heard(state))
        )

    def _is_heard(self, state: State) -> bool:
        peer = self.roster.peers.get(Address(state.address))
        return peer is not None and self.roster.hears(Address(state.address), peer)

    def _heard_by(self, state: State) -> frozenset[str]:
        """The voters that the node hears, itself included."""
        return frozenset(self.electorate.voters) & {*state.links, state.address}

    def _leads_nobody(self) -> bool:
        """Whether no other node is known to lead: who leads has a majority, even if only others reach it."""
        return self._sitting() is None

    def _sitting(self) -> State | None:
        """The leader among the others that has the highest term."""
        sitting = [
            state
            for state in self.roster.states()
            if state.role == Role.LEADER and is_eligible(state) and state.electorate == self.electorate
        ]
        return max(sitting, key=lambda state: state.led_term, default=None)

    def obstacle(self, role: Role) -> str:
        """Say how many voters this node hears, where they are too few. Who leads is kept by its grants alone."""
        if role is Role.LEADER:
            return ""
        rival = self._rival(role)
        if rival is not None:
            return f"yields to the {len(rival.voters)} other voters that some nodes go by"
        if role is Role.JOINING:
            return "has not seen enough of the cluster yet"
        heard = frozenset(self.electorate.voters) & {*self.roster.heard_directly(), self.identity.address}
        if len(heard) >= self.electorate.majority:
            return ""
        return f"hears {len(heard)} of {len(self.electorate.voters)} voters, and needs {self.electorate.majority}"

    def _rival(self, role: Role) -> Electorate | None:
        """The voters to whom this node yields; as a rule all go by the same."""
        if all(peer.state.electorate == self.electorate for peer in self.roster.peers.values()):
            return None
        return rival_of(self.electorate, self.roster.states(), self.ballot.term if role is Role.LEADER else 0)

    # -- this node as the leader -----------------------------------------------------------------------------------

    @property
    def act_until(self) -> float:
        """A third of a lease before the grants of a majority end."""
        return self.ballot.act_until

    @property
    def release_by(self) -> float:
        """When the grants of a majority end."""
        return self.ballot.end

    @property
    def hold_until(self) -> float:
        """As long as nobody else can be granted a majority."""
        return self.ballot.end

    @property
    def in_doubt(self) -> bool:
        """Whether its grants are older than what made this node doubt."""
        return self.ballot.in_doubt

    def is_won(self, term: int, now: float) -> bool:
        """Whether a majority has granted the term, with enough of the lease left; asks all where nobody was asked."""
        if self.ballot.term != term or self.ballot.number == self.ballot.floor:
            self._ask(term, now, sitting=False)
        return now < self.act_until

    def is_lost(self, nominee: State | None) -> bool:
        """Whether another leads in a higher term, or other voters have elected one: only one of them may go on.

        Who should lead does not matter: a leader that no majority wants is not granted anything any more.
        """
        other = self._sitting()
        return (other is not None and other.led_term > self.ballot.term) or self._rival(Role.LEADER) is not None

    def accepted(self, nominee: State | None, role: Role, *, has_followed: bool) -> State | None:
        """The sitting leader. Candidates are confirmed by votes."""
        return self._sitting()

    def beat(self, role: Role, term: int, now: float) -> None:
        """Ask for all votes again: a leader's for a renewal, a candidate's because they may have come free."""
        if role is Role.LEADER:
            self._ask(term, now, sitting=True)
        elif role is Role.CANDIDATE and self.ballot.number > self.ballot.floor:
            self._ask(self.ballot.term, now, sitting=False)

    def doubt(self, role: Role, term: int, now: float) -> None:
        """Ask for all votes again, and count only what is granted from now on as proof."""
        self.ballot.doubt(now)
        self.beat(role, term, now)

    def give_back(self) -> None:
        """Release all grants, and withdraw what is asked for."""
        if self.ballot.number == self.ballot.floor:
            return
        release = Release(number=self.ballot.number, boot=self.identity.boot)
        self.ballot.void()
        self._tell_voters(release)
        if self.voter is not None:
            self.voter.release(self.identity.address, release.boot, release.number)

    def _ask(self, term: int, now: float, *, sitting: bool) -> None:
        request = self.ballot.ask(term, now, sitting=sitting)
        self._tell_voters(request)
        if self.voter is not None:
            self.voter.asked(self.identity.address, self.identity.boot, request)

    def _tell_voters(self, frame: Request | Release) -> None:
        others = (Address(voter) for voter in self.electorate.voters if voter != self.identity.address)
        self.effects += [Send(address=voter, frame=frame) for voter in others]

    # -- votes ---------------------------------------------------------------------------------------------------------

    def hear(self, sender: Address, frame: Request | Grant | Refusal | Release) -> None:
        """Take in a request, an answer to one of ours, or a release."""
        boot = self.roster.links[sender].boot
        match frame:
            case Request():
                if self.voter is not None:
                    self.voter.asked(sender, boot, frame)
            case Release():
                if self.voter is not None and frame.boot == boot:
                    self.voter.release(sender, boot, frame.number)
            case Grant():
                if frame.boot == self.identity.boot:
                    self.ballot.granted(sender, frame.number)
            case _:
                mine = frame.boot == self.identity.boot and frame.number > self.ballot.floor
                if mine and sender in self.electorate.voters:
                    self.standing.term = max(self.standing.term, frame.term)

    def undone(self, address: Address, boot: Boot) -> None:
        """The vote of that process is free."""
        if self.voter is not None:
            self.voter.undone(address, boot)

    def unlinked(self, address: Address) -> None:
        """Forget what the member wished for."""
        if self.voter is not None:
            self.voter.forget(address)

    def written(self, report: Pledged | PledgeFailed) -> None:
        """A pledge is on disk, or is not."""
        if self.voter is None:
            return
        if isinstance(report, Pledged):
            self.voter.pledged(report.term, report.boot)
        else:
            self.voter.unpledged()

    def vote(self, nominee: State | None, role: Role, now: float) -> bool:
        """Answer the wish of who should lead, if there is one and the vote is free."""
        if self.voter is None or nominee is None or self._rival(role) is not None:
            return False
        address = Address(nominee.address)
        answer = self.voter.answer(address, nominee.boot, now)
        if answer is None:
            return False
        if address != self.identity.address:
            self.effects.append(Send(address=address, frame=answer))
            return False
        if isinstance(answer, Grant):
            self.ballot.granted(address, answer.number)
        else:
            self.standing.term = max(self.standing.term, answer.term)
        return True

    def next_moment(self) -> tuple[float, ...]:
        """When a wish that waits may be granted."""
        return self.voter.next_chance() if self.voter is not None else ()
