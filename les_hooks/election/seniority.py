"""Who is senior to whom, which stamp a newcomer takes, and who should lead. Pure functions over states."""

from collections.abc import Collection, Iterable

from les_hooks.election.frames import LAST_STAMP, Leadership, State
from les_hooks.election.roles import Role
from les_hooks.members import UNSTAMPED, Address

__all__ = [
    "MICROSECOND",
    "believable",
    "fresh_stamp",
    "is_eligible",
    "leadership",
    "most_senior",
    "seniority",
    "sitting_leaders",
]

_DAY = 86400.0
MICROSECOND = 1e-6
"""The least by which one stamp is older than another: four steps of a double at this time of the century."""
_NOT_STANDING = frozenset({Role.DEMOTING, Role.STOPPING, Role.GONE})


def seniority(state: State) -> tuple[float, str]:
    """The order of seniority, least first: the stamp, then the address, so that there are no ties."""
    return state.start_time, state.address


def believable(stamp: float, wall: float) -> bool:
    """Whether a stamp may push others back: one of the far future is a broken clock (or no stamp at all)."""
    return stamp != UNSTAMPED and stamp <= wall + _DAY


def fresh_stamp(wall: float, newest: float) -> float:
    """The stamp of who joins now: junior to all that are known, whatever this host's clock says.

    Who claims the last stamp that there is cannot be outdone.
    """
    return min(max(wall, newest + MICROSECOND), LAST_STAMP)


def is_eligible(state: State) -> bool:
    """Whether the node may lead: fit, stamped, and not on its way out of leadership."""
    return state.fit and state.start_time != UNSTAMPED and state.role not in _NOT_STANDING


def leadership(state: State) -> Leadership:
    """The leadership that this leader's state claims."""
    return Leadership(state.address, state.boot, state.led_term)


def sitting_leaders(states: Iterable[State]) -> list[State]:
    """Those that lead at present, by seniority; more than one after a partition."""
    return sorted((state for state in states if is_eligible(state) and state.role == Role.LEADER), key=seniority)


def most_senior(able: Collection[State], originals: Collection[Address]) -> State | None:
    """Of those that may lead, the one that is to: the most senior that counts against every leader junior to it.

    None where there is nobody. With a sitting leader there is always somebody: the most junior of them has nobody to
    count against.
    """
    leaders = sitting_leaders(able)
    for state in sorted(able, key=seniority):
        juniors = (leader for leader in leaders if seniority(leader) > seniority(state))
        if state.address in originals or all(_knows(state, leader) for leader in juniors):
            return state
    return None


def _knows(senior: State, leader: State) -> bool:
    """Whether the senior's own frames show that it has heard of this leadership.

    Until then its frames may be old news of a process that is dead or cut off, and must unseat nobody. Originals
    carry no terms; the caller counts them at once.
    """
    return leadership(leader) in senior.sitting
