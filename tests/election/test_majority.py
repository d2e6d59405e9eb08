"""A majority of voters, told as stories: who may lead, when a vote comes free, and what a restart costs."""

import pytest

from les_hooks.election.effects import Send
from les_hooks.election.frames import Grant, Refusal, Release, Request
from les_hooks.election.messages import (
    Fitness,
    Instant,
    LinkDown,
    Pledged,
    SeedIsSelf,
    StepDown,
    Undone,
)
from les_hooks.election.roles import Role
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, UNSTAMPED, Address, Boot, Part
from tests.election.lone import FIRST, ME, WALL, Lone, electorate_of
from tests.election.sim.world import World

LEASE = 4.0


def cluster(names: str = "abc", *, voters: str = "", parts: dict[str, Part] | None = None) -> World:
    """Nodes that have elected; their first votes waited for a lease, because nobody knew what they had promised."""
    world = World(*names, voters=voters or names, parts=parts)
    for name in names:
        world.start(name)
        world.run(0.01)
    world.run(LEASE + 1)
    return world


def cut_off(world: World, name: str) -> None:
    for other in world.hosts:
        if other != name:
            world.cut(name, other)


def test_three_voters_elect_the_most_senior_after_the_restart_wait() -> None:
    world = World(*"abc", voters="abc")
    for name in "abc":
        world.start(name)
    world.run(LEASE - 0.1)
    assert world.leaders() == ""
    world.run(0.2)
    assert world.leaders() == "a"
    assert {world.leader_of(name) for name in "abc"} == {"a"}


def test_a_single_voter_leads_alone() -> None:
    world = World("a", voters="a")
    world.start("a")
    world.run(LEASE + 0.1)
    assert world.leaders() == "a"


def test_a_leader_that_is_cut_off_demotes_a_third_of_a_lease_before_its_grants_end() -> None:
    world = cluster()
    world.hosts[Address("a")].demote_seconds = 0.5
    cut_off(world, "a")
    begun = world.now
    while world.leaders():
        world.run(0.01)
    mandate = world.machine("a").mandate
    assert world.machine("a").view.reason is Reason.NO_MAJORITY
    assert 0 < mandate.release_by - begun < LEASE
    assert world.now == pytest.approx(mandate.release_by - LEASE / 3, abs=0.6)


def test_nobody_leads_before_the_votes_of_the_lost_leader_have_run_out() -> None:
    world = cluster()
    cut_off(world, "a")
    begun = world.now
    while "b" not in world.leaders():
        world.run(0.01)
    assert LEASE - 0.6 < world.now - begun < LEASE + 0.6
    assert world.machine("a").role is Role.FOLLOWER


def test_a_side_without_a_majority_has_no_leader_and_says_why() -> None:
    world = cluster("abcde")
    for one in "ab":
        for other in "cde":
            world.cut(one, other)
    world.run(2 * LEASE)
    assert world.leaders() == "c"
    assert world.machine("a").state.unfit == "hears 2 of 5 voters, and needs 3"
    assert world.leader_of("b") is None


def test_a_leader_that_leaves_is_replaced_at_once() -> None:
    world = cluster()
    world.leave("a")
    world.run(0.05)
    assert world.leaders() == "b"


def test_the_votes_go_back_only_when_the_demote_hooks_have_ended() -> None:
    world = cluster()
    world.hosts[Address("a")].demote_seconds = 1.0
    world.leave("a")
    world.run(0.99)
    assert world.leaders() == ""
    world.run(0.05)
    assert world.leaders() == "b"


def test_a_process_that_is_killed_keeps_the_votes_for_a_lease() -> None:
    world = cluster()
    world.kill("a")
    world.run(LEASE - 0.6)
    assert world.leaders() == ""
    world.run(0.7)
    assert world.leaders() == "b"


def test_a_crash_costs_no_lease_where_cleanup_undid_it() -> None:
    world = cluster()
    boot = world.machine("a").identity.boot
    world.kill("a")
    world.run(0.1)
    for name in "bc":
        world.give(name, Undone(address=Address("a"), boot=boot))
    world.run(0.05)
    assert world.leaders() == "b"


def test_who_undoes_another_process_than_the_one_that_leads_frees_nothing() -> None:
    world = cluster()
    world.kill("a")
    for name in "bc":
        world.give(name, Undone(address=Address("a"), boot=Boot(99, "a")))
    world.run(1.0)
    assert world.leaders() == ""


def test_leadership_stays_when_followers_lose_their_link() -> None:
    world = cluster()
    world.cut("b", "c")
    world.run(20)
    assert world.leaders() == "a"
    assert world.leader_of("c") == "a"


def test_leadership_stays_when_the_leader_keeps_a_majority() -> None:
    world = cluster()
    world.cut("a", "c")
    world.run(20)
    assert world.leaders() == "a"
    assert world.leader_of("c") == "a"


def test_who_hears_of_a_leader_only_through_others_does_not_stand() -> None:
    """C hears only B, which is a majority with itself."""
    world = cluster()
    world.cut("a", "c")
    world.run(20)
    assert world.machine("c").role is Role.FOLLOWER
    assert world.machine("c").state.fit


def test_the_most_senior_that_reaches_a_majority_leads_though_others_do_not_hear_it() -> None:
    world = World(*"abcde", voters="abcde")
    for one, other in ("ad", "ae", "bd", "be"):
        world.cut(one, other)
    for name in "abcde":
        world.start(name, seeds="a b c d e")
        world.run(0.01)
    world.run(3 * LEASE)
    assert world.leaders() == "a"
    assert {world.leader_of(name) for name in "abcde"} == {"a"}


def test_a_restarted_voter_waits_for_the_longest_lease_that_it_granted() -> None:
    world = cluster("ab")
    world.hosts[Address("b")].disk.memory = world.memory("b", longest_lease=10.0)
    world.kill("b")
    world.start("b")
    world.leave("a")
    world.run(9.0)
    world.start("a")
    assert world.leaders() == ""
    world.run(6.0)
    assert len(world.leaders()) == 1


def test_a_term_that_a_voter_wrote_is_passed_over_by_who_never_heard_of_it() -> None:
    world = World(*"ab", voters="ab")
    world.hosts[Address("b")].disk.memory = world.memory("b", granted_term=7, granted_boot=Boot(9, "x"))
    for name in "ab":
        world.start(name)
    world.run(LEASE + 1)
    assert world.leaders() == "a"
    assert world.machine("a").view.term == 8


def test_its_own_voter_makes_a_candidate_raise_its_term_too() -> None:
    world = World(*"ab", voters="ab")
    world.hosts[Address("a")].disk.memory = world.memory("a", granted_term=7, granted_boot=Boot(9, "x"))
    for name in "ab":
        world.start(name)
    world.run(LEASE + 1)
    assert world.leaders() == "a"
    assert world.machine("a").view.term == 8


def test_terms_go_on_after_everybody_restarted() -> None:
    world = cluster()
    for name in "abc":
        world.kill(name)
    for name in "cba":
        world.start(name)
    world.run(LEASE + 2)
    assert world.machine(world.leaders()).view.term > 1


def test_a_voter_whose_disk_fails_grants_nothing_until_it_does_not() -> None:
    world = World(*"ab", voters="ab")
    world.hosts[Address("b")].disk.broken = True
    for name in "ab":
        world.start(name)
    world.run(LEASE + 2)
    assert world.leaders() == ""
    world.hosts[Address("b")].disk.broken = False
    world.run(1)
    assert world.leaders() == "a"


def test_a_witness_votes_and_never_leads() -> None:
    world = cluster(parts={"c": Part.WITNESS})
    cut_off(world, "a")
    world.run(2 * LEASE)
    assert world.leaders() == "b"
    cut_off(world, "b")
    world.run(2 * LEASE)
    assert world.leaders() == ""


def test_an_observer_neither_votes_nor_leads_and_knows_who_does() -> None:
    world = cluster("abcd", voters="abc", parts={"d": Part.OBSERVER})
    assert world.leader_of("d") == "a"
    world.kill("a")
    world.kill("b")
    world.run(2 * LEASE)
    assert world.leaders() == ""


def test_a_member_without_a_vote_may_lead_with_the_votes_of_others() -> None:
    world = cluster("abc", voters="bc")
    assert world.leaders() == "a"
    world.leave("a")
    world.run(0.05)
    assert world.leaders() == "b"


def test_nodes_that_go_by_other_voters_do_not_vote_for_each_other_and_say_so() -> None:
    world = World(*"ab", voters="ab")
    world.start("a")
    world.electorate = World("a", "b", voters="abc").electorate
    world.start("b")
    world.run(2 * LEASE)
    assert world.leaders() == ""
    for name in "ab":
        (warning,) = world.machine(name).warnings
        assert "goes by the voters" in warning


def test_a_node_of_members_mode_elects_nobody_that_goes_by_voters() -> None:
    world = World(*"ab", voters="ab")
    world.start("a")
    world.electorate = None
    world.start("b")
    world.run(2 * LEASE)
    assert world.leaders() == ""
    assert 'quorum = "members"' in world.machine("a").warnings[0]


def test_a_leader_in_doubt_asks_the_voters_again_before_it_acts() -> None:
    world = cluster()
    world.hosts[Address("a")].clock.wall_offset = 3600.0
    machine = world.machine("a")
    world.run(0.51)
    assert not machine.confirming
    cut_off(world, "a")
    world.hosts[Address("a")].clock.wall_offset = 7200.0
    world.run(0.51)
    assert machine.confirming
    assert machine.role is Role.LEADER


def test_a_candidate_in_doubt_is_elected_once_it_has_asked_again() -> None:
    world = World(*"ab", voters="ab")
    for name in "ab":
        world.start(name)
    world.run(LEASE / 2)
    world.hosts[Address("a")].clock.wall_offset = 3600.0
    world.run(LEASE)
    assert world.leaders() == "a"


def test_a_leader_that_slept_past_its_grants_demotes_before_it_listens() -> None:
    world = cluster()
    world.pause("a")
    world.run(LEASE + 1)
    assert "b" in world.leaders()
    world.resume("a")
    assert world.machine("a").role is not Role.LEADER
    assert Reason.SLEPT in {view.reason for view in world.views("a")}
    world.run(2)
    assert world.leaders() == "b"


def test_a_leader_that_slept_for_less_goes_on() -> None:
    world = cluster()
    world.pause("a")
    world.run(1.2)
    world.resume("a")
    world.run(5)
    assert world.leaders() == "a"


def test_a_leader_yields_to_one_of_a_higher_term() -> None:
    """Two leaders cannot be, within the bounds; should there be two all the same, there is only one soon."""
    lone = Lone(voters=ME)
    lone.seeds(ME)
    lone.give(SeedIsSelf(address=ME))
    lone.live(5)
    assert lone.machine.role is Role.LEADER
    other = {"electorate": electorate_of(ME), "role": "leader", "fit": True}
    lone.join("a:1", led_term=1, **other)
    assert lone.machine.view.leading
    lone.tell("a:1", led_term=9, **other)
    assert lone.machine.state.role == "demoting"
    assert lone.machine.view.reason is Reason.CONFLICT


def frames_of(lone: Lone, kind: type) -> list[object]:
    """What of this kind it has sent to b:1 so far."""
    return [e.frame for e in lone.history if isinstance(e, Send) and e.address == "b:1" and isinstance(e.frame, kind)]


def candidate() -> Lone:
    """A node that stands, with one other voter, which follows and has not answered."""
    lone = Lone(voters=f"{ME} b:1")
    lone.seeds("b:1")
    lone.join("b:1", electorate=electorate_of(ME, "b:1"), start_time=UNSTAMPED, links=(ME,))
    lone.tell("b:1", electorate=electorate_of(ME, "b:1"), start_time=WALL + 60, links=(ME,))
    lone.live(5, "b:1")
    assert lone.machine.role is Role.CANDIDATE
    return lone


def test_answers_for_another_process_count_nothing() -> None:
    lone = candidate()
    number = frames_of(lone, Request)[-1].number  # type: ignore[attr-defined]  # frames of one kind
    stranger = Boot(9, "y")
    lone.frame("b:1", Grant(number=number, boot=stranger))
    lone.frame("b:1", Refusal(number=number, boot=stranger, term=50))
    assert lone.machine.state.role == "candidate"
    assert lone.machine.state.term < 50
    lone.frame("b:1", Grant(number=number, boot=lone.machine.identity.boot))
    assert lone.machine.view.leading


def test_a_refusal_of_what_was_withdrawn_is_late_news() -> None:
    lone = candidate()
    lone.give(Fitness(unfit="no network"))
    assert frames_of(lone, Release)
    number = frames_of(lone, Request)[-1].number  # type: ignore[attr-defined]  # frames of one kind
    lone.frame("b:1", Refusal(number=number, boot=lone.machine.identity.boot, term=50))
    assert lone.machine.state.term < 50


def test_a_release_in_the_name_of_another_process_is_not_believed() -> None:
    lone = candidate()
    lone.give(Fitness(unfit="no network"))
    lone.tell("b:1", electorate=electorate_of(ME, "b:1"), role="candidate", links=(ME,), start_time=WALL + 60)
    lone.frame("b:1", Request(number=1, term=50, sitting=False))
    assert frames_of(lone, Grant) == [Grant(number=1, boot=FIRST)]
    lone.frame("b:1", Release(number=1, boot=Boot(9, "y")))
    report = lone.machine.report_quorum(Instant(lone.now, lone.wall))
    assert report is not None
    assert report.vote == "b:1"


def test_who_has_no_vote_takes_requests_for_nothing() -> None:
    lone = Lone(voters="b:1 c:1")
    lone.seeds("b:1")
    lone.join("b:1", electorate=electorate_of("b:1", "c:1"), links=(ME, "c:1"))
    lone.frame("b:1", Request(number=1, term=1, sitting=False))
    lone.frame("b:1", Release(number=1, boot=FIRST))
    lone.give(Undone(address=Address("c:1"), boot=FIRST))
    lone.give(Pledged(term=1, boot=FIRST))
    assert frames_of(lone, Grant) == []


def test_votes_over_a_link_that_is_gone_are_not_counted() -> None:
    lone = candidate()
    number = frames_of(lone, Request)[-1].number  # type: ignore[attr-defined]  # frames of one kind
    lone.give(LinkDown(address=Address("b:1")))
    lone.frame("b:1", Grant(number=number, boot=lone.machine.identity.boot))
    assert lone.machine.role is not Role.LEADER


def test_a_leader_that_stepped_down_is_not_eligible_before_hold_is_over() -> None:
    world = cluster()
    world.give("a", StepDown(reason=Reason.OPERATOR, note="new disk"))
    world.run(0.1)
    assert world.leaders() == "b"
    assert world.machine("a").state.unfit == "new disk"
    world.kill("b")
    world.run(2 * LEASE)
    assert world.leaders() == "c"


def test_who_leads_no_more_has_no_mandate() -> None:
    world = cluster()
    assert world.machine("a").mandate.act_until < world.machine("a").mandate.release_by
    world.give("a", StepDown(reason=Reason.OPERATOR))
    world.run(0.1)
    assert world.machine("a").mandate == NO_MANDATE


def test_the_operator_is_told_what_is_known_of_the_voters() -> None:
    world = cluster(voters="abcd")
    report = world.machine("a").report_quorum(world.instant(world.hosts[Address("a")]))
    assert report is not None
    assert (report.majority, report.lease, report.vote, report.waiting) == (3, LEASE, "a", 0.0)
    assert [(v.address, v.name, v.heard, v.agrees, v.granted) for v in report.voters] == [
        ("a", "a", True, True, True),
        ("b", "b", True, True, True),
        ("c", "c", True, True, True),
        ("d", None, False, False, False),
    ]


def test_a_node_without_a_vote_and_one_of_members_mode_report_as_much_as_they_know() -> None:
    world = cluster("abc", voters="bc")
    report = world.machine("a").report_quorum(world.instant(world.hosts[Address("a")]))
    assert report is not None
    assert (report.vote, report.waiting) == (None, 0.0)
    plain = World("a")
    plain.start("a")
    assert plain.machine("a").report_quorum(plain.instant(plain.hosts[Address("a")])) is None


def test_a_node_whose_disk_was_wiped_says_so() -> None:
    world = cluster()
    world.kill("c")
    world.hosts[Address("c")].disk.memory = world.memory("c", kept=False, term=0)
    world.start("c")
    world.run(1)
    assert "state directory was empty when it joined, in term 1" in world.machine("c").warnings[0]
    assert world.machine("b").warnings == ()


def test_an_original_cannot_take_part_and_is_named() -> None:
    lone = Lone(voters=ME)
    lone.seeds("a:1")
    lone.poll("a:1")
    lone.live(5)
    assert lone.machine.view.leading
    (warning,) = lone.machine.warnings
    assert warning.startswith("a:1 is a node of the original LES")


def test_in_members_mode_an_original_is_welcome() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.poll("a:1")
    assert lone.machine.warnings == ()


def test_a_process_that_is_undone_is_buried_and_another_at_its_address_is_not() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.give(Undone(address=Address("a:1"), boot=Boot(9, "y")))
    assert lone.members() == ["a:1"]
    lone.give(Undone(address=Address("a:1"), boot=FIRST))
    assert lone.members() == []


def test_two_lists_without_a_common_majority_never_elect_two_leaders() -> None:
    """A running cluster is not disturbed by newcomers with another list."""
    world = cluster("abc")
    fresh = World("d", "e", voters="cde").electorate
    world.add("d")
    world.add("e")
    world.electorate = fresh
    for name in "de":
        world.start(name)
    world.run(3 * LEASE)
    assert world.leaders() == "a"
    assert world.machine("d").state.unfit == "yields to the 3 other voters that some nodes go by"
    assert world.leader_of("d") is None


def test_of_two_lists_that_meet_at_the_start_one_elects() -> None:
    world = World(*"abcde", voters="cde")
    for name in "de":
        world.start(name)
    world.electorate = World("a", voters="abc").electorate
    for name in "abc":
        world.start(name)
    world.run(3 * LEASE)
    assert world.leaders() == "a"


def test_of_leaders_of_two_lists_that_meet_the_one_of_the_lower_term_yields() -> None:
    lone = Lone(voters=ME)
    lone.seeds(ME)
    lone.give(SeedIsSelf(address=ME))
    lone.live(5)
    others = {"electorate": electorate_of("a:1"), "role": "leader"}
    lone.join("a:1", led_term=0, **others)
    assert lone.machine.view.leading
    lone.tell("a:1", led_term=9, **others)
    assert lone.machine.state.role == "demoting"
