"""Who is first in line leads, nobody else; and nobody before the one that led there has ended."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from les_hooks.backends import Role
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Part
from les_plugins.etcd.entry import Own, Parting, Place
from les_plugins.etcd.hold import reserve_of, span_of, wait_of
from les_plugins.etcd.store import Delete, Put
from tests.plugins.etcd.stage import KEYS, Stage, Store, address, header, lease_of, led_by_other, life, tell

FULL = wait_of(5)


def leading() -> Stage:
    """A stage on which `a` leads and `b` is the next."""
    stage = Stage().join()
    stage.place()
    stage.enter("b")
    return stage


# -- who leads ---------------------------------------------------------------------------------------------------------


def test_the_only_one_leads_in_the_term_of_its_key() -> None:
    stage = Stage().join()
    assert stage.role() is Role.LEADER
    assert stage.candidate.own is not None
    assert stage.candidate.term == stage.candidate.own.revision
    assert stage.candidate.vacancy is Reason.FIRST


def test_who_has_a_key_and_no_proof_does_not_lead() -> None:
    stage = Stage()
    stage.read()
    stage.place()
    assert stage.role() is Role.FOLLOWER
    stage.renew(proven_in=3)
    assert stage.role() is Role.FOLLOWER
    stage.renew()
    assert stage.role() is Role.LEADER


def test_who_does_not_see_its_key_yet_is_still_joining() -> None:
    stage = Stage()
    stage.deaf = True
    stage.place()
    stage.renew()
    assert stage.role() is Role.JOINING
    stage.deaf = False
    stage.read()
    assert stage.role() is Role.LEADER


def test_who_is_not_first_never_leads() -> None:
    stage = led_by_other()
    for _ in range(100):
        stage.go(1.0)
        stage.renew()
    assert stage.role() is Role.FOLLOWER
    assert stage.candidate.mandate == NO_MANDATE


def test_a_key_that_cannot_be_read_blocks_who_is_behind_it_until_it_is_gone() -> None:
    stage = Stage()
    key = KEYS.name(Place.LINE, 0x77, 1)
    stage.hear(stage.store.do(Put(key=key, value=b"?", lease=0x77)))
    stage.join()
    assert stage.role() is Role.FOLLOWER
    stage.hear(stage.store.do(Delete(key=key)))
    # It had no trace, as if somebody had taken that away.
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.LEADER


def test_a_leader_whose_key_and_trace_somebody_else_takes_away_is_waited_for() -> None:
    """As `etcdctl del --prefix` does, with the node's own key: the leader acts until it hears of that."""
    stage = led_by_other()
    stage.hear(stage.store.do(*(Delete(key=key) for key in list(stage.store.kvs))))
    stage.place()
    stage.renew()
    assert stage.stands() is Place.LINE
    assert stage.role() is Role.FOLLOWER
    assert stage.candidate.waits_until == pytest.approx(stage.boottime + FULL)
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.LEADER


def test_that_everything_was_taken_away_is_seen_in_a_list_as_well() -> None:
    stage = led_by_other()
    stage.deaf = True
    stage.store.do(*(Delete(key=key) for key in list(stage.store.kvs)))
    stage.read()
    stage.deaf = False
    stage.place()
    stage.renew()
    assert stage.candidate.waits_until == pytest.approx(stage.boottime + FULL)


def test_of_a_leader_that_had_left_before_a_list_nobody_is_afraid() -> None:
    """Its last key may have gone before; that of the node itself is still there."""
    stage = led_by_other()
    stage.deaf = True
    stage.move("b")
    stage.vanish("b")
    stage.read()
    assert stage.role() is Role.LEADER


def test_an_observer_stands_aside_for_ever() -> None:
    stage = Stage(part=Part.OBSERVER).join()
    assert stage.stands() is Place.ASIDE
    for unfit in ("a disk is full", ""):
        stage.candidate.judge(unfit, Reason.UNFIT, stage.now)
        stage.place()
    assert (stage.role(), stage.moves) == (Role.FOLLOWER, 1)
    assert (stage.candidate.asks, stage.candidate.is_near) == ((), False)


def test_a_leader_may_act_until_its_reserve_begins_and_has_all_of_it_to_end() -> None:
    stage = leading()
    sent = stage.candidate.hold.since
    mandate = stage.candidate.mandate
    assert mandate.act_until == sent + span_of(5) - reserve_of(5)
    assert mandate.release_by == mandate.hold_until == sent + span_of(5)
    assert stage.candidate.next_moment == mandate.act_until


# -- fitness -----------------------------------------------------------------------------------------------------------


def test_who_becomes_unfit_or_fit_gets_a_new_key_and_is_the_most_junior() -> None:
    stage = led_by_other()
    stage.enter("c")
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.place()
    assert not stage.candidate.is_near
    assert stage.stands() is Place.ASIDE
    assert stage.entry().unfit == "a disk is full"
    stage.candidate.judge("", Reason.UNFIT, stage.now)
    stage.place()
    assert [each.lease for each in stage.line.all(Place.LINE)] == [lease_of("b"), lease_of("c"), stage.lease]
    assert stage.moves == 3


def test_another_reason_to_be_unfit_needs_no_new_key() -> None:
    stage = led_by_other()
    for unfit in ("a disk is full", "two disks are full"):
        stage.candidate.judge(unfit, Reason.UNFIT, stage.now)
        stage.place()
    assert stage.moves == 2
    assert stage.entry().unfit == "two disks are full"


def test_who_is_unfit_and_fit_again_before_its_key_could_be_moved_is_the_most_junior_all_the_same() -> None:
    stage = led_by_other()
    stage.enter("c")
    for unfit in ("a disk is full", ""):
        stage.candidate.judge(unfit, Reason.UNFIT, stage.now)
    stage.place()
    assert stage.line.all(Place.LINE)[-1].lease == stage.lease


def test_who_is_unfit_before_it_has_joined_never_stands_in_line() -> None:
    stage = Stage()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.join()
    assert stage.line.all(Place.LINE) == ()
    assert stage.role() is Role.FOLLOWER


def test_who_becomes_unfit_while_its_first_key_is_not_seen_yet_gets_another() -> None:
    stage = Stage()
    stage.deaf = True
    stage.place()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.place()
    assert stage.stands() is Place.ASIDE


def test_who_is_to_move_does_not_take_office_with_its_old_key() -> None:
    stage = led_by_other()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.move("b")
    assert stage.role() is Role.FOLLOWER
    stage.candidate.judge("", Reason.UNFIT, stage.now)
    assert stage.role() is Role.FOLLOWER
    stage.place()
    assert stage.role() is Role.LEADER


def test_a_leader_that_becomes_unfit_is_demoted_and_held_back() -> None:
    stage = leading()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    assert (stage.role(), stage.candidate.reason) == (Role.DEMOTING, Reason.UNFIT)
    stage.demote()
    stage.candidate.judge("", Reason.UNFIT, stage.now)
    stage.place()
    assert stage.candidate.obstacle == "was unfit while it led"
    assert stage.candidate.next_moment == stage.boottime + 30.0
    stage.go(30.0)
    stage.place()
    assert stage.candidate.obstacle == ""
    assert [each.lease for each in stage.line.all(Place.LINE)] == [lease_of("b"), stage.lease]


@pytest.mark.parametrize("unfit", ["a disk is full", ""])
def test_who_is_judged_while_it_is_demoted_goes_where_it_belongs_when_that_is_over(unfit: str) -> None:
    stage = leading()
    stage.candidate.resign(Reason.MAINTENANCE, "", stage.now)
    for judged in ("another", unfit):
        stage.candidate.judge(judged, Reason.UNFIT, stage.now)
        stage.place()
        assert stage.line.all(Place.LINE)[0].lease == stage.lease, "it keeps its place until it is released"
    stage.demote()
    assert stage.stands() is (Place.ASIDE if unfit else Place.LINE)


def test_who_has_left_may_be_judged() -> None:
    stage = led_by_other()
    stage.candidate.leave()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    assert (stage.role(), stage.candidate.wanted) == (Role.GONE, None)


# -- giving up ---------------------------------------------------------------------------------------------------------


def test_a_leader_keeps_its_key_until_it_is_released_and_says_what_it_does() -> None:
    stage = leading()
    own = stage.candidate.own
    stage.candidate.resign(Reason.OPERATOR, "stepped down", stage.now)
    stage.place()
    assert stage.line.first is not None
    assert own is not None
    assert (stage.line.first.key, stage.line.first.revision) == (own.key, own.revision)
    assert stage.line.first.entry is not None
    assert stage.line.first.entry.role is Role.DEMOTING
    stage.demote()
    assert [each.lease for each in stage.line.all(Place.LINE)] == [lease_of("b")]
    assert stage.line.strays == ()


def test_who_stepped_down_by_itself_for_maintenance_is_held_back_by_nothing_else() -> None:
    stage = leading()
    stage.candidate.resign(Reason.MAINTENANCE, "", stage.now)
    stage.demote()
    assert [each.lease for each in stage.line.all(Place.LINE)] == [lease_of("b"), stage.lease]


def test_a_demotion_in_order_has_as_long_as_the_lease_is_renewed() -> None:
    stage = leading()
    stage.candidate.resign(Reason.OPERATOR, "stepped down", stage.now)
    for _ in range(10):
        stage.go(1.0)
        stage.renew()
    mandate = stage.candidate.mandate
    assert mandate.act_until == -math.inf
    assert mandate.release_by == mandate.hold_until == stage.boottime + span_of(5)


@pytest.mark.parametrize("role", [Role.DEMOTING, Role.STOPPING])
def test_a_demotion_whose_lease_is_not_renewed_in_time_has_no_more_than_that(role: Role) -> None:
    """The successor may have seen that; and then the lease may be taken away."""
    stage = leading()
    if role is Role.STOPPING:
        stage.candidate.leave()
    else:
        stage.candidate.resign(Reason.OPERATOR, "stepped down", stage.now)
    release_by = stage.candidate.mandate.release_by
    assert stage.candidate.next_moment == pytest.approx(release_by - reserve_of(5))
    stage.boottime += 4.0
    stage.candidate.hold.renewed(stage.boottime, stage.boottime, header(9))
    stage.candidate.proven(stage.boottime, header(9), stage.now)
    stage.candidate.look(stage.now)
    assert (stage.candidate.mandate.release_by, stage.candidate.mandate.hold_until) == (release_by, -math.inf)
    assert stage.role() is role


def test_only_a_leader_resigns_transfers_or_is_released() -> None:
    stage = led_by_other()
    stage.candidate.resign(Reason.OPERATOR, "stepped down", stage.now)
    stage.candidate.transfer(address("b"))
    stage.candidate.released(stage.now)
    stage.place()
    assert (stage.role(), stage.candidate.obstacle, stage.moves) == (Role.FOLLOWER, "", 1)


# -- leadership that ends by itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slept", "reason"), [(False, Reason.LEASE_LOST), (True, Reason.SLEPT)])
def test_a_leader_that_is_not_renewed_is_demoted_when_it_may_act_no_more(slept: bool, reason: Reason) -> None:
    stage = leading()
    mandate = stage.candidate.mandate
    stage.go(mandate.act_until - stage.boottime - 0.001, slept=slept)
    assert stage.role() is Role.LEADER
    stage.go(0.002, slept=slept)
    assert (stage.role(), stage.candidate.reason) == (Role.DEMOTING, reason)
    assert (stage.candidate.mandate.release_by, stage.candidate.mandate.hold_until) == (mandate.release_by, -math.inf)


def test_a_leadership_that_lapsed_gets_nothing_back() -> None:
    stage = leading()
    release_by = stage.candidate.mandate.release_by
    stage.go(4.0)
    stage.renew()
    assert stage.role() is Role.DEMOTING
    assert stage.candidate.mandate.release_by == release_by


def test_nor_does_one_that_hears_of_a_renewal_before_it_notices() -> None:
    stage = leading()
    release_by = stage.candidate.mandate.release_by
    stage.boottime += 4.0
    stage.candidate.hold.renewed(stage.boottime, stage.boottime, header(9))
    stage.candidate.proven(stage.boottime, header(9), stage.now)
    stage.candidate.look(stage.now)
    assert stage.role() is Role.DEMOTING
    assert stage.candidate.mandate.release_by == release_by


def test_who_lapsed_and_has_ended_leads_again_with_a_new_key_when_its_turn_comes() -> None:
    stage = leading()
    term = stage.candidate.term
    stage.go(4.0)
    stage.demote()
    stage.renew()
    assert stage.role() is Role.FOLLOWER
    stage.move("b")
    assert stage.role() is Role.LEADER
    assert stage.candidate.term > term
    assert stage.candidate.mandate.hold_until == stage.candidate.hold.release_by


def test_a_leader_whose_lease_was_taken_away_has_until_then_and_stands_aside_meanwhile() -> None:
    stage = leading()
    release_by = stage.candidate.mandate.release_by
    stage.lose_lease()
    assert (stage.role(), stage.candidate.reason) == (Role.DEMOTING, Reason.LEASE_LOST)
    assert (stage.candidate.mandate.release_by, stage.candidate.mandate.hold_until) == (release_by, -math.inf)
    stage.lease += 0x10
    stage.place()
    assert stage.stands() is Place.ASIDE
    assert "still ends" in stage.entry().unfit
    assert stage.candidate.litter(stage.boottime) == (), "until it has ended its trace stays"
    stage.demote()
    assert stage.stands() is Place.LINE
    assert [KEYS.is_trace(key) for key in stage.candidate.litter(stage.boottime)] == [True]


def test_a_leader_that_is_told_that_its_key_is_gone_need_not_see_it() -> None:
    stage = leading()
    stage.candidate.evicted(stage.now)
    assert (stage.role(), stage.candidate.own, stage.candidate.standing) == (Role.DEMOTING, None, None)
    stage.candidate.evicted(stage.now)
    assert stage.role() is Role.DEMOTING
    stage.candidate.released(stage.now)
    assert stage.role() is Role.FOLLOWER


def test_a_key_of_which_the_line_cannot_know_yet_is_not_missed() -> None:
    stage = led_by_other()
    before = stage.candidate.own
    stage.deaf = True
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.place()
    assert stage.candidate.own != before
    stage.candidate.saw([], 2, stage.now)
    assert stage.candidate.own is not None


def test_a_key_that_is_just_being_moved_is_not_missed() -> None:
    stage = led_by_other()
    own = stage.candidate.own
    assert own is not None
    stage.candidate.moves = True
    stage.hear(stage.store.do(Delete(key=own.key)))
    assert stage.candidate.own == own
    stage.candidate.moves = False
    stage.candidate.saw([], 2, stage.now)
    assert stage.candidate.own is None


def test_a_follower_whose_lease_goes_comes_back_as_the_most_junior() -> None:
    stage = led_by_other()
    stage.enter("c")
    stage.lose_lease()
    assert (stage.role(), stage.candidate.mandate) == (Role.FOLLOWER, NO_MANDATE)
    stage.lease += 0x10
    stage.place()
    assert stage.line.all(Place.LINE)[-1].lease == stage.lease


# -- after another leader ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parting", "vacancy"),
    [
        (Parting.NONE, Reason.LEADER_RESIGNED),
        (Parting.GOODBYE, Reason.LEADER_LEFT),
        (Parting.CRASHED, Reason.LEADER_LOST),
    ],
)
def test_after_an_orderly_release_the_next_leads_at_once_and_knows_why(parting: Parting, vacancy: Reason) -> None:
    stage = led_by_other()
    stage.move("b", parting=parting)
    assert (stage.role(), stage.candidate.vacancy) == (Role.LEADER, vacancy)


def test_after_a_lease_that_was_taken_away_the_next_waits_for_a_full_one() -> None:
    stage = led_by_other()
    gone = stage.boottime
    stage.vanish("b")
    assert (stage.role(), stage.candidate.vacancy) == (Role.FOLLOWER, Reason.LEADER_LOST)
    assert stage.candidate.waits_until == stage.candidate.next_moment == gone + FULL
    stage.go(FULL - 0.01)
    stage.renew()
    assert stage.role() is Role.FOLLOWER
    stage.go(0.02)
    assert stage.role() is Role.LEADER
    assert stage.candidate.waits_until == -math.inf


def test_it_waits_no_time_for_one_that_was_seen_to_lapse() -> None:
    stage = led_by_other()
    tell(stage.candidate.inquest, stage.candidate.asks[0], life(0), stage.boottime)
    stage.go(1.1)
    stage.vanish("b")
    assert stage.role() is Role.LEADER


def test_it_waits_for_one_that_was_seen_to_lapse_while_another_led() -> None:
    """It was renewed since, and led after the other: the evidence is of before."""
    stage = Stage()
    stage.enter("c", role=Role.LEADER)
    stage.enter("b")
    stage.join()
    for standing in stage.candidate.asks:
        tell(stage.candidate.inquest, standing, life(0), stage.boottime)
    stage.move("c")
    stage.say("b", role=Role.LEADER)
    stage.go(2.0)
    stage.renew()
    stage.vanish("b")
    assert stage.candidate.waits_until == stage.boottime + FULL


def test_it_waits_only_until_the_old_leader_says_that_it_has_ended() -> None:
    stage = led_by_other()
    stage.vanish("b")
    stage.go(1.0)
    stage.sweep("b")
    assert stage.role() is Role.LEADER


def test_a_newcomer_waits_for_a_leader_of_which_there_is_only_the_trace() -> None:
    stage = Stage()
    stage.deaf = True
    stage.enter("b", role=Role.LEADER)
    stage.store.do(Delete(key=stage.key_of("b")))
    stage.deaf, stage.missed = False, []
    stage.join()
    assert stage.candidate.waits_until == pytest.approx(stage.boottime + FULL)
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.LEADER


def test_a_newcomer_waits_no_longer_because_it_looks_again() -> None:
    stage = Stage()
    stage.enter("b", role=Role.LEADER)
    stage.store.do(Delete(key=stage.key_of("b")))
    stage.join()
    until = stage.candidate.waits_until
    stage.go(2.0)
    stage.read()
    assert stage.candidate.waits_until == until


def test_nobody_waits_for_one_that_could_not_have_led() -> None:
    stage = Stage()
    stage.enter("c", role=Role.LEADER)
    stage.enter("b")
    stage.join()
    stage.vanish("b")
    stage.move("c")
    assert stage.role() is Role.LEADER


def test_one_that_was_first_and_did_not_lead_by_its_word_may_have_led_where_its_lease_goes() -> None:
    stage = Stage()
    stage.enter("b")
    stage.join()
    stage.vanish("b")
    assert (stage.role(), stage.candidate.vacancy) == (Role.FOLLOWER, Reason.LEADER_LOST)


def test_one_that_was_first_and_goes_in_order_without_having_led_is_no_news_of_a_leader() -> None:
    stage = Stage()
    stage.enter("c", role=Role.LEADER)
    stage.enter("b")
    stage.join()
    stage.vanish("c")
    stage.move("b")
    assert stage.candidate.vacancy is Reason.LEADER_LOST


def test_whose_key_could_not_be_read_is_waited_for_too() -> None:
    stage = Stage()
    key, trace = KEYS.name(Place.LINE, 0x77, 1), KEYS.trace("77.1")
    stage.hear(stage.store.do(Put(key=key, value=b"?", lease=0x77), Put(key=trace, value=b"?", lease=0)))
    stage.join()
    stage.hear(stage.store.do(Delete(key=key)))
    assert stage.candidate.waits_until == stage.boottime + FULL


def test_the_leader_sweeps_the_traces_of_those_who_act_no_more_and_nobody_else_does() -> None:
    stage = led_by_other()
    trace = KEYS.trace(stage.key_of("b").rpartition("/")[2])
    stage.vanish("b")
    assert stage.candidate.litter(stage.boottime) == ()
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.LEADER
    assert stage.candidate.litter(stage.boottime) == (trace,)


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_a_wall_clock_that_jumps_makes_a_leader_confirm_and_no_more() -> None:
    stage = leading()
    stage.wall += 5.0
    stage.go(0.1)
    assert (stage.role(), stage.candidate.confirming) == (Role.LEADER, True)
    assert stage.candidate.mandate.hold_until == -math.inf
    stage.go(0.1)
    stage.renew()
    assert not stage.candidate.confirming
    assert stage.candidate.mandate.hold_until == stage.candidate.mandate.release_by


def test_a_wall_clock_that_jumps_has_the_next_one_prove_its_key_before_it_leads() -> None:
    stage = led_by_other()
    stage.wall += 5.0
    stage.go(0.0)
    stage.move("b")
    assert (stage.role(), stage.candidate.confirming) == (Role.FOLLOWER, False)
    stage.go(0.1)
    stage.renew()
    assert stage.role() is Role.LEADER


@pytest.mark.parametrize("step", [0.9, -60.0])
def test_a_correction_of_the_clock_is_no_jump(step: float) -> None:
    stage = leading()
    stage.wall += step
    stage.go(0.1)
    assert not stage.candidate.confirming


# -- terms -------------------------------------------------------------------------------------------------------------


def test_nobody_leads_in_a_term_that_was_seen_before() -> None:
    """etcd was restored from a backup: it counts from where it was."""
    stage = Stage(floor=10).join()
    assert "lower revision than the term 10" in stage.candidate.obstacle
    assert stage.candidate.own is not None
    assert (stage.role(), stage.stands()) == (Role.FOLLOWER, Place.ASIDE)
    for name in "cdefghijk":
        stage.enter(name, Place.ASIDE)
    stage.place()
    stage.renew()
    assert stage.role() is Role.LEADER
    assert stage.candidate.term > 10


def test_a_key_in_line_at_the_term_that_was_seen_is_not_led_with() -> None:
    stage = Stage(floor=1)
    stage.place()
    stage.renew()
    stage.place()
    stage.renew()
    assert stage.role() is Role.LEADER
    assert (stage.candidate.term, stage.moves) == (2, 2)


def test_after_etcd_went_back_to_an_older_state_a_leader_of_the_newer_one_is_waited_for() -> None:
    stage = led_by_other()
    stage.candidate.rewound(0, stage.now)
    stage.store = Store()
    stage.lease += 0x10
    stage.join()
    assert stage.candidate.waits_until == pytest.approx(stage.boottime + FULL)
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.LEADER


def test_terms_do_not_go_back_with_etcd() -> None:
    stage = leading()
    stage.candidate.rewound(7, stage.now)
    stage.demote()
    stage.store = Store()
    stage.lease += 0x10
    stage.join()
    stage.go(FULL)
    stage.renew()
    assert stage.role() is Role.FOLLOWER
    assert "lower revision than the term 7" in stage.candidate.obstacle


def test_a_leader_is_demoted_when_etcd_went_back_to_an_older_state() -> None:
    stage = leading()
    stage.candidate.rewound(0, stage.now)
    assert (stage.role(), stage.line.revision) == (Role.DEMOTING, 0)


# -- twins -------------------------------------------------------------------------------------------------------------


def test_another_process_that_was_at_this_address_before_keeps_this_one_aside() -> None:
    stage = Stage(counter=2)
    stage.enter("a", role=Role.LEADER)
    stage.join()
    assert "another process stands at this address" in stage.candidate.obstacle
    assert stage.stands() is Place.ASIDE
    stage.move("a")
    assert stage.role() is Role.FOLLOWER
    stage.vanish("a")
    stage.place()
    assert stage.role() is Role.LEADER


def test_every_other_process_at_this_address_is_told_of() -> None:
    stage = leading()
    assert stage.candidate.twins == ()
    stage.enter("a", counter=9)
    assert len(stage.candidate.twins) == 1


def test_one_that_came_later_does_not() -> None:
    stage = leading()
    stage.enter("a", counter=7)
    assert (stage.role(), stage.candidate.obstacle) == (Role.LEADER, "")


def test_two_processes_at_one_address_do_not_drive_each_other_round() -> None:
    """Each new key is junior to the other's: who was there first must not depend on it."""
    store = Store()
    one, two = Stage(store=store, counter=1).join(), Stage(store=store, counter=2).join()
    two.read()
    two.place()
    moves = []
    for unfit in itertools.islice(itertools.cycle(("a disk is full", "")), 12):
        one.candidate.judge(unfit, Reason.UNFIT, one.now)
        for stage in (one, two, one, two):
            stage.read()
            if stage.role() is Role.DEMOTING:
                stage.candidate.released(stage.now)
            stage.place()
        moves.append(two.moves)
    assert moves[-1] == moves[0], "the one that came later stays aside"


# -- heirs -------------------------------------------------------------------------------------------------------------


def test_a_transfer_names_the_heir_in_the_key_that_comes_after_the_demotion() -> None:
    stage = leading()
    stage.candidate.transfer(address("b"))
    assert (stage.role(), stage.candidate.reason) == (Role.DEMOTING, Reason.TRANSFER)
    stage.place()
    assert stage.entry().heir is None
    stage.demote()
    assert stage.entry().heir == address("b")
    assert stage.stands() is Place.LINE


@pytest.mark.parametrize("target", ["a", "c", "x"])
def test_nothing_is_handed_to_who_cannot_take_it(target: str) -> None:
    stage = leading()
    stage.enter("c", Place.ASIDE)
    stage.hear(stage.store.do(Put(key=KEYS.name(Place.LINE, 0x77, 1), value=b"?", lease=0x77)))
    stage.candidate.transfer(address(target))
    assert stage.role() is Role.LEADER


def test_who_is_first_yields_to_the_heir() -> None:
    stage = led_by_other()
    stage.enter("c")
    stage.move("b", heir=address("c"))
    moves = stage.moves
    stage.enter("d")
    stage.place()
    assert stage.role() is Role.FOLLOWER
    assert stage.line.first is not None
    assert stage.line.first.lease == lease_of("c")
    assert stage.moves == moves + 1
    assert stage.line.strays == (), "nobody need wait for who yields"


def test_the_heir_leads() -> None:
    stage = led_by_other()
    stage.move("b", heir=address("a"))
    assert stage.role() is Role.LEADER


def test_an_heir_that_is_gone_or_unfit_is_passed() -> None:
    for place in (Place.ASIDE, None):
        stage = led_by_other()
        if place is not None:
            stage.enter("c", place)
        stage.move("b", heir=address("c"))
        assert stage.role() is Role.LEADER


def test_a_wish_is_void_once_the_heir_has_a_key_that_came_after_it() -> None:
    stage = led_by_other()
    stage.enter("c")
    stage.deaf = True
    stage.move("b", heir=address("c"))
    stage.move("c", Place.LINE)
    stage.deaf = False
    stage.read()
    assert stage.role() is Role.LEADER


def test_a_wish_dies_with_a_leadership_that_was_lost_before_it_was_handed_over() -> None:
    stage = leading()
    stage.candidate.transfer(address("b"))
    stage.lose_lease()
    stage.lease += 0x10
    stage.demote()
    assert stage.entry().heir is None


def test_a_wish_goes_with_the_next_key() -> None:
    stage = leading()
    stage.candidate.transfer(address("b"))
    stage.demote()
    stage.candidate.judge("a disk is full", Reason.UNFIT, stage.now)
    stage.place()
    assert stage.entry().heir is None


def test_a_wish_is_forgotten_by_who_leads_again() -> None:
    stage = leading()
    stage.candidate.transfer(address("b"))
    stage.demote()
    assert stage.entry().heir == address("b")
    stage.move("b", Place.ASIDE)
    assert stage.role() is Role.LEADER
    stage.place()
    assert stage.entry().heir is None


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_a_follower_leaves_at_once_and_says_goodbye_from_aside() -> None:
    stage = led_by_other()
    stage.candidate.leave()
    farewell = stage.candidate.farewell
    assert stage.role() is Role.GONE
    assert (farewell.place, farewell.entry.parting) == (Place.ASIDE, Parting.GOODBYE)
    assert stage.candidate.own is not None
    assert farewell.stint != stage.candidate.own.stint


def test_who_is_joining_leaves_at_once() -> None:
    stage = Stage()
    stage.candidate.leave()
    assert stage.role() is Role.GONE


def test_a_leader_leaves_when_its_hooks_have_ended() -> None:
    stage = leading()
    stage.candidate.leave()
    stage.candidate.leave()
    assert (stage.role(), stage.candidate.reason) == (Role.STOPPING, Reason.LEAVING)
    stage.place()
    assert stage.line.first is not None
    assert stage.line.first.lease == stage.lease
    stage.candidate.released(stage.now)
    assert stage.role() is Role.GONE


def test_who_is_demoted_already_leaves_when_that_has_ended() -> None:
    stage = leading()
    stage.candidate.resign(Reason.MAINTENANCE, "", stage.now)
    stage.candidate.leave()
    assert stage.role() is Role.STOPPING
    stage.lose_lease()
    assert stage.role() is Role.STOPPING
    stage.candidate.released(stage.now)
    assert stage.role() is Role.GONE


# -- whom it asks about ------------------------------------------------------------------------------------------------


def test_the_two_behind_the_leader_ask_about_those_ahead_and_nobody_else_does() -> None:
    asks, near = [], []
    for ahead in range(5):
        stage = Stage()
        for name in "bcdef"[:ahead]:
            stage.enter(name)
        stage.join()
        asks.append([standing.lease for standing in stage.candidate.asks])
        near.append(stage.candidate.is_near)
    assert asks == [[], [lease_of("b")], [lease_of("b"), lease_of("c")], [], []]
    assert near == [True, True, False, False, False]


def test_the_next_one_takes_away_the_key_of_a_leader_whose_lease_is_over() -> None:
    """etcd does so twice a second, and nobody need wait for that."""
    stage = led_by_other()
    assert stage.candidate.overdue == (stage.candidate.asks[0], math.inf, 0)
    tell(stage.candidate.inquest, stage.candidate.asks[0], life(0), stage.boottime)
    standing, due, raft_term = stage.candidate.overdue
    assert standing is not None
    assert stage.boottime + 1.0 < due < stage.boottime + 1.05
    assert raft_term == 2
    assert leading().candidate.overdue == (None, math.inf, 0)


def test_who_is_not_in_line_asks_nobody() -> None:
    stage = led_by_other()
    stage.candidate.evicted(stage.now)
    assert (stage.candidate.asks, stage.candidate.is_near) == ((), False)


def test_who_leads_or_ends_that_is_near() -> None:
    stage = leading()
    stage.lose_lease()
    assert (stage.role(), stage.candidate.is_near) == (Role.DEMOTING, True)


def test_only_the_next_one_tells_that_the_leader_is_late() -> None:
    stage = led_by_other()
    assert not stage.candidate.leader_is_late
    tell(stage.candidate.inquest, stage.candidate.asks[0], life(1), stage.boottime)
    assert stage.candidate.leader_is_late
    stage.enter("c")
    assert stage.candidate.leader_is_late
    stage.say("b", role=Role.DEMOTING)
    assert not stage.candidate.leader_is_late


# -- whatever happens --------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.sampled_from(
        ["unfit", "fit", "resign", "operator", "transfer", "release", "place", "renew", "lose", "evict", "rewind", "go",
         "long", "jump", "enter", "vanish", "move", "sweep", "twin", "leave", "deaf", "read"]
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 3))
def test_whatever_happens_it_leads_only_as_the_first_with_a_hold_and_no_stint_has_two_places(
    steps: list[str], others: int
) -> None:
    stage = Stage()
    candidate = stage.candidate
    for name in "bcd"[:others]:
        stage.enter(name, role=Role.LEADER)
    places: dict[int, Place] = {}
    fresh = itertools.count(1)
    for step in steps:
        was = candidate.role
        play(stage, step, next(fresh))
        if candidate.wanted is not None:
            assert places.setdefault(candidate.wanted.stint, candidate.wanted.place) is candidate.wanted.place
        if candidate.role is Role.LEADER and was is not Role.LEADER:
            own: Own | None = candidate.own
            assert own is not None
            assert (candidate.term, own.place, stage.line.ahead_of(own.key)) == (own.revision, Place.LINE, ())
            assert stage.boottime < candidate.mandate.act_until
        assert candidate.role is Role.LEADER or candidate.mandate.act_until == -math.inf
        assert candidate.next_moment > -math.inf


def play(stage: Stage, step: str, turn: int) -> None:
    candidate, gone = stage.candidate, stage.candidate.role is Role.GONE
    known = {name: any(kv.lease == lease_of(name) for kv in stage.store.kvs.values()) for name in "bcd"}
    name = next((name for name, stands in known.items() if stands), "")
    match step:
        case "unfit" | "fit":
            candidate.judge("a disk is full" if step == "unfit" else "", Reason.UNFIT, stage.now)
        case "resign" | "operator":
            candidate.resign(Reason.MAINTENANCE if step == "resign" else Reason.OPERATOR, "why", stage.now)
        case "transfer":
            candidate.transfer(address("b"))
        case "release":
            candidate.released(stage.now)
        case "place":
            stage.place()
        case "renew" if candidate.own is not None:
            stage.renew()
        case "lose":
            stage.lose_lease()
            stage.lease += 0x10
        case "evict" if not gone:
            candidate.evicted(stage.now)
        case "rewind" if not gone:
            candidate.rewound(0, stage.now)
            stage.store.revision = max(1, stage.store.revision // 2)
            stage.store.kvs.clear()
        case "go":
            stage.go(0.5)
        case "long":
            stage.go(9.0, slept=True)
        case "jump":
            stage.wall += 5.0
        case "enter":
            stage.enter("bcd"[turn % 3])
        case "vanish" if name:
            stage.vanish(name)
        case "move" if name:
            stage.move(name, heir=address("c"))
        case "sweep":
            stage.sweep("b")
        case "twin":
            stage.enter("a", counter=2 + turn % 2)
        case "leave" if not gone:
            candidate.leave()
        case "deaf":
            stage.deaf = True
        case "read":
            stage.deaf = False
            stage.read()
        case _:
            pass
