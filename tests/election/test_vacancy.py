"""For how long nobody led: measured by each node from what it saw of the leader before, in its own time."""

import pytest

from les_hooks.election.messages import StepDown, Transfer
from les_hooks.events import Reason
from les_hooks.members import Address
from tests.election.sim.world import World
from tests.election.test_majority import cluster as majority
from tests.election.test_rules import cluster

HEARTBEAT = 0.5


def vacant(world: World, name: str) -> float | None:
    """What the node says of its present leader."""
    return world.machine(name).view.vacant


def test_nobody_knows_how_long_there_was_none_before_the_first_leader() -> None:
    world = cluster("a", "b", "c")
    assert {vacant(world, name) for name in "abc"} == {None}


def test_a_leader_that_dies_was_there_until_it_was_heard_for_the_last_time() -> None:
    world = cluster("a", "b", "c")
    world.kill("a")
    world.run(1.0)
    assert world.leaders() == "b"
    first = next(view for view in world.views("b") if view.leader == "b").vacant
    for name in "bc":
        measured = vacant(world, name)
        assert measured is not None
        assert measured <= HEARTBEAT + 0.05
    assert first == vacant(world, "b")


def test_a_frozen_leader_was_there_until_it_was_heard_for_the_last_time() -> None:
    world = cluster("a", "b", "c")
    world.freeze("a")
    frozen = world.now
    while world.leader_of("b") != "b":
        world.run(0.01)
    measured = vacant(world, "b")
    assert measured is not None
    assert measured == pytest.approx(world.now - frozen, abs=HEARTBEAT)
    assert measured >= world.timing.failure


def test_a_leader_that_gives_up_in_order_was_there_until_it_said_so() -> None:
    """Its demote hooks are a part of it: nobody leads meanwhile."""
    world = cluster("a", "b", "c")
    world.hosts[Address("a")].demote_seconds = 2.0
    world.leave("a")
    world.run(3.0)
    assert world.leaders() == "b"
    for name in "bc":
        assert vacant(world, name) == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("message", [StepDown(reason=Reason.OPERATOR), Transfer(target=Address("b"))])
def test_who_gives_up_measures_it_as_the_others_do(message: StepDown | Transfer) -> None:
    world = cluster("a", "b", "c")
    world.hosts[Address("a")].demote_seconds = 1.0
    world.give("a", message)
    world.run(2.0)
    assert world.leaders() == "b"
    for name in "abc":
        assert vacant(world, name) == pytest.approx(1.0, abs=0.05)


def test_who_slept_meanwhile_does_not_know() -> None:
    world = cluster("a", "b", "c")
    world.pause("c")
    world.kill("a")
    world.run(20.0)
    assert vacant(world, "b") is not None
    world.resume("c")
    world.run(2.0)
    assert world.leader_of("c") == "b"
    assert vacant(world, "c") is None


def test_who_was_late_for_less_than_it_takes_to_lose_a_leader_still_knows() -> None:
    world = cluster("a", "b", "c")
    world.hosts[Address("a")].demote_seconds = 2.0
    world.leave("a")
    world.run(0.1)
    world.pause("c")
    world.run(1.4)
    world.resume("c")
    world.run(2.0)
    assert vacant(world, "c") == pytest.approx(2.0, abs=0.05)


def test_a_leader_that_slept_does_not_know_when_it_ceased_to_be_one() -> None:
    world = cluster("a", "b", "c")
    world.pause("a")
    world.run(20.0)
    world.resume("a")
    world.run(2.0)
    assert world.leader_of("a") == "b"
    assert vacant(world, "a") is None


def test_a_sleep_long_ago_spoils_nothing() -> None:
    world = cluster("a", "b", "c")
    world.pause("c")
    world.run(0.7)
    world.resume("c")
    world.run(5.0)
    world.kill("a")
    world.run(2.0)
    assert vacant(world, "c") is not None


def test_a_restarted_node_starts_without_knowing() -> None:
    world = cluster("a", "b", "c")
    world.kill("a")
    world.run(2.0)
    world.kill("c")
    world.start("c")
    world.run(3.0)
    assert (world.leader_of("c"), vacant(world, "c")) == ("b", None)


def test_with_a_majority_the_measure_is_the_same() -> None:
    world = majority()
    world.pause("a")
    world.run(10.0)
    assert world.leader_of("b") == "b"
    measured = vacant(world, "b")
    assert measured is not None
    assert world.timing.failure <= measured <= world.timing.lease + world.timing.failure
