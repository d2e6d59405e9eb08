"""What the operator is told of a quorum, and warned of. Values and pure functions; backends show them."""

from dataclasses import dataclass

from les_hooks.election.frames import Electorate
from les_hooks.election.majority import Majority
from les_hooks.election.membership import Roster
from les_hooks.election.standing import Standing
from les_hooks.members import Address

__all__ = ["QuorumReport", "VoterReport", "report_majority", "warnings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterReport:
    """One configured voter: its name if it is known, whether it is heard and goes by the same voters and lease, and
    whether its vote is this node's at present.
    """

    address: str
    name: str | None
    heard: bool
    agrees: bool
    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumReport:
    """A majority as one node sees it. `vote` is who has this node's own vote; it gives none for `waiting` seconds."""

    voters: tuple[VoterReport, ...]
    majority: int
    lease: float
    vote: str | None
    waiting: float


def report_majority(majority: Majority, name: str, now: float) -> QuorumReport:
    """What a node called `name` knows of its voters at this boottime."""
    voter, me = majority.voter, majority.identity.address
    running = voter is not None and voter.vote is not None and now < voter.vote.until
    return QuorumReport(
        voters=tuple(
            _report_voter(majority, Address(address), name if address == me else None, now)
            for address in majority.electorate.voters
        ),
        majority=majority.electorate.majority,
        lease=majority.electorate.lease,
        vote=voter.vote.holder if running and voter is not None and voter.vote is not None else None,
        waiting=max(0.0, voter.quiet_until - now) if voter is not None else 0.0,
    )


def _report_voter(majority: Majority, address: Address, name: str | None, now: float) -> VoterReport:
    peer = majority.roster.peers.get(address)
    mine = address == majority.identity.address
    return VoterReport(
        address=address,
        name=peer.state.name if peer is not None else name,
        heard=mine or (peer is not None and majority.roster.hears(address, peer)),
        agrees=mine or (peer is not None and peer.state.electorate == majority.electorate),
        granted=majority.ballot.holds(address, now),
    )


def warnings(electorate: Electorate | None, roster: Roster, standing: Standing) -> tuple[str, ...]:
    """What an operator should mend, a sentence each."""
    return (*_disagreements(electorate, roster), *_forgotten(standing))


def _disagreements(electorate: Electorate | None, roster: Roster) -> list[str]:
    said = []
    for address, peer in roster.peers.items():
        if peer.original:
            if electorate is not None:
                said.append(f"{address} is a node of the original LES, which cannot take part in a majority; stop it")
        elif peer.state.electorate != electorate:
            said.append(
                f"{address} ({peer.state.name}) goes by {_words(peer.state.electorate)}, this node by "
                f"{_words(electorate)}; neither votes for the other until quorum, voters and lease are equal"
            )
    return said


def _words(electorate: Electorate | None) -> str:
    if electorate is None:
        return 'quorum = "members"'
    return f"the voters {', '.join(electorate.voters)} with a lease of {electorate.lease:g} s"


def _forgotten(standing: Standing) -> list[str]:
    if not standing.missed:
        return []
    return [
        f"this node's state directory was empty when it joined, in term {standing.missed}; if the node is not new, its "
        "state directory does not survive restarts, and must"
    ]
