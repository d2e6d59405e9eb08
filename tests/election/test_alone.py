"""`alone_after`: the sole survivor of a power cut leads at last, if its owner said so."""

import dataclasses

from les_hooks.election.identity import Timing
from les_hooks.election.messages import DialFailed
from les_hooks.members import Address
from tests.election.lone import Lone
from tests.election.sim.world import World

SOON = dataclasses.replace(Timing(), alone_after=60.0)


def test_a_node_that_hears_nobody_leads_after_its_time() -> None:
    world = World(*"abc", timing=SOON)
    world.start("a")
    world.run(59.9)
    assert world.leaders() == ""
    world.run(0.2)
    assert world.leaders() == "a"


def test_a_node_that_hears_nobody_waits_for_ever_by_default() -> None:
    world = World(*"abc")
    world.start("a")
    world.run(600)
    assert world.leaders() == ""


def test_who_comes_later_follows_it() -> None:
    world = World(*"abc", timing=SOON)
    world.start("a")
    world.run(61)
    world.start("b")
    world.run(5)
    assert world.leaders() == "a"
    assert world.leader_of("b") == "a"


def test_a_seed_that_has_not_been_tried_to_the_end_is_waited_for() -> None:
    lone = Lone(timing=SOON)
    lone.seeds("a:1")
    lone.live(120)
    assert not lone.machine.view.leading
    lone.give(DialFailed(address=Address("a:1"), refused=False))
    lone.live(1)
    assert lone.machine.view.leading


def test_a_name_that_cannot_be_looked_up_is_no_reason_to_wait() -> None:
    lone = Lone(timing=SOON)
    lone.seeds(unresolved=1)
    lone.live(61)
    assert lone.machine.view.leading
