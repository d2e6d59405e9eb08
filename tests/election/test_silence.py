"""A leader that has fallen silent is told before it is lost, to whoever may be the next: so there is time."""

import pytest

from les_hooks.election.effects import Changed
from les_hooks.election.identity import Timing
from les_hooks.election.messages import Fitness, LinkDown, StepDown
from les_hooks.election.roles import Role
from les_hooks.events import Reason
from les_hooks.members import Address, Part
from tests.election.lone import WALL, Lone
from tests.election.sim.world import World
from tests.election.test_majority import cluster as majority
from tests.election.test_rules import cluster

QUICK = Timing(heartbeat=0.1, failure=0.3)


def following(leader: str, *others: str, timing: Timing | None = None) -> Lone:
    """A machine that follows this leader."""
    lone = Lone(timing=timing)
    lone.seeds(leader, *others)
    lone.join_juniors(*others)
    lone.join(leader, start_time=WALL - 9000, role="leader", led_term=1, term=1, leader=leader)
    lone.live(1.0, leader, *others)
    assert (lone.machine.role, lone.machine.view.leader) == (Role.FOLLOWER, leader)
    return lone


def is_silent(lone: Lone) -> bool:
    return lone.machine.view.leader_silent


def silences(world: World, name: str) -> list[bool]:
    """What each view of the node says of that, changes only."""
    told = [view.leader_silent for view in world.views(name)]
    return [now for before, now in zip([False, *told], told, strict=False) if now != before]


@pytest.mark.parametrize("timing", [Timing(), QUICK], ids=["default", "quick"])
def test_it_is_told_at_half_of_failure_and_not_with_the_next_heartbeat(timing: Timing) -> None:
    lone = following("a:1", "b:1", timing=timing)
    heard = lone.machine._roster.peers[Address("a:1")].directly
    while not is_silent(lone):
        lone.tick(max(0.0, lone.machine.next_deadline() - lone.now))
        assert lone.now < heard + timing.failure
    assert lone.now == pytest.approx(heard + timing.failure / 2, abs=1e-6)


def test_it_is_told_once_and_over_as_soon_as_the_leader_is_heard() -> None:
    world = cluster("a", "b", "c")
    assert silences(world, "b") == []
    world.pause("a")
    world.run(0.9)
    assert silences(world, "b") == [True]
    assert world.leader_of("b") == "a"
    world.resume("a")
    world.run(0.1)
    assert silences(world, "b") == [True, False]
    assert world.leaders() == "a"


def test_a_link_that_breaks_is_silence_at_once() -> None:
    lone = following("a:1", "b:1")
    effects = lone.give(LinkDown(address=Address("a:1")))
    assert [effect.view.leader_silent for effect in effects if isinstance(effect, Changed)] == [True]
    lone.link("a:1")
    lone.tell("a:1", start_time=WALL - 9000, role="leader", led_term=1, term=1, leader="a:1")
    assert not is_silent(lone)


def test_another_link_that_breaks_is_none() -> None:
    lone = following("a:1", "b:1")
    lone.give(LinkDown(address=Address("b:1")))
    assert not is_silent(lone)


def test_who_leads_hears_no_silence_of_its_own() -> None:
    world = cluster("a", "b")
    world.pause("b")
    world.run(1.0)
    assert not any(view.leader_silent for view in world.views("a"))


def test_who_leads_next_has_been_told_before() -> None:
    world = cluster("a", "b", "c")
    world.lose("a")
    world.run(3)
    assert world.leaders() == "b"
    views = world.views("b")
    first = next(view for view in views if view.leader_silent)
    last = next(view for view in views if view.leading)
    assert views.index(first) < views.index(last)
    assert not last.leader_silent


def test_who_may_not_lead_is_not_told() -> None:
    world = majority("abc", voters="abc", parts={"c": Part.WITNESS})
    world.lose("a")
    world.run(1.2)
    assert (silences(world, "b"), silences(world, "c")) == ([True], [])


def test_an_unfit_node_is_not_told_until_it_is_fit() -> None:
    lone = following("a:1")
    lone.give(Fitness(unfit="no disk", reason=Reason.UNFIT))
    lone.tick(0.5)
    lone.tick(0.5)
    assert not is_silent(lone)
    lone.give(Fitness(unfit="", reason=Reason.UNFIT))
    assert is_silent(lone)


def test_who_slept_itself_blames_nobody() -> None:
    lone = following("a:1", "b:1")
    lone.tick(60)
    assert not is_silent(lone)


def test_a_leader_that_gives_up_in_order_was_never_silent() -> None:
    world = cluster("a", "b")
    world.give("a", StepDown(reason=Reason.OPERATOR))
    world.run(3)
    assert world.leaders() == "b"
    assert silences(world, "b") == []


def test_an_original_is_silent_when_it_was_not_polled_for_half_of_its_time() -> None:
    lone = Lone()
    lone.seeds("o:1")
    lone.poll("o:1", start_time=WALL - 9000, leader="o:1")
    lone.live(1.0)
    assert lone.machine.view.leader == "o:1"
    assert not is_silent(lone)
    lone.live(6.0)
    assert is_silent(lone)
