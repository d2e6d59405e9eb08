"""What holds while some links are broken and others are not.

A member that this node cannot reach but another member can stays a member. News go one member further, so that two
nodes know each other when they are linked or have a member between them: the tests of patterns say what follows.
"""

import itertools
import random

import pytest

from les_hooks.election.frames import Answer, Ask, Relayed
from les_hooks.election.messages import DialFailed, LinkDown
from les_hooks.election.seniority import leadership
from les_hooks.members import Address, Boot
from tests.election.lone import FIRST, WALL, Lone, state_of
from tests.election.sim.patterns import broken_world, check_members, is_short, patterns
from tests.election.sim.world import World


def cluster(*names: str) -> World:
    """A cluster whose nodes joined in this order, so that the first leads."""
    world = World(*names)
    for name in names:
        world.start(name)
        world.run(2)
    return world


HOW = pytest.mark.parametrize(
    ("refuse", "from_start"),
    [(False, True), (False, False), (True, True), (True, False)],
    ids=["silent from the start", "falling silent", "refused from the start", "refused at once"],
)


@HOW
def test_every_pattern_of_three_and_four_nodes_has_one_leader_in_each_part(refuse: bool, from_start: bool) -> None:
    """Whatever is broken, and however: one leader for all that some path connects, two hops or three."""
    for names in ("abc", "abcd"):
        for broken in patterns(names):
            check_members(names, broken, refuse=refuse, from_start=from_start)


@HOW
def test_patterns_of_five_nodes_have_one_leader_in_each_part(refuse: bool, from_start: bool) -> None:
    """Where links fall silent, any pattern; where they are refused, those in which everybody knows everybody."""
    names = "abcde"
    fit = [broken for broken in patterns(names) if not refuse or is_short(names, broken)]
    for broken in random.Random(5).sample(fit, 20):
        check_members(names, broken, refuse=refuse, from_start=from_start)


def test_the_ends_of_a_long_chain_may_both_lead() -> None:
    """Six nodes in a row, whose other links are refused at one moment: nobody knows both ends. The docs tell it."""
    names = "abcdef"
    row = "acdefb"  # the two most senior at the ends
    linked = {frozenset(pair) for pair in itertools.pairwise(row)}
    broken = frozenset(frozenset(pair) for pair in itertools.combinations(names, 2)) - linked
    assert broken_world(names, broken, refuse=True, from_start=False).leaders() == "ab"
    assert broken_world(names, broken, refuse=False, from_start=False).leaders() == "a"


@pytest.mark.parametrize("how", ["cut", "refuse"])
@pytest.mark.parametrize("names", ["abc", "abcde"])
def test_a_broken_link_between_two_followers_changes_nothing(names: str, how: str) -> None:
    world = cluster(*names)
    getattr(world, how)("b", "c")
    world.run(30)
    assert world.leaders() == "a"
    assert not any(view.leading for name in names[1:] for view in world.views(name))
    assert {world.leader_of(name) for name in names} == {"a"}
    assert [world.members_of(name) for name in names] == [names] * len(names)


@pytest.mark.parametrize("how", ["cut", "refuse"])
@pytest.mark.parametrize("names", ["abc", "abcde"])
def test_a_follower_without_a_link_to_the_leader_follows_it(names: str, how: str) -> None:
    world = cluster(*names)
    getattr(world, how)("a", "b")
    world.run(30)
    assert world.leaders() == "a"
    assert not any(view.leading for name in names[1:] for view in world.views(name))
    assert world.leader_of("b") == "a"
    assert [world.members_of(name) for name in names] == [names] * len(names)


def test_a_member_behind_a_silent_link_is_never_missed() -> None:
    """Others are asked in time, again and again, so that it does not come and go."""
    world = cluster("a", "b", "c", "d")
    world.cut("a", "c")
    world.run(60)
    assert [world.departures(name) for name in "abcd"] == [[], [], [], []]
    direct = {member.address: member.direct for member in world.machine("a").view.members}
    assert direct == {"a": True, "b": True, "c": False, "d": True}


def test_a_cluster_is_led_on_when_the_leader_dies_while_links_are_broken() -> None:
    """Confirmations pass round the cut, also while the dead link still hangs."""
    for wait in (0.0, 0.9, 5.0):
        world = cluster("a", "b", "c", "d")
        world.cut("b", "c")
        world.run(wait)
        world.kill("a")
        world.run(4)
        assert world.leaders() == "b"
        assert {world.leader_of(name) for name in "bcd"} == {"b"}


def test_a_mended_link_is_used_again() -> None:
    for how in ("cut", "refuse"):
        world = cluster("a", "b", "c")
        getattr(world, how)("b", "c")
        world.run(10)
        world.mend("b", "c")
        world.run(5)
        assert all(member.direct for name in "abc" for member in world.machine(name).view.members)


def test_nodes_in_step_do_not_suspect_each_other() -> None:
    """Both beat at the same moment, so that each answers the beat before; a push must not make them look silent."""
    world = World("a", "b", "c")
    for name in "abc":
        world.start(name)
    world.run(3)
    serials = [world.machine(name).state.serial for name in "abc"]
    world.run(60)
    assert [world.machine(name).state.serial for name in "abc"] == serials


def test_those_who_hear_the_silent_member_are_asked_first() -> None:
    lone = Lone()
    lone.seeds("a:1")
    others = ["a:1", "b:1", "c:1", "d:1", "e:1"]
    for other in others:
        lone.join(other, links=("z:1",) if other in "d:1e:1" else ())
    lone.join("z:1")
    asked: list[str] = []
    while not asked:
        lone.tick(lone.machine.next_deadline() - lone.now)
        asked = [other for other in others for frame in lone.frames(other) if isinstance(frame, Ask)]
        for other in others:
            lone.beat(other)
    assert asked == ["a:1", "d:1", "e:1"]


def test_a_member_is_kept_as_long_as_others_hear_its_process() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.join("b:1")
    lone.live(1.2, "a:1")
    lone.frame("a:1", Answer(address="b:1", boot=Boot(9, "another"), age=0.0))
    lone.frame("a:1", Answer(address="b:1", boot=FIRST, age=None))
    lone.frame("a:1", Answer(address="unknown:1", boot=FIRST, age=0.0))
    lone.live(0.2, "a:1")
    assert lone.members() == ["a:1", "b:1"]
    lone.frame("a:1", Answer(address="b:1", boot=FIRST, age=0.3))
    lone.live(1.1, "a:1")
    assert lone.members() == ["a:1", "b:1"]
    lone.live(0.2, "a:1")
    assert lone.members() == ["a:1"]


def test_a_question_is_answered_with_what_was_heard_directly() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("b:1")
    lone.link("a:1")
    lone.tell("a:1", Relayed(state=state_of("c:1"), age=0.0))
    lone.tick(0.25)
    ages = {}
    for address, boot in (("b:1", FIRST), ("b:1", Boot(2, "y")), ("c:1", FIRST), ("d:1", FIRST)):
        lone.frame("a:1", Ask(address=address, boot=boot))
        [answer] = lone.frames("a:1")
        assert isinstance(answer, Answer)
        ages[address, boot.counter] = answer.age
    assert ages == {("b:1", 1): pytest.approx(0.25), ("b:1", 2): None, ("c:1", 1): None, ("d:1", 1): None}


def test_a_prompt_is_answered_at_once() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.beat("a:1", prompt=True)
    assert len(lone.frames("a:1")) == 1


def test_a_refusal_is_no_proof_about_a_member_that_others_still_hear() -> None:
    """The first refusal removes it, for that is how a death is known at once; the second changes nothing."""
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1")
    lone.join("b:1")
    lone.give(LinkDown(address=Address("b:1")))
    lone.give(DialFailed(address=Address("b:1"), refused=False))
    assert lone.members() == ["a:1", "b:1"]
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    assert lone.members() == ["a:1"]
    lone.live(0.7, "a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.1))
    assert lone.members() == ["a:1", "b:1"]
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    assert lone.members() == ["a:1", "b:1"]


def test_news_that_was_under_way_when_a_member_died_does_not_bring_it_back() -> None:
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1")
    lone.join("b:1")
    lone.give(LinkDown(address=Address("b:1")))
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    lone.tick(0.05)
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0))
    assert lone.members() == ["a:1"]
    lone.tell("a:1", Relayed(state=state_of("b:1", boot=Boot(2, "y")), age=0.0))
    assert lone.members() == ["a:1", "b:1"]


def test_nobody_is_elected_while_others_know_a_leader_that_lives() -> None:
    """Its refusal reached this node, the news of others did not yet: they decide together or not at all."""
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1", start_time=WALL - 100)
    leader = {"role": "leader", "leader": "z:1", "led_term": 1, "start_time": WALL - 200}
    lone.join("z:1", **leader)
    lone.join("b:1", sitting=(leadership(state_of("z:1", **leader)),), leader="z:1", start_time=WALL + 9)
    lone.live(0.8, "a:1", "b:1", "z:1")
    lone.give(DialFailed(address=Address("b:1"), refused=False))
    lone.give(LinkDown(address=Address("z:1")))
    lone.give(DialFailed(address=Address("z:1"), refused=True))
    assert lone.machine.state.leader is None
    lone.tell("b:1", start_time=WALL + 9)
    assert lone.machine.state.leader == "a:1"
