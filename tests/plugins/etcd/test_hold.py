"""Authority counts from the sending of a keep-alive, and only once a later read has found the key in the same term."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_plugins.etcd.hold import DRIFT, Hold, reserve_of, span_of, wait_of
from tests.plugins.etcd.stage import header

TTLS = st.integers(2, 3600)


def test_nothing_is_held_at_first() -> None:
    hold = Hold(5)
    assert (hold.since, hold.act_until, hold.release_by) == (-math.inf, -math.inf, -math.inf)


def test_a_read_without_a_keep_alive_holds_nothing() -> None:
    hold = Hold(5)
    assert not hold.proven(10.0, header(1))
    assert hold.since == -math.inf


def test_an_acknowledged_keep_alive_alone_holds_nothing() -> None:
    hold = Hold(5)
    hold.renewed(10.0, 10.1, header(1))
    assert hold.act_until == -math.inf


def test_it_counts_from_the_sending() -> None:
    hold = Hold(5)
    hold.renewed(10.0, 13.0, header(1))
    assert hold.proven(13.5, header(1))
    assert (hold.since, hold.release_by) == (10.0, 10.0 + span_of(5))
    assert hold.act_until == hold.release_by - reserve_of(5)


def test_a_read_that_was_sent_before_the_answer_proves_nothing() -> None:
    hold = Hold(5)
    hold.renewed(10.0, 10.2, header(1))
    assert not hold.proven(10.1, header(1))
    assert hold.since == -math.inf


@pytest.mark.parametrize("raft_term", [1, 3])
def test_a_keep_alive_that_was_acknowledged_in_another_raft_term_than_the_read_moves_nothing(raft_term: int) -> None:
    hold = Hold(5)
    hold.renewed(10.0, 10.1, header(1, raft_term=2))
    assert not hold.proven(10.2, header(1, raft_term=raft_term))
    assert hold.since == -math.inf


def test_one_keep_alive_counts_once() -> None:
    hold = Hold(5)
    hold.renewed(10.0, 10.1, header(1))
    assert hold.proven(10.2, header(1))
    assert not hold.proven(11.2, header(1))
    assert hold.since == 10.0


def test_who_loses_the_lease_holds_nothing_and_an_old_keep_alive_brings_nothing_back() -> None:
    hold = Hold(5)
    hold.renewed(10.0, 10.1, header(1))
    hold.proven(10.2, header(1))
    hold.lose()
    assert not hold.proven(10.3, header(1))
    assert hold.act_until == -math.inf


@given(TTLS, st.floats(-DRIFT, DRIFT), st.floats(-DRIFT, DRIFT))
def test_all_has_ended_before_etcd_gives_the_key_to_another_whatever_the_clocks(
    ttl: int, node: float, etcd: float
) -> None:
    assert span_of(ttl) / (1 + node) <= ttl / (1 + etcd) + 1e-9


@given(TTLS, st.floats(-DRIFT, DRIFT), st.floats(-DRIFT, DRIFT))
def test_who_waits_does_so_until_a_leader_has_ended_whatever_the_clocks(ttl: int, node: float, leader: float) -> None:
    assert wait_of(ttl) / (1 + node) >= span_of(ttl) / (1 + leader) - 1e-9


@given(TTLS)
def test_a_leader_lapses_more_than_a_second_before_its_lease_does(ttl: int) -> None:
    assert ttl - (span_of(ttl) - reserve_of(ttl)) > 1.0


def test_the_shortest_lease_still_leaves_time_to_lead() -> None:
    assert span_of(2) - reserve_of(2) > 2 / 6 + 0.5
