"""What a node can be in an election, and how it gets from one to the other: the one table of transitions.

`docs/election.md` shows this table, and a test compares the two. A pair that is missing here is a bug.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from les_hooks.errors import IllegalTransition

__all__ = ["TRANSITIONS", "Role", "Trigger", "next_role"]


class Role(StrEnum):
    """What a node is. The word travels in frames and stands in `les status`."""

    JOINING = "joining"
    """Has not seen enough of the cluster to take part in an election."""
    FOLLOWER = "follower"
    """Accepts the most senior node, whoever that is."""
    CANDIDATE = "candidate"
    """Is the most senior itself, and waits for the others to confirm it."""
    LEADER = "leader"
    """Was confirmed."""
    DEMOTING = "demoting"
    """Leads no more, and waits for its demote hooks to end."""
    STOPPING = "stopping"
    """As demoting, and leaves when they have ended."""
    GONE = "gone"
    """Has left."""


class Trigger(StrEnum):
    """What moves a node from one role to the next."""

    SETTLED = "settled"
    """It has heard of the others, or is known to be alone."""
    NOMINATED = "nominated"
    """It is the most senior eligible node that it knows."""
    OUTRANKED = "outranked"
    """Somebody else is."""
    CONFIRMED = "confirmed"
    """Its term is on disk, and every live member accepts it, or a majority of the voters has granted it."""
    RESIGNED = "resigned"
    """It was asked to step down, is unfit, a critical plugin failed, or its state cannot be saved."""
    EXPIRED = "expired"
    """Its authority is about to end: it slept, or too few voters renewed their grants."""
    RELEASED = "released"
    """Its demote hooks have ended."""
    LEAVES = "leaves"
    """It was told to stop."""


TRANSITIONS: Mapping[tuple[Role, Trigger], Role] = MappingProxyType(
    {
        (Role.JOINING, Trigger.SETTLED): Role.FOLLOWER,
        (Role.JOINING, Trigger.LEAVES): Role.GONE,
        (Role.FOLLOWER, Trigger.NOMINATED): Role.CANDIDATE,
        (Role.FOLLOWER, Trigger.LEAVES): Role.GONE,
        (Role.CANDIDATE, Trigger.OUTRANKED): Role.FOLLOWER,
        (Role.CANDIDATE, Trigger.CONFIRMED): Role.LEADER,
        (Role.CANDIDATE, Trigger.LEAVES): Role.GONE,
        (Role.LEADER, Trigger.OUTRANKED): Role.DEMOTING,
        (Role.LEADER, Trigger.RESIGNED): Role.DEMOTING,
        (Role.LEADER, Trigger.EXPIRED): Role.DEMOTING,
        (Role.LEADER, Trigger.LEAVES): Role.STOPPING,
        (Role.DEMOTING, Trigger.RELEASED): Role.FOLLOWER,
        (Role.DEMOTING, Trigger.LEAVES): Role.STOPPING,
        (Role.STOPPING, Trigger.RELEASED): Role.GONE,
    }
)


def next_role(role: Role, trigger: Trigger) -> Role:
    """Return the role that follows; raises IllegalTransition where the table has none."""
    try:
        return TRANSITIONS[role, trigger]
    except KeyError:
        raise IllegalTransition(role, trigger) from None
