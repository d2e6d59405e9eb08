"""Voters that are not the same everywhere: who yields, so that two lists do not elect a leader each. Pure.

Lists differ while voters are changed one at a time, and by mistake. Majorities of two lists that differ by one voter
have a voter in common, whose one vote decides; those of other lists need not have one.
"""

from collections.abc import Collection, Iterable

from les_hooks.election.frames import Electorate, State
from les_hooks.election.roles import Role

__all__ = ["rival_of", "share_a_voter"]


def share_a_voter(one: Electorate, other: Electorate) -> bool:
    """Whether every majority of the one has a voter in common with every majority of the other."""
    mine, theirs = frozenset(one.voters), frozenset(other.voters)
    from_common = max(0, one.majority - len(mine - theirs)) + max(0, other.majority - len(theirs - mine))
    return from_common > len(mine & theirs)


def rival_of(own: Electorate, others: Collection[State], led_term: int) -> Electorate | None:
    """The voters to whom this node yields, by what the `others` say of themselves; None for nobody.

    `led_term` is the term in which this node leads, 0 where it does not. Whose leader has the higher term goes first,
    so that who comes with a wrong list disturbs no leader that there is. Where nobody leads, only a list by which a
    majority of it goes can elect anybody; of two such the lower one does.
    """
    differing = {state.electorate for state in others if state.electorate not in (own, None)}
    mine = max(led_term, _claim(own, others))
    for other in sorted(filter(None, differing), key=lambda electorate: electorate.voters):
        theirs = _claim(other, others)
        ahead = theirs > mine or (theirs == mine and other.voters < own.voters)
        if ahead and (theirs or _can_elect(other, others)) and not share_a_voter(own, other):
            return other
    return None


def _claim(electorate: Electorate, states: Iterable[State]) -> int:
    """The highest term of a leader that goes by these voters, 0 without one."""
    terms = (state.led_term for state in states if state.electorate == electorate and state.role == Role.LEADER)
    return max(terms, default=0)


def _can_elect(electorate: Electorate, states: Iterable[State]) -> bool:
    """Whether a majority of these voters goes by them."""
    voters = frozenset(electorate.voters)
    return sum(state.electorate == electorate and state.address in voters for state in states) >= electorate.majority
