"""Who is next acts at once only where it is known that the leader has lapsed; else it waits for a full lease."""

import math

import pytest

from les_hooks.backends import Role
from les_plugins.etcd.entry import Place
from les_plugins.etcd.hold import reserve_of, span_of, wait_of
from les_plugins.etcd.inquest import Inquest, ttl_of
from les_plugins.etcd.line import Standing
from tests.plugins.etcd.stage import entry, lease_of, life, tell

SECOND = 1.01 / 0.99
"""A second of etcd's, by a clock that may be off as much as ours."""


def standing(role: Role = Role.LEADER, *, revision: int = 3, ttl: int = 5, readable: bool = True) -> Standing:
    """`b`, which is ahead."""
    return Standing(
        key="k",
        place=Place.LINE,
        revision=revision,
        changed=revision,
        lease=lease_of("b"),
        entry=entry("b", role=role, ttl=ttl) if readable else None,
    )


def test_of_whom_nothing_is_known_a_full_lease_is_waited_for() -> None:
    assert Inquest(5).free_at(standing(), 100.0, 2) == 100.0 + wait_of(5)


def test_the_lease_that_counts_is_the_one_of_who_is_gone() -> None:
    assert Inquest(5).free_at(standing(ttl=60), 100.0, 2) == 100.0 + wait_of(60)


def test_whose_lease_cannot_be_read_is_waited_for_as_if_it_were_the_own() -> None:
    assert Inquest(7).free_at(standing(readable=False), 100.0, 2) == 100.0 + wait_of(7)
    assert ttl_of(standing(readable=False), 9) == 9


@pytest.mark.parametrize("role", [Role.LEADER, Role.DEMOTING, Role.STOPPING])
def test_a_leader_with_less_than_a_second_left_is_not_waited_for_when_that_is_over(role: Role) -> None:
    inquest = Inquest(5)
    tell(inquest, standing(role), life(0), 99.0)
    assert inquest.free_at(standing(role), 100.0, 2) == 99.0 + SECOND


def test_one_with_more_left_may_still_act() -> None:
    inquest = Inquest(5)
    tell(inquest, standing(), life(1), 99.0)
    assert inquest.free_at(standing(), 100.0, 2) == 100.0 + wait_of(5)


def test_a_long_lease_is_known_to_have_lapsed_while_more_of_it_is_left() -> None:
    inquest = Inquest(60)
    tell(inquest, standing(ttl=60), life(13, granted=60), 99.0)
    assert inquest.free_at(standing(ttl=60), 100.0, 2) == pytest.approx(99.0 + 14 * SECOND)
    assert span_of(60) - reserve_of(60) < 60 - 14, "it acts on no renewal that is older"


def test_a_lease_that_is_gone_says_nothing() -> None:
    inquest = Inquest(5)
    tell(inquest, standing(), life(-1), 99.0)
    assert inquest.free_at(standing(), 100.0, 2) == 100.0 + wait_of(5)


@pytest.mark.parametrize("before", [standing(Role.FOLLOWER), standing(readable=False)])
def test_who_had_not_taken_office_may_be_renewed_and_lead_yet(before: Standing) -> None:
    """Its lease nearly ran out, it was renewed, has led since, and then its lease was taken away."""
    inquest = Inquest(5)
    tell(inquest, before, life(0), 99.0)
    assert inquest.free_at(standing(), 100.0, 2) == 100.0 + wait_of(5)


def test_a_leader_that_lapsed_and_leads_again_with_another_key_on_the_same_lease_is_waited_for() -> None:
    inquest = Inquest(5)
    tell(inquest, standing(revision=3), life(0), 90.0)
    assert inquest.free_at(standing(revision=8), 100.0, 2) == 100.0 + wait_of(5)


def test_the_first_word_counts_as_one_that_has_lapsed_never_acts_again() -> None:
    inquest = Inquest(5)
    for received in (99.0, 99.5):
        tell(inquest, standing(), life(0), received)
    assert inquest.free_at(standing(), 100.0, 2) == 99.0 + SECOND


def test_evidence_of_an_older_raft_term_counts_for_nothing() -> None:
    """A leader of etcd that is deposed, and does not know it, hears of no renewal."""
    inquest = Inquest(5)
    tell(inquest, standing(), life(0, raft_term=2), 99.0)
    assert inquest.free_at(standing(), 100.0, 3) == 100.0 + wait_of(5)
    assert inquest.free_at(standing(), 100.0, 2) == 99.0 + SECOND


def test_what_an_older_raft_term_said_does_not_count_because_a_newer_one_says_more() -> None:
    inquest = Inquest(5)
    tell(inquest, standing(), life(0, raft_term=2), 90.0)
    tell(inquest, standing(), life(0, raft_term=3), 99.0)
    assert inquest.free_at(standing(), 100.0, 3) == 99.0 + SECOND


def test_what_an_older_raft_term_says_late_takes_nothing_back() -> None:
    inquest = Inquest(5)
    tell(inquest, standing(), life(0, raft_term=3), 99.0)
    tell(inquest, standing(), life(0, raft_term=2), 99.5)
    assert inquest.free_at(standing(), 100.0, 3) == 99.0 + SECOND


def test_it_never_waits_longer_than_a_full_lease() -> None:
    inquest = Inquest(60)
    tell(inquest, standing(ttl=2), life(13, granted=60), 100.0)
    assert inquest.free_at(standing(ttl=2), 100.0, 2) == 100.0 + wait_of(2)


def test_one_is_late_that_missed_a_renewal_until_it_is_renewed() -> None:
    inquest = Inquest(5)
    assert not inquest.is_late(standing())
    tell(inquest, standing(), life(2), 99.0)
    assert inquest.is_late(standing())
    tell(inquest, standing(), life(4), 99.5)
    assert not inquest.is_late(standing())


@pytest.mark.parametrize("ttl", [2, 3, 5, 10, 60, 3600])
def test_one_is_not_late_that_renews_each_third_of_its_lease(ttl: int) -> None:
    inquest = Inquest(ttl)
    tell(inquest, standing(), life(int(ttl * 2 / 3), granted=ttl), 99.0)
    assert not inquest.is_late(standing())


def test_of_whom_there_is_no_key_any_more_nothing_is_kept() -> None:
    inquest = Inquest(5)
    for revision in (3, 4):
        tell(inquest, standing(revision=revision), life(0), 99.0)
    inquest.forget(frozenset({4}))
    assert (inquest.is_late(standing(revision=3)), inquest.is_late(standing(revision=4))) == (False, True)
    assert inquest.free_at(standing(revision=3), 100.0, 2) == 100.0 + wait_of(5)
    assert inquest.free_at(standing(revision=4), 100.0, 2) == 99.0 + SECOND


def test_the_key_of_a_leader_counts_for_nothing_once_its_lease_has_run_out() -> None:
    inquest = Inquest(5)
    assert inquest.over_at(standing()) == (math.inf, 0)
    tell(inquest, standing(), life(1), 99.0)
    assert inquest.over_at(standing()) == (math.inf, 0)
    tell(inquest, standing(), life(0), 99.5)
    tell(inquest, standing(), life(0), 99.9)
    assert inquest.over_at(standing()) == (99.5 + SECOND, 2)


def test_the_key_of_who_has_not_led_yet_counts_until_etcd_takes_it_away() -> None:
    """It may be renewed at the last moment, and lead."""
    inquest = Inquest(5)
    tell(inquest, standing(Role.FOLLOWER), life(0), 99.0)
    assert inquest.over_at(standing(Role.FOLLOWER)) == (math.inf, 0)


def test_a_server_counts_once_it_has_named_its_raft_term_before_it_was_asked() -> None:
    """It asks the leader that it knows, and then names the term that it knows: the answer may be of an older one."""
    inquest = Inquest(5)
    inquest.asked(standing(), life(4, raft_term=2), 95.0)
    inquest.asked(standing(), life(0, raft_term=3), 99.0)
    assert inquest.over_at(standing()) == (math.inf, 0)
    inquest.asked(standing(), life(0, raft_term=3), 99.1)
    assert inquest.over_at(standing()) == (99.1 + SECOND, 3)
