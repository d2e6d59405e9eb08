"""Who would lead after whom, and why others would not: as far as this node knows. For this package only.

The election decides by the same rules; what is said here is for people, before they move something.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from les_hooks.config import Quorum
from les_hooks.election.roles import Role
from les_hooks.members import UNSTAMPED, Address, Member, MemberKind, Part

__all__ = ["NEVER_LEADS", "Place", "first", "line", "who", "why_passed_over"]

NEVER_LEADS: Final[Mapping[Part, str]] = {
    Part.WITNESS: "a witness votes, and never leads",
    Part.OBSERVER: "an observer neither votes nor leads",
}
"""Why nodes of these parts never lead, in words."""
_ENDING: Final[Mapping[str, str]] = {
    Role.DEMOTING: "its demote hooks still run",
    Role.STOPPING: "is about to leave",
    Role.GONE: "has left",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A member in the line of succession; `why` it is passed over, empty for who could lead."""

    member: Member
    why: str


def line(members: Iterable[Member], quorum: Quorum, *, without: Mapping[Address, str] | None = None) -> list[Place]:
    """Everybody, the most senior first, and why some are passed over; `without` adds reasons for some of them."""
    added = without or {}
    return [Place(member=m, why=added.get(m.address) or why_passed_over(m, quorum)) for m in members]


def first(places: Iterable[Place]) -> Member | None:
    """Who leads as things stand; None where nobody can."""
    return next((place.member for place in places if not place.why), None)


def why_passed_over(member: Member, quorum: Quorum) -> str:
    """Why this member would not lead, in words; empty where it could."""
    majority = quorum is Quorum.MAJORITY
    if member.part in NEVER_LEADS:
        return NEVER_LEADS[member.part]
    if member.kind is MemberKind.ORIGINAL and majority:
        return "an original takes no part in a majority"
    if not member.fit and member.unfit:
        return member.unfit
    if member.role in _ENDING:
        return _ENDING[member.role]
    if not member.fit:
        return "unfit"
    if member.start_time == UNSTAMPED:
        return "has no stamp yet"
    if majority and not member.direct:
        return "no direct link to it"
    return ""


def who(member: Member) -> str:
    """A member as people read it: `name (address)`."""
    return f"{member.name} ({member.address})" if member.name else str(member.address)
