"""How long what a leader took may stay with it: through an orderly demotion, and never after its authority was lost."""

import math

from les_hooks.election.messages import Released, StepDown, Transfer
from les_hooks.election.roles import Role
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address
from tests.election.lone import Lone
from tests.election.sim.world import World
from tests.election.test_majority import LEASE, cluster, cut_off
from tests.election.test_rules import YES, leading


def holds(world: World, name: str) -> float:
    """Seconds for which the node may keep what it took."""
    host = world.hosts[Address(name)]
    return world.machine(name).mandate.hold_until - world.instant(host).boottime


def left(lone: Lone) -> float:
    return lone.machine.mandate.hold_until - lone.now


def resigning() -> Lone:
    """A leader in members mode whose demote hooks run."""
    lone = leading("a:1", "b:1")
    lone.give(StepDown(reason=Reason.OPERATOR))
    assert lone.machine.role is Role.DEMOTING
    return lone


# -- every member has a say --------------------------------------------------------------------------------------------


def test_a_leader_keeps_what_it_took_as_long_as_it_may_act() -> None:
    mandate = leading("a:1").machine.mandate
    assert mandate.hold_until == mandate.act_until


def test_heartbeats_move_it_on_while_an_orderly_demotion_lasts() -> None:
    lone = resigning()
    for _ in range(10):
        lone.live(1.0, "a:1", "b:1")
        assert left(lone) > lone.machine.timing.failure / 2
        assert lone.machine.mandate.act_until == -math.inf


def test_it_ends_with_the_demotion() -> None:
    lone = resigning()
    lone.give(Released())
    assert lone.machine.mandate == NO_MANDATE


def test_who_slept_past_its_authority_must_have_nothing_left() -> None:
    """Not with the next heartbeats either: another may lead by now."""
    lone = leading("a:1", "b:1")
    lone.tick(5)
    assert lone.machine.view.reason is Reason.SLEPT
    lone.live(3.0, "a:1", "b:1")
    assert lone.machine.role is Role.DEMOTING
    assert left(lone) == -math.inf


def test_who_sleeps_in_the_middle_of_its_demotion_must_have_nothing_left() -> None:
    lone = resigning()
    lone.tick(5)
    lone.live(3.0, "a:1", "b:1")
    assert left(lone) == -math.inf


def test_a_short_nap_loses_nothing() -> None:
    lone = resigning()
    lone.tick(1.2)
    lone.live(1.0, "a:1", "b:1")
    assert left(lone) > 0


def test_the_next_leadership_begins_anew() -> None:
    lone = leading("a:1")
    lone.tick(5)
    lone.give(Released())
    lone.live(0.6, "a:1")
    lone.tell("a:1", **YES | {"start_time": lone.wall + 5})
    assert lone.machine.role is Role.LEADER
    assert left(lone) > 0


def test_a_leader_that_may_have_stood_still_keeps_nothing_until_the_others_have_answered() -> None:
    lone = leading("a:1", "b:1")
    lone.wall += 30
    lone.tick()
    assert lone.machine.confirming
    assert left(lone) == -math.inf
    lone.live(1.0, "a:1", "b:1")
    assert not lone.machine.confirming
    assert left(lone) > 0


def test_doubt_in_the_middle_of_a_demotion_counts_too() -> None:
    lone = resigning()
    lone.wall += 30
    lone.tick()
    assert left(lone) == -math.inf


def test_a_leader_that_only_waits_for_its_heir_has_nothing_left() -> None:
    """Its hooks have ended, and the heir may lead at any moment."""
    lone = leading("a:1", "b:1")
    lone.give(Transfer(target=Address("b:1")))
    assert left(lone) > 0
    lone.give(Released())
    assert lone.machine.role is Role.DEMOTING
    assert left(lone) == -math.inf


# -- a majority of voters ----------------------------------------------------------------------------------------------


def test_votes_say_how_long_it_stays() -> None:
    world = cluster()
    mandate = world.machine("a").mandate
    assert mandate.hold_until == mandate.release_by
    assert {world.machine(name).mandate.hold_until for name in "bc"} == {-math.inf}


def test_who_demotes_for_want_of_votes_may_keep_it_until_they_have_run_out() -> None:
    world = cluster()
    world.hosts[Address("a")].demote_seconds = 60.0
    cut_off(world, "a")
    world.run(LEASE * 2 / 3)
    assert world.machine("a").role is Role.DEMOTING
    assert 0 < holds(world, "a") < LEASE / 3
    world.run(LEASE / 3)
    assert "a" not in world.leaders()
    assert holds(world, "a") <= 0


def test_votes_that_arrive_after_it_was_over_bring_nothing_back() -> None:
    """Who slept finds the grants of its last request, which still count for a moment."""
    world = cluster()
    world.hosts[Address("a")].demote_seconds = 60.0
    machine = world.machine("a")
    world.run(machine.next_deadline() - world.now + 0.0005)
    world.pause("a")
    world.run(machine.mandate.hold_until - world.now + 0.1)
    world.resume("a")
    assert machine.role is Role.DEMOTING
    assert machine.mandate.release_by > world.now
    assert machine.mandate.hold_until == -math.inf
