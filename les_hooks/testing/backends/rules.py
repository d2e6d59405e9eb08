"""What holds of everything that a backend tells its node, one rule at a time. Private to the package; pure."""

import math
from collections.abc import Iterator

from les_hooks.members import Address, Mandate, View

__all__ = ["broken_by_mandate", "broken_by_view"]


def broken_by_mandate(mandate: Mandate) -> Iterator[str]:
    """What is wrong with this mandate, a sentence each."""
    if mandate.release_by < mandate.act_until:
        yield "others may lead while this node may still act: release_by is before act_until"
    if mandate.hold_until > mandate.release_by:
        yield "what it took may stay while others may lead: hold_until is after release_by"


def broken_by_view(view: View, before: View | None, me: Address, mandate: Mandate, now: float) -> Iterator[str]:
    """What is wrong with this view after that one, where `mandate` was told last; a sentence each."""
    yield from _broken_by_leader(view, me, mandate, now)
    yield from _broken_by_members(view, me)
    if before is None:
        if view.departed:
            yield "members are gone that were never told"
    else:
        yield from _broken_by_change(view, before, mandate)


def _broken_by_leader(view: View, me: Address, mandate: Mandate, now: float) -> Iterator[str]:
    if view.leading and view.leader != me:
        yield f"it leads, and names {view.leader} as the leader"
    if view.leader == me and not view.leading:
        yield "it names itself as the leader, and does not lead"
    if view.leading and not view.settled:
        yield "it leads in a view that is not settled"
    if view.leading and mandate.act_until <= now:
        yield "it leads, and no authority was told before that view"
    if view.leaderless and view.leader is not None:
        yield f"it is leaderless, and names {view.leader} as the leader"
    if view.vacant is not None and not 0.0 <= view.vacant < math.inf:
        yield f"it was vacant for {view.vacant} s"


def _broken_by_members(view: View, me: Address) -> Iterator[str]:
    addresses = [member.address for member in view.members]
    if view.settled and me not in addresses:
        yield "the node is none of its own members"
    if len(set(addresses)) < len(addresses):
        yield f"a member is listed twice: {addresses}"
    if view.leader is not None and view.leader not in addresses:
        yield f"the leader {view.leader} is no member"
    if me in {gone.address for gone in view.departed}:
        yield "the node has departed from itself"
    for member in view.members:
        if member.fit and member.unfit:
            yield f"{member.address} is fit, and yet: {member.unfit}"


def _broken_by_change(view: View, before: View, mandate: Mandate) -> Iterator[str]:
    if view == before and not view.departed:
        yield "a view is told twice"
    if before.settled and not view.settled:
        yield "what was settled is not any more"
    if view.term < before.term:
        yield f"the term went back from {before.term} to {view.term}"
    if before.leading and not view.leading and mandate.act_until > -math.inf:
        yield "it leads no more, and was not told before that its authority is over"
    then = {member.address: member.boot for member in before.members}
    present = {member.address: member.boot for member in view.members}
    gone = {departure.address for departure in view.departed}
    for departure in view.departed:
        if departure.address not in then:
            yield f"{departure.address} is gone, and was no member"
        elif present.get(departure.address) == then[departure.address]:
            yield f"{departure.address} is gone, and a member"
    for address in sorted(then.keys() - present.keys() - gone):
        yield f"{address} is no member any more, and nobody says why"
