"""Every way in which the links of a few nodes can be broken, and who must lead then."""

import itertools

from tests.election.sim.violation import Violation
from tests.election.sim.world import World

__all__ = [
    "Pattern",
    "broken_world",
    "check_majority",
    "check_members",
    "components",
    "is_led",
    "is_short",
    "patterns",
    "within",
]

Pattern = frozenset[frozenset[str]]

_ONE_BY_ONE = 0.3


def patterns(names: str) -> list[Pattern]:
    """All sets of broken links between the nodes."""
    links = [frozenset(pair) for pair in itertools.combinations(names, 2)]
    choices = itertools.product([False, True], repeat=len(links))
    return [frozenset(itertools.compress(links, choice)) for choice in choices]


def within(hops: int, name: str, names: str, broken: Pattern) -> frozenset[str]:
    """The nodes that are at most so many links away, the node itself included."""
    near = {name}
    for _ in range(hops):
        near |= {other for other in names for one in near if other != one and frozenset((one, other)) not in broken}
    return frozenset(near)


def components(names: str, broken: Pattern) -> set[frozenset[str]]:
    """The sets of nodes that some path connects."""
    return {within(len(names), name, names, broken) for name in names}


def is_short(names: str, broken: Pattern) -> bool:
    """Whether all that are connected at all are linked or have a member between them."""
    return all(within(2, name, names, broken) == within(len(names), name, names, broken) for name in names)


def is_led(names: str, broken: Pattern) -> bool:
    """Whether a majority of voters can have a leader: some node has links to a majority, itself included."""
    return any(len(within(1, name, names, broken)) > len(names) // 2 for name in names)


def broken_world(
    names: str, broken: Pattern, *, refuse: bool, from_start: bool, voters: str = "", seconds: float = 10.0
) -> World:
    """The nodes one after the other, with these links broken from the start or at once later, and time to settle."""
    world = World(*names, voters=voters)
    strike = world.refuse if refuse else world.cut
    for moment in ("before", "after"):
        if (moment == "before") == from_start:
            for one, other in sorted(map(sorted, broken)):
                strike(one, other)
        if moment == "before":
            for name in names:
                world.start(name)
                world.run(_ONE_BY_ONE)
            world.run(3.0 if not voters else 1.5 * world.timing.lease)
    world.run(seconds)
    return world


def check_members(names: str, broken: Pattern, *, refuse: bool, from_start: bool) -> None:
    """One leader in each part that is connected, accepted by all that know it, and it stays."""
    world = broken_world(names, broken, refuse=refuse, from_start=from_start)
    leaders = world.leaders()
    for part in components(names, broken):
        sitting = [name for name in leaders if name in part]
        never_heard_anybody = len(part) == 1 and from_start
        if len(sitting) != (0 if never_heard_anybody else 1):
            raise Violation("one leader in each part", f"{_words(part)}: {sitting} without {_words(*broken)}")
        for leader in sitting:
            _are_led(world, within(2, leader, names, broken), leader, broken)
    departed = [world.departures(name) for name in names]
    _stays(world, leaders, broken)
    if [world.departures(name) for name in names] != departed:
        raise Violation("nobody comes and goes", f"without {_words(*broken)}")


def check_majority(names: str, broken: Pattern, *, refuse: bool, from_start: bool) -> None:
    """Exactly one leader where some node has links to a majority, accepted by all linked to it; none elsewhere."""
    world = broken_world(names, broken, refuse=refuse, from_start=from_start, voters=names, seconds=15.0)
    leaders = world.leaders()
    if len(leaders) != is_led(names, broken):
        raise Violation("one leader wherever one is possible", f"{leaders or 'none'} without {_words(*broken)}")
    for leader in leaders:
        _are_led(world, within(1, leader, names, broken), leader, broken)
    _stays(world, leaders, broken)


def _are_led(world: World, followers: frozenset[str], leader: str, broken: Pattern) -> None:
    accepted = {name: world.leader_of(name) for name in sorted(followers)}
    if set(accepted.values()) != {leader}:
        raise Violation("who knows the leader accepts it", f"{leader}: {accepted} without {_words(*broken)}")


def _stays(world: World, leaders: str, broken: Pattern) -> None:
    world.run(5.0)
    if world.leaders() != leaders:
        raise Violation("leadership stays", f"{leaders}, then {world.leaders()} without {_words(*broken)}")


def _words(*sets: frozenset[str]) -> str:
    return " ".join(sorted("".join(sorted(names)) for names in sets))
