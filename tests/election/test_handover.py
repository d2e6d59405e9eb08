"""Fitness, maintenance and handing over: what an owner says of a node, in both modes."""

import itertools

import pytest

from les_hooks.election.frames import Offer
from les_hooks.election.messages import Fitness, Leave, Released, Transfer
from les_hooks.election.roles import Role
from les_hooks.events import Reason
from les_hooks.members import Address, Boot, Part
from tests.election.lone import WALL, Lone
from tests.election.sim.world import World

MODES = pytest.mark.parametrize("voters", ["", "abc"], ids=["members", "majority"])


def cluster(voters: str, names: str = "abc", parts: dict[str, Part] | None = None) -> World:
    world = World(*names, voters=voters, parts=parts)
    for name in names:
        world.start(name)
        world.run(0.01)
    world.run(6)
    return world


def transfer(world: World, source: str, target: str) -> None:
    world.give(source, Transfer(target=Address(target)))


@MODES
def test_a_transfer_moves_leadership_past_the_next_in_line(voters: str) -> None:
    world = cluster(voters)
    stamp = world.machine("a").state.start_time
    transfer(world, "a", "c")
    world.run(0.1)
    assert world.leaders() == "c"
    assert world.machine("c").state.start_time == pytest.approx(stamp, abs=1e-5)
    assert world.members_of("b") == "cba"
    assert world.machine("a").view.members[-1].fit


@MODES
def test_demote_hooks_end_before_the_stamp_is_offered(voters: str) -> None:
    world = cluster(voters)
    world.hosts[Address("a")].demote_seconds = 1.0
    transfer(world, "a", "c")
    world.run(0.9)
    assert world.leaders() == ""
    world.run(0.2)
    assert world.leaders() == "c"
    assert Reason.TRANSFER in {view.reason for view in world.views("a")}


@MODES
def test_an_offer_that_is_lost_costs_the_transfer_and_no_more(voters: str) -> None:
    world = cluster(voters)
    transfer(world, "a", "c")
    world.cut("a", "c")
    world.run(0.6)
    assert world.leaders() == "b"


@MODES
def test_an_heir_that_dies_meanwhile_is_passed_over(voters: str) -> None:
    world = cluster(voters)
    world.hosts[Address("a")].demote_seconds = 1.0
    transfer(world, "a", "c")
    world.kill("c")
    world.run(1.2)
    assert world.leaders() == "b"


@MODES
def test_a_leader_that_is_stopped_while_its_heir_decides_leaves_at_once(voters: str) -> None:
    world = cluster(voters)
    world.cut("a", "c")
    transfer(world, "a", "c")
    world.run(0.01)
    world.leave("a")
    world.run(0.05)
    assert world.hosts[Address("a")].machine is None
    world.run(6)
    assert world.leaders() == "b"


@MODES
def test_only_a_leader_transfers_and_only_to_whom_may_lead(voters: str) -> None:
    world = cluster(voters)
    transfer(world, "b", "c")
    transfer(world, "a", "x")
    world.give("c", Fitness(unfit="no disk"))
    world.run(0.1)
    transfer(world, "a", "c")
    world.run(1)
    assert world.leaders() == "a"


def test_an_offer_is_left_by_who_gains_nothing_and_by_who_is_not_meant() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", role="leader", led_term=1)
    lone.live(1, "a:1")
    stamp = lone.machine.state.start_time
    boot = lone.machine.identity.boot
    lone.frame("a:1", Offer(start_time=WALL - 60, boot=boot))
    lone.tell("a:1", role="demoting", led_term=1, fit=False)
    lone.frame("a:1", Offer(start_time=WALL - 60, boot=Boot(9, "y")))
    lone.frame("a:1", Offer(start_time=stamp + 60, boot=boot))
    assert lone.machine.state.start_time == stamp
    lone.frame("a:1", Offer(start_time=WALL - 60, boot=boot))
    assert lone.machine.state.start_time == WALL - 60


def test_an_offer_of_a_stranger_is_left() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.frame("a:1", Offer(start_time=WALL - 60, boot=lone.machine.identity.boot))
    assert lone.machine.state.start_time != WALL - 60


@MODES
def test_an_unfit_leader_steps_down_in_order_and_is_held(voters: str) -> None:
    world = cluster(voters)
    world.give("a", Fitness(unfit="the gateway does not answer"))
    world.run(0.1)
    assert world.leaders() == "b"
    assert Reason.UNFIT in {view.reason for view in world.views("a")}
    assert {m.unfit for m in world.machine("c").view.members if m.address == "a"} == {"the gateway does not answer"}
    world.give("a", Fitness(unfit=""))
    world.run(1)
    assert world.machine("a").state.unfit == "was unfit while it led"
    world.run(30)
    assert world.machine("a").state.fit
    assert world.members_of("b") == "bca"


@MODES
def test_a_flapping_check_moves_leadership_once_in_hold(voters: str) -> None:
    world = cluster(voters)
    for name in "bc":
        world.give(name, Fitness(unfit="in maintenance"))
    for turn in range(20):
        world.give("a", Fitness(unfit="flaps" if turn % 2 == 0 else ""))
        world.run(1)
    led = [view.leading for view in world.views("a")]
    assert sum(before != after for before, after in itertools.pairwise(led)) == 2  # elected, and demoted once


@MODES
def test_an_unfit_follower_is_passed_over_and_loses_its_seniority(voters: str) -> None:
    world = cluster(voters)
    world.give("b", Fitness(unfit="no disk"))
    world.run(0.1)
    world.leave("a")
    world.run(0.1)
    assert world.leaders() == "c"
    world.give("b", Fitness(unfit=""))
    world.run(0.1)
    assert world.members_of("c") == "cb"


@MODES
def test_where_nobody_is_fit_nobody_leads_and_everybody_knows_why(voters: str) -> None:
    world = cluster(voters)
    for name in "abc":
        world.give(name, Fitness(unfit=f"{name} is broken"))
    world.run(2)
    assert world.leaders() == ""
    assert {m.unfit for m in world.machine("c").view.members} == {"a is broken", "b is broken", "c is broken"}


@MODES
def test_a_leader_in_maintenance_is_fit_again_as_soon_as_it_is_over(voters: str) -> None:
    world = cluster(voters)
    world.give("a", Fitness(unfit="new disk", reason=Reason.MAINTENANCE))
    world.run(0.1)
    assert world.leaders() == "b"
    assert Reason.MAINTENANCE in {view.reason for view in world.views("a")}
    world.give("a", Fitness(unfit="", reason=Reason.MAINTENANCE))
    world.run(0.1)
    assert world.machine("a").state.fit
    assert world.leaders() == "b"


def test_a_node_that_is_unfit_from_the_start_takes_its_stamp_all_the_same() -> None:
    world = World(*"ab")
    for name in "ab":
        world.start(name)
        world.give(name, Fitness(unfit="has not looked yet"))
    world.run(2)
    assert world.leaders() == ""
    for name in "ab":
        world.give(name, Fitness(unfit=""))
    world.run(0.1)
    assert len(world.leaders()) == 1


def test_witness_and_observer_have_no_stamp_and_are_never_elected_in_members_mode() -> None:
    world = cluster("", parts={"b": Part.WITNESS, "c": Part.OBSERVER})
    assert world.leaders() == "a"
    assert {world.machine(name).state.start_time for name in "bc"} == {4102444800.0}
    world.kill("a")
    world.run(10)
    assert world.leaders() == ""


def test_nobody_waits_for_the_word_of_an_observer() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", part="observer", start_time=4102444800.0)
    lone.live(1, "a:1")
    assert lone.machine.role is Role.LEADER


def test_the_release_of_a_leader_that_transfers_and_leaves_ends_it() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.tell("a:1", start_time=WALL + 5, leader="m:1", leader_boot=Boot(1, "m"))
    lone.live(1, "a:1")
    assert lone.machine.view.leading
    lone.give(Transfer(target=Address("a:1")))
    lone.give(Leave())
    assert lone.machine.state.role == "stopping"
    lone.give(Released())
    assert lone.machine.role is Role.GONE
