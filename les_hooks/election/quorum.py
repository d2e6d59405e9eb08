"""What an election hangs on besides seniority: whose word makes a leader, and how long it lasts. An interface.

`unanimity` asks every live member, `majority` more than half of the configured voters. The machine has one of them.
"""

from typing import Protocol

from les_hooks.election.frames import (
    Electorate,
    Grant,
    Refusal,
    Release,
    Request,
    State,
)
from les_hooks.election.messages import Pledged, PledgeFailed
from les_hooks.election.roles import Role
from les_hooks.members import Address, Boot

__all__ = ["Quorum"]


class Quorum(Protocol):
    """Whose word makes a leader. Frames that it sends are appended to the machine's effects."""

    @property
    def electorate(self) -> Electorate | None:
        """Who votes; None where that is every live member."""

    @property
    def act_until(self) -> float:
        """Until when a leader may begin anything, boottime; it demotes then."""

    @property
    def release_by(self) -> float:
        """When a leader must have ended all that it did, boottime."""

    @property
    def hold_until(self) -> float:
        """Until when a leader, or one in its demotion, may keep what it took, boottime."""

    @property
    def in_doubt(self) -> bool:
        """Whether this node must hear the others before it acts as a leader, or becomes one."""

    def obstacle(self, role: Role) -> str:
        """What keeps this node, which is of this `role`, from standing, in words; empty where nothing does."""

    def may_lead(self, state: State) -> bool:
        """Whether that node may lead, as far as this one can tell."""

    def is_won(self, term: int, now: float) -> bool:
        """Whether this candidate may lead in this term, which its disk has; asks the others where nobody was asked."""

    def is_lost(self, nominee: State | None) -> bool:
        """Whether this leader must yield; `nominee` is who should lead."""

    def accepted(self, nominee: State | None, role: Role, *, has_followed: bool) -> State | None:
        """Whom this node, which does not lead, accepts as the leader, or confirms; it is of this `role`."""

    def beat(self, role: Role, term: int, now: float) -> None:
        """Do what is due at every heartbeat."""

    def doubt(self, role: Role, term: int, now: float) -> None:
        """This node may have stood still without noticing: ask the others."""

    def give_back(self) -> None:
        """This node stands, or leads, no more, and nothing of it is left."""

    def hear(self, sender: Address, frame: Request | Grant | Refusal | Release) -> None:
        """Take in a frame about votes, of a member with a link."""

    def undone(self, address: Address, boot: Boot) -> None:
        """This process at this address is gone, and nothing of it is left."""

    def unlinked(self, address: Address) -> None:
        """The link to this member broke, or is another one: what it asked for may have been taken back, unheard."""

    def written(self, report: Pledged | PledgeFailed) -> None:
        """What was promised is on disk, or is not."""

    def vote(self, nominee: State | None, role: Role, now: float) -> bool:
        """Give the word of this node, which is of that `role`, to who should lead; returns whether that is itself."""

    def next_moment(self) -> tuple[float, ...]:
        """When time alone changes something, boottime."""
