"""The fourteen rules by which a leader is found, each under its number, as `docs/election.md` tells them."""

import math
from typing import Any

import pytest

from les_hooks.election.effects import Changed, Save
from les_hooks.election.frames import Bye, Relayed, Tell
from les_hooks.election.messages import (
    DialFailed,
    Introduced,
    LinkDown,
    OriginalFailed,
    Released,
    Saved,
    SaveFailed,
    SeedIsSelf,
    StepDown,
)
from les_hooks.election.roles import Role
from les_hooks.election.seniority import leadership
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Boot
from tests.election.lone import ME, WALL, Lone, state_of
from tests.election.sim.world import World

YES: dict[str, Any] = {"start_time": WALL + 5, "leader": ME, "leader_boot": Boot(1, "m")}
"""What a junior says that confirms us."""


def cluster(*names: str, gap: float = 2.0) -> World:
    """A cluster whose nodes joined in this order, so that the first leads."""
    world = World(*names)
    for name in names:
        world.start(name)
        world.run(gap)
    return world


def leading(*followers: str) -> Lone:
    """A machine that leads these."""
    lone = Lone()
    lone.seeds(*followers)
    lone.join_juniors(*followers)
    lone.live(0.6, *followers)
    for follower in followers:
        lone.tell(follower, **YES)
    assert lone.machine.role is Role.LEADER
    return lone


# -- from the original -------------------------------------------------------------------------------------------------


def test_rule_01_members_share_their_list_on_request() -> None:
    """Every state names all members, and a link is greeted with it."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.link("b:1")
    [greeting] = [frame for frame in lone.frames("b:1") if isinstance(frame, Tell)][:1]
    assert greeting.state.members == ("a:1", ME)


def test_rule_02_a_node_dials_whom_it_is_told_of() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.tell("a:1", members=("a:1", "b:1"))
    assert lone.dialed() == ["b:1"]
    lone.give(Introduced(address=Address("c:1")))
    assert lone.dialed() == ["c:1"]


def test_rule_02_a_node_without_seeds_joins_who_introduces_itself() -> None:
    world = World("a", "b")
    world.start("a", seeds="")
    world.start("b", seeds="a")
    world.run(3)
    assert len(world.leaders()) == 1
    assert len(world.members_of("a")) == len(world.members_of("b")) == 2


def test_rule_02_an_address_that_does_not_answer_is_given_up() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.give(Introduced(address=Address("c:1")))
    lone.give(DialFailed(address=Address("c:1"), refused=False))
    assert lone.dropped() == ["c:1"]


def test_rule_03_seeds_are_retried_for_ever() -> None:
    """No failure makes a node drop a seed, and after an hour it joins the one that answers."""
    lone = Lone()
    lone.seeds("a:1")
    assert lone.dialed() == ["a:1"]
    for refused in (True, False):
        lone.give(DialFailed(address=Address("a:1"), refused=refused))
        assert lone.dropped() == []
    world = World("a", "b")
    world.start("a")
    world.run(3600)
    world.start("b")
    world.run(3)
    assert world.leaders() == "a"
    assert world.members_of("a") == "ab"


def test_rule_03_a_seed_that_was_this_node_and_moves_to_another_is_somebody_else_again() -> None:
    """An address that the leader carries, for example: whoever restarts beside it must find the new leader there."""
    for answer in ("ours", "an original"):
        lone = Lone()
        lone.seeds("vip:1", unresolved=1)
        lone.give(SeedIsSelf(address=Address("vip:1")))
        assert lone.dropped() == []
        if answer == "ours":
            lone.link("b:1", dialed="vip:1")
        else:
            lone.poll("vip:1")
        lone.seeds("vip:1")
        lone.give(LinkDown(address=Address("b:1")))
        assert not lone.machine.view.leading
        assert lone.machine.role is Role.JOINING


def test_rule_04_a_member_that_is_refused_is_removed_at_once() -> None:
    world = cluster("a", "b", "c")
    world.kill("c")
    world.run(0.01)
    assert world.departures("a") == world.departures("b") == [("c", "refused")]


def test_rule_04_a_member_that_falls_silent_is_removed_after_failure() -> None:
    world = cluster("a", "b", "c")
    world.lose("c")
    world.run(0.9)
    assert world.members_of("a") == "abc"
    world.run(0.7)
    assert world.members_of("a") == world.members_of("b") == "ab"
    assert world.departures("a") == [("c", "timeout")]


def test_rule_04_a_frozen_member_is_removed_although_its_host_accepts() -> None:
    world = cluster("a", "b", "c")
    world.pause("c")
    world.run(1.6)
    assert world.departures("a") == [("c", "timeout")]


def test_rule_04_a_member_that_says_goodbye_has_left() -> None:
    world = cluster("a", "b", "c")
    world.leave("c")
    world.run(0.01)
    assert world.departures("a") == [("c", "goodbye")]


def test_rule_05_nobody_is_elected_before_another_was_heard() -> None:
    world = World("a", "b")
    world.start("a")
    world.run(3600)
    assert world.leaders() == ""
    assert world.machine("a").role is Role.JOINING


def test_rule_05_a_node_whose_only_seed_is_itself_leads_at_once() -> None:
    lone = Lone()
    lone.seeds()
    assert lone.machine.view.leading
    by_name = Lone()
    by_name.seeds("alias:1")
    assert not by_name.machine.view.leading
    by_name.give(SeedIsSelf(address=Address("alias:1")))
    assert by_name.machine.view.leading
    assert by_name.machine.view.term == 1


def test_rule_05_a_seed_without_an_address_yet_is_somebody_else() -> None:
    """A name that does not resolve is no proof of being alone, even if all other seeds are this node."""
    lone = Lone()
    lone.seeds("alias:1", unresolved=1)
    lone.give(SeedIsSelf(address=Address("alias:1")))
    lone.live(60)
    assert not lone.machine.view.leading


def test_rule_05_a_node_without_seeds_waits_to_be_introduced() -> None:
    lone = Lone()
    lone.seeds(configured=False)
    lone.live(60)
    assert lone.machine.role is Role.JOINING


def test_rule_05_every_seed_is_tried_and_settle_passes_first() -> None:
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1")
    lone.live(1.0, "a:1")
    assert lone.machine.role is Role.JOINING
    lone.give(DialFailed(address=Address("b:1"), refused=False))
    assert lone.machine.role is not Role.JOINING
    other = Lone()
    other.seeds("a:1")
    other.join("a:1")
    other.live(0.49, "a:1")
    assert other.machine.role is Role.JOINING
    other.live(0.02, "a:1")
    assert other.machine.role is not Role.JOINING


def test_rule_05_who_has_heard_a_leader_may_confirm_the_next_before_it_has_settled() -> None:
    """A leader that dies while somebody joins is replaced at once, and not after the newcomer's `settle`."""
    world = World("a", "b", "c")
    for name in "ab":
        world.start(name)
    world.run(5)
    first = world.leaders()
    world.start("c")
    world.run(0.1)
    assert world.machine("c").role is Role.JOINING
    world.kill(first)
    world.run(0.05)
    assert world.leaders() == "ab".replace(first, "")
    assert world.machine("c").role is Role.JOINING


def test_rule_05_a_seed_that_dialed_us_first_counts_as_tried() -> None:
    """A name that resolves after its node has joined us is not waited for: no dial will ever report on it."""
    lone = Lone()
    lone.seeds(unresolved=1)
    lone.join("a:1")
    lone.seeds("a:1")
    lone.live(0.6, "a:1")
    assert lone.machine.role is not Role.JOINING


def test_rule_05_two_joiners_hear_the_leader_before_they_elect() -> None:
    world = World("a", "b", "c", "d")
    world.start("a")
    world.start("b")
    world.run(3)
    world.start("c")
    world.start("d")
    world.run(3)
    assert world.leaders() == "a"
    assert not any(view.leading for name in "cd" for view in world.views(name))


def test_rule_06_the_most_senior_is_accepted_by_all() -> None:
    world = cluster("a", "c", "b")
    for senior in "acb":
        assert world.leaders() == senior
        assert {world.leader_of(name) for name in "acb" if world.hosts[Address(name)].machine} == {senior}
        world.kill(senior)
        world.run(1)


def test_rule_06_a_newcomer_with_an_older_stamp_takes_a_fresh_one() -> None:
    """Seniority never unseats a leader that did not fail: a senior that finds a junior leading becomes the junior."""
    lone = Lone()
    lone.seeds("a:1")
    lone.wall -= 1000
    lone.join("a:1", role="leader", leader="a:1", led_term=4, term=4, start_time=WALL)
    assert lone.machine.state.start_time > WALL
    assert lone.machine.view.leader == "a:1"
    senior = Lone()
    senior.seeds("a:1")
    senior.join("a:1", start_time=WALL + 10)
    senior.live(0.6, "a:1")
    senior.tell("a:1", role="leader", leader="a:1", led_term=4, term=4, start_time=WALL + 10)
    assert senior.machine.role is Role.FOLLOWER
    assert senior.machine.state.start_time > WALL + 10


def test_rule_06_a_late_frame_of_a_dead_senior_leader_unseats_nobody() -> None:
    """Its frames do not show this term, so that it counts only once they do."""
    lone = leading("a:1")
    dead = state_of("z:1", role="leader", leader="z:1", led_term=1, start_time=WALL - 9999)
    lone.tell("a:1", Relayed(state=dead, age=0.1), **YES)
    assert "z:1" in lone.members()
    assert lone.machine.view.leading
    mine = leadership(lone.machine.state)
    risen = state_of("z:1", role="leader", led_term=1, start_time=WALL - 9999, sitting=(mine,), serial=2)
    lone.tell("a:1", Relayed(state=risen, age=0.1), start_time=WALL + 5)
    assert lone.machine.role is Role.DEMOTING


def test_rule_06_a_senior_original_counts_at_once() -> None:
    lone = leading("a:1")
    lone.poll("o:1", start_time=WALL - 9999)
    assert lone.machine.role is Role.DEMOTING
    assert lone.machine.view.reason is Reason.OUTRANKED


def test_rule_07_a_candidate_waits_for_every_member() -> None:
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join_juniors("a:1", "b:1")
    lone.live(0.6, "a:1", "b:1")
    lone.tell("a:1", **YES)
    assert str(lone.machine.role) == "candidate"
    lone.tell("b:1", **YES)
    assert str(lone.machine.role) == "leader"


def test_rule_07_the_last_one_left_needs_nobody() -> None:
    world = cluster("a", "b", "c")
    world.kill("a")
    world.kill("b")
    world.run(1)
    assert world.leaders() == "c"


def test_rule_07_a_relayed_confirmation_counts() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1", start_time=WALL + 6), age=0.0), **YES)
    lone.live(0.6, "a:1")
    assert lone.machine.role is Role.CANDIDATE
    lone.tell("a:1", Relayed(state=state_of("b:1", serial=2, **YES), age=0.0), **YES)
    assert str(lone.machine.role) == "leader"


# -- what we add -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-1000.0, -86400.0 * 365, 2 * 86400.0], ids=["1000 s", "a year", "two days on"])
def test_rule_08_a_newcomer_is_junior_whatever_its_clock_says(offset: float) -> None:
    world = cluster("a", "b")
    world.add("c").clock.wall_offset = offset
    world.start("c")
    world.run(30)
    assert world.leaders() == "a"
    assert not any(view.leading for view in world.views("c"))
    assert {world.leader_of(name) for name in "abc"} == {"a"}


def test_rule_08_a_clock_that_is_a_little_back_makes_the_last_in_line() -> None:
    world = cluster("a", "b")
    world.add("c").clock.wall_offset = -1000.0
    world.start("c")
    world.run(3)
    assert world.members_of("a") == "abc"


def test_rule_08_before_first_contact_there_is_no_stamp() -> None:
    lone = Lone()
    lone.seeds("a:1")
    assert lone.machine.state.start_time == UNSTAMPED
    lone.join("a:1", newest=WALL + 77)
    assert lone.machine.state.start_time == pytest.approx(WALL + 77, abs=1e-3)
    assert lone.machine.state.start_time > WALL + 77


def test_rule_08_stamps_more_than_a_day_ahead_are_ignored() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", start_time=WALL + 86400 * 2, newest=UNSTAMPED)
    assert lone.machine.state.start_time == WALL


def test_rule_08_the_newest_stamp_survives_a_restart_of_all() -> None:
    """The disk remembers it, so that a cluster that starts again with its clock set back stays in order."""
    world = cluster("a", "b")
    newest = world.machine("b").state.start_time
    for name in "ab":
        world.kill(name)
        world.hosts[Address(name)].clock.wall_offset = -5000.0
    for name in "ab":
        world.start(name)
    world.run(3)
    assert len(world.leaders()) == 1
    assert min(world.machine(name).state.start_time for name in "ab") > newest


def test_rule_08_equal_stamps_elect() -> None:
    """The original deadlocks on them; here the address decides."""
    lone = Lone()
    lone.seeds("z:1")
    lone.join("z:1", start_time=WALL)
    lone.live(0.6, "z:1")
    mine = lone.machine.state.start_time
    lone.tell("z:1", start_time=mine, leader=ME, leader_boot=Boot(1, "m"))
    assert lone.machine.view.leading
    other = Lone()
    other.seeds("a:1")
    other.join("a:1", start_time=WALL)
    other.tell("a:1", start_time=other.machine.state.start_time)
    other.live(0.6, "a:1")
    assert other.machine.state.leader == "a:1"


def test_rule_09_a_restart_is_a_leave_and_a_join() -> None:
    """A successor at the same address is a new member with a fresh stamp, at the end of the line."""
    world = cluster("a", "b", "c")
    world.pause("a")
    world.kill("a")
    world.start("a")
    world.run(3)
    assert ("a", "refused") in world.departures("b") or ("a", "restarted") in world.departures("b")
    assert world.leaders() == "b"
    assert world.members_of("b") == "bca"


def test_rule_09_a_higher_start_counter_replaces_the_known_process() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.link("a:1", Boot(2, "y"))
    view = lone.machine.view
    assert [(gone.address, gone.reason) for gone in view.departed] == [("a:1", Reason.RESTARTED)]
    lone.tell("a:1", boot=Boot(2, "y"))
    assert [member.boot for member in lone.machine.view.members if member.address == "a:1"] == [Boot(2, "y")]


def test_rule_09_a_restart_that_others_tell_of_counts_too() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0))
    lone.tell("a:1", Relayed(state=state_of("b:1", boot=Boot(2, "y")), age=0.0))
    assert [gone.reason for gone in lone.machine.view.departed] == [Reason.RESTARTED]
    assert [member.boot for member in lone.machine.view.members if member.address == "b:1"] == [Boot(2, "y")]


def test_rule_09_frames_of_a_lower_boot_are_ignored() -> None:
    """Who speaks as an older process is not listened to; the address is dialed anew for who really lives there."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", boot=Boot(3, "z"))
    lone.link("a:1", Boot(2, "y"))
    assert lone.dropped() == ["a:1"]
    assert lone.dialed() == ["a:1"]
    lone.tell("a:1", boot=Boot(2, "y"), start_time=1.0)
    [member] = [member for member in lone.machine.view.members if member.address == "a:1"]
    assert member.boot == Boot(3, "z")
    lone.join("b:1")
    lone.tell("b:1", Relayed(state=state_of("a:1", boot=Boot(2, "y"), start_time=1.0), age=0.0))
    [member] = [member for member in lone.machine.view.members if member.address == "a:1"]
    assert member.boot == Boot(3, "z")


def test_rule_09_a_frame_that_contradicts_its_hello_is_ignored() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.frame("a:1", Tell(seq=1, ack=0, state=state_of("b:1"), relayed=()))
    lone.tell("a:1", boot=Boot(9, "q"))
    assert lone.members() == []
    lone.tell("a:1")
    lone.frame("a:1", Bye(boot=Boot(9, "q")))
    assert lone.members() == ["a:1"]


def test_rule_09_a_confirmation_for_another_process_does_not_count() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.live(0.6, "a:1")
    lone.tell("a:1", start_time=WALL + 5, leader=ME, leader_boot=Boot(0, "before"))
    assert lone.machine.role is Role.CANDIDATE


@pytest.mark.parametrize("reason", [Reason.OPERATOR, Reason.CRITICAL])
def test_rule_10_stepping_down_costs_seniority_and_fitness(reason: Reason) -> None:
    """A fresh stamp when the demotion starts and again when it ends; unfit for `hold`, then last in line."""
    lone = leading("a:1")
    before = lone.machine.state.start_time
    lone.give(StepDown(reason=reason))
    at_start = lone.machine.state.start_time
    assert (lone.machine.role, lone.machine.state.fit) == (Role.DEMOTING, False)
    assert at_start > before
    lone.live(3, "a:1")
    lone.give(Released())
    at_end = lone.machine.state.start_time
    assert (lone.machine.role, lone.machine.state.fit) == (Role.FOLLOWER, False)
    assert at_end > at_start
    lone.live(26.9, "a:1")
    assert not lone.machine.state.fit
    lone.live(0.2, "a:1")
    assert lone.machine.state.fit
    assert lone.machine.state.start_time > at_end


def test_rule_10_leadership_never_fails_back() -> None:
    world = cluster("a", "b", "c")
    world.give("a", StepDown(reason=Reason.OPERATOR))
    world.run(120)
    assert world.leaders() == "b"
    assert world.members_of("b") == "bca"


def test_rule_10_stepping_down_alone_leads_again_after_hold() -> None:
    lone = Lone()
    lone.seeds()
    lone.give(StepDown(reason=Reason.OPERATOR))
    lone.give(Released())
    lone.live(29.9)
    assert lone.machine.view.leader is None
    lone.live(0.2)
    assert lone.machine.view.leading
    assert lone.machine.view.term == 2


def test_rule_10_who_does_not_lead_cannot_step_down() -> None:
    lone = Lone()
    lone.give(StepDown(reason=Reason.OPERATOR))
    assert lone.machine.state.fit


def test_rule_10_sleeping_costs_seniority_but_no_hold() -> None:
    lone = leading("a:1")
    before = lone.machine.state.start_time
    lone.tick(10)
    assert lone.machine.state.start_time > before
    lone.give(Released())
    assert lone.machine.state.fit


def test_rule_10_yielding_costs_none() -> None:
    lone = leading("a:1")
    before = lone.machine.state.start_time
    lone.poll("o:1", start_time=WALL - 9999)
    lone.give(Released())
    assert lone.machine.state.start_time == before


def test_rule_10_a_node_that_cannot_save_its_term_is_unfit() -> None:
    lone = Lone(disk=False)
    lone.seeds()
    [save] = [effect for effect in lone.effects if isinstance(effect, Save) and effect.term == 1]
    assert not lone.machine.view.leading
    lone.give(SaveFailed(term=save.term))
    assert not lone.machine.state.fit
    assert lone.machine.role is Role.FOLLOWER
    lone.give(SaveFailed(term=save.term))  # an old report changes nothing
    lone.disk = True
    lone.live(30.1)
    assert lone.machine.view.leading


def test_rule_11_a_term_is_above_all_known_and_on_disk_first() -> None:
    lone = Lone(disk=False, term=6)
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.tell("a:1", term=8, **YES)
    lone.live(0.6, "a:1")
    assert lone.machine.role is Role.CANDIDATE
    lone.disk = True
    lone.tell("a:1", start_time=WALL + 5, term=11, leader=ME, leader_boot=Boot(1, "m"))
    assert lone.machine.view.leading
    assert lone.machine.view.term == 12


def test_rule_11_a_term_that_was_saved_for_an_older_proposal_is_not_used() -> None:
    lone = Lone(disk=False)
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.live(0.6, "a:1")
    lone.tell("a:1", term=1, **YES)
    lone.disk = True
    lone.give(SaveFailed(term=1))
    assert lone.machine.role is Role.CANDIDATE


def test_rule_11_what_the_disk_failed_to_write_is_written_again_with_the_next_heartbeat() -> None:
    lone = Lone(disk=False)
    lone.seeds("a:1")
    lone.join("a:1", term=7)
    [save] = [effect for effect in lone.effects if isinstance(effect, Save)]
    assert save.term == 7
    for _ in range(2):
        assert lone.give(SaveFailed(term=7)) == []
        lone.tick(lone.machine.next_deadline() - lone.now)
        assert save in lone.effects
    lone.give(Saved(term=7))
    lone.history.clear()
    lone.live(2, "a:1")
    assert save not in lone.history


def test_rule_11_terms_rise_over_leaders_and_restarts_of_all() -> None:
    world = cluster("a", "b", "c")
    terms = [world.machine("a").view.term]
    world.kill("a")
    world.run(1)
    terms.append(world.machine("b").view.term)
    for name in "bc":
        world.kill(name)
    for name in "bc":
        world.start(name)
    world.run(3)
    terms.append(world.machine(world.leaders()).view.term)
    assert terms == sorted(set(terms))


def test_rule_12_when_two_leaders_meet_the_junior_demotes_to_the_end_first() -> None:
    """It names nobody until its hooks have ended; then the senior takes a term above both, and says why."""
    world = cluster("a", "b", "c", "d")
    for one in "ab":
        for other in "cd":
            world.cut(one, other)
    world.run(10)
    assert world.leaders() == "ac"
    world.hosts[Address("c")].demote_seconds = 5.0
    before = max(world.machine(name).view.term for name in "ac")
    for one in "ab":
        for other in "cd":
            world.mend(one, other)
    world.run(3)
    assert world.machine("c").role is Role.DEMOTING
    # The other one has taken the same: two must not keep it for as long as hooks take.
    assert world.machine("c").mandate.hold_until == -math.inf
    assert Reason.CONFLICT in [view.reason for view in world.views("c") if not view.leading]
    assert world.machine("c").state.leader is None
    assert world.leaders() == "a"
    assert world.machine("a").view.reason is not Reason.CONFLICT
    world.run(5)
    assert world.machine("c").state.leader == "a"
    view = world.machine("a").view
    assert (view.leading, view.reason) == (True, Reason.CONFLICT)
    assert view.term > before
    assert {world.leader_of(name) for name in "abcd"} == {"a"}


def test_rule_12_healing_costs_no_seniority() -> None:
    world = cluster("a", "b")
    world.cut("a", "b")
    world.run(5)
    assert world.leaders() == "ab"
    before = world.machine("b").state.start_time
    world.mend("a", "b")
    world.run(5)
    assert world.leaders() == "a"
    assert world.machine("b").state.start_time == before


def test_rule_12_a_junior_that_dies_while_it_demotes_is_not_waited_for() -> None:
    world = cluster("a", "b")
    world.hosts[Address("b")].demote_seconds = 3600.0
    world.cut("a", "b")
    world.run(5)
    term = world.machine("b").view.term
    world.mend("a", "b")
    world.run(3)
    assert world.machine("a").view.reason is not Reason.CONFLICT
    world.kill("b")
    world.run(1)
    view = world.machine("a").view
    assert (view.leading, view.reason) == (True, Reason.CONFLICT)
    assert view.term > term


def test_rule_13_a_node_that_slept_accuses_nobody() -> None:
    lone = leading("a:1", "b:1")
    lone.give(StepDown(reason=Reason.OPERATOR))
    lone.tick(3600)
    assert lone.members() == ["a:1", "b:1"]
    lone.tick(0.4)
    assert lone.members() == ["a:1", "b:1"]
    lone.live(2.0, "a:1")
    assert lone.members() == ["a:1"]


def test_rule_13_a_leader_that_slept_past_its_authority_demotes_before_it_listens() -> None:
    lone = leading("a:1")
    lone.now += 5
    effects = lone.tell("a:1", **YES)
    [first] = [effect for effect in effects if isinstance(effect, Changed)][:1]
    assert (first.view.leading, first.view.reason) == (False, Reason.SLEPT)
    assert lone.machine.mandate.act_until < lone.now


def test_rule_13_a_short_nap_ends_no_leadership() -> None:
    lone = leading("a:1")
    lone.tick(1.2)
    assert lone.machine.role is Role.LEADER
    lone.live(10, "a:1")
    assert lone.machine.role is Role.LEADER


def test_rule_13_authority_never_lapses_in_the_middle_of_a_leadership() -> None:
    """However late the heartbeats are: either the next comes before authority ends, or the node demotes."""
    for nap in (0.6, 0.8, 0.95, 1.2, 1.45):
        lone = leading("a:1")
        end = lone.machine.mandate.act_until
        due = lone.machine.next_deadline()
        lone.tick(due + nap - lone.now)
        while lone.machine.role is Role.LEADER and lone.machine.mandate.act_until == end:
            assert lone.machine.next_deadline() < end
            lone.tick(lone.machine.next_deadline() - lone.now)
        assert (lone.machine.role is Role.LEADER) == (nap < 1.0)


def test_rule_13_a_late_heartbeat_after_a_late_one_demotes_when_authority_is_over() -> None:
    lone = leading("a:1")
    end = lone.machine.mandate.act_until
    lone.tick(end - 0.05 - lone.now)
    assert lone.machine.role is Role.LEADER
    lone.tick(0.1)
    assert lone.machine.view.reason is Reason.SLEPT


def test_rule_13_nobody_begins_to_lead_without_authority() -> None:
    """Who wakes up to find itself confirmed beats once in time before it leads."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join_juniors("a:1")
    lone.live(0.6, "a:1")
    lone.now += 60
    lone.tell("a:1", **YES)
    assert lone.machine.role is Role.CANDIDATE
    lone.tick(lone.machine.next_deadline() - lone.now)
    assert lone.machine.view.leading
    assert lone.machine.mandate.act_until > lone.now


def test_rule_13_a_forward_jump_of_the_wall_clock_asks_before_the_next_side_effect() -> None:
    """The leader confirms itself again with everybody; it demotes nothing."""
    lone = leading("a:1", "b:1")
    lone.wall += 30
    lone.tick()
    assert lone.machine.confirming
    assert lone.machine.view.leading
    asked = {name: lone.sent(name) for name in ("a:1", "b:1")}
    lone.beat("a:1", ack=asked["a:1"] - 1)
    lone.beat("a:1")
    assert lone.machine.confirming
    lone.beat("b:1")
    assert not lone.machine.confirming
    assert lone.machine.view.leading


def test_rule_13_a_jump_waits_for_members_whose_links_broke_meanwhile() -> None:
    """A machine that stood still finds its links closed before its next heartbeat."""
    lone = leading("a:1", "b:1", "c:1")
    lone.wall += 30
    for name in ("a:1", "b:1", "c:1"):
        lone.give(LinkDown(address=Address(name)))
    assert lone.machine.confirming
    lone.link("a:1")
    lone.beat("a:1")
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    assert lone.machine.confirming
    lone.live(1.6, "a:1")
    assert lone.members() == ["a:1"]
    assert not lone.machine.confirming


def test_rule_13_a_jump_waits_for_a_member_whose_link_was_just_broken() -> None:
    lone = leading("a:1")
    lone.give(LinkDown(address=Address("a:1")))
    lone.wall += 30
    lone.tick()
    assert lone.machine.confirming
    lone.link("a:1")
    assert lone.machine.confirming
    lone.beat("a:1")
    assert not lone.machine.confirming


def test_rule_13_a_jump_does_not_wait_for_who_is_heard_by_others_only() -> None:
    lone = leading("a:1")
    far = state_of("b:1", start_time=WALL + 9)
    lone.tell("a:1", Relayed(state=far, age=0.0), **YES)
    assert lone.members() == ["a:1", "b:1"]
    lone.wall += 30
    lone.tick()
    lone.beat("a:1")
    assert not lone.machine.confirming


def test_rule_13_a_backward_jump_changes_nothing() -> None:
    lone = leading("a:1")
    before = lone.machine.view
    lone.wall -= 3600
    lone.tick()
    assert not lone.machine.confirming
    lone.live(5, "a:1")
    assert lone.machine.view == before


def test_rule_13_a_jump_waits_no_longer_than_failure_for_a_member_that_others_still_hear() -> None:
    """It is not buried, and may never have a link again."""
    lone = leading("a:1", "b:1")
    lone.give(LinkDown(address=Address("b:1")))
    lone.wall += 30
    lone.tick()
    lone.beat("a:1")
    jumped = lone.now
    while lone.machine.confirming and lone.now < jumped + 60:
        lone.live(0.1, "a:1")
        lone.tell("a:1", Relayed(state=state_of("b:1", **YES), age=0.0), links=("b:1",), **YES)
    assert 1.5 <= lone.now - jumped < 2.1
    assert lone.machine.view.leading
    assert lone.members() == ["a:1", "b:1"]


def test_rule_13_a_nap_after_a_jump_is_taken_off_nobodys_time_to_answer() -> None:
    lone = leading("a:1")
    lone.wall += 30
    lone.tick()
    lone.live(0.4)
    lone.tick(1.2)
    assert lone.machine.confirming
    lone.beat("a:1")
    assert not lone.machine.confirming
    assert lone.machine.role is Role.LEADER


def candidate(*followers: str) -> Lone:
    """A machine that all of these confirm, and whose disk has not yet written the term."""
    lone = Lone(disk=False)
    lone.seeds(*followers)
    lone.join_juniors(*followers)
    lone.live(0.6, *followers)
    for follower in followers:
        lone.tell(follower, **YES)
    assert lone.machine.role is Role.CANDIDATE
    return lone


def test_rule_13_a_candidate_that_was_suspended_does_not_lead_on_what_was_agreed_before() -> None:
    """The others may have buried it and elected another, whose word is still on its way."""
    lone = candidate("a:1", "b:1")
    lone.wall += 60
    lone.give(Saved(term=1))
    assert lone.machine.role is Role.CANDIDATE
    lone.give(LinkDown(address=Address("a:1")))
    lone.beat("b:1")
    assert lone.machine.role is Role.CANDIDATE
    lone.link("a:1")
    lone.tell("a:1", role="leader", leader="a:1", leader_boot=Boot(1, "x"), led_term=2, term=2, start_time=WALL + 5)
    assert lone.machine.view.leader == "a:1"
    assert not any(effect.view.leading for effect in lone.history if isinstance(effect, Changed))


def test_rule_13_a_candidate_leads_once_all_have_answered_after_a_jump() -> None:
    lone = candidate("a:1", "b:1")
    lone.wall += 60
    lone.give(Saved(term=1))
    lone.beat("a:1")
    assert lone.machine.role is Role.CANDIDATE
    lone.beat("b:1")
    assert lone.machine.view.leading


def test_rule_13_a_candidate_waits_for_who_had_just_fallen_silent_before_a_jump() -> None:
    lone = candidate("a:1")
    lone.live(0.9)
    lone.wall += 60
    lone.give(Saved(term=1))
    assert lone.machine.role is Role.CANDIDATE
    lone.beat("a:1")
    assert lone.machine.view.leading


def test_rule_13_a_jump_keeps_only_a_leader_from_acting() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.wall += 3600
    lone.tick()
    assert not lone.machine.confirming


def test_rule_14_a_node_starts_without_leadership() -> None:
    """Its first view says that it does not lead, for the reason `startup`, so that what a crash left can be cleared."""
    view = Lone().machine.view
    assert (view.leading, view.leader, view.reason, view.settled) == (False, None, Reason.STARTUP, False)


def test_rule_14_a_leaving_leader_says_goodbye_after_its_demote_hooks() -> None:
    """Until then it stays a member that leads no more, and nobody takes over what it has not let go."""
    world = cluster("a", "b", "c")
    world.hosts[Address("a")].demote_seconds = 2.0
    world.leave("a")
    world.run(1.0)
    assert world.machine("a").role is Role.STOPPING
    assert world.leaders() == ""
    world.run(1.1)
    assert world.leaders() == "b"
    assert ("a", "goodbye") in world.departures("b")
    assert world.machine("b").view.reason is Reason.LEADER_LEFT


def test_rule_14_an_original_leaves_at_its_own_pace() -> None:
    lone = Lone()
    lone.seeds("o:1")
    lone.poll("o:1")
    lone.live(10.0)
    assert lone.members() == ["o:1"]
    lone.give(OriginalFailed(address=Address("o:1"), refused=True))
    assert lone.members() == []
