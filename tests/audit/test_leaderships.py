"""Who led when: the rows that follow from the records of one node, in the words that people read."""

from collections.abc import Mapping
from typing import Any

from les_hooks.audit.leaderships import Leaderships, leaderships
from tests.audit.records import ME, changed, elected, record

BASE = leaderships([changed(0, "b:1")])[0].since


def history(*records: Mapping[str, Any]) -> list[tuple[str, int, float, float | None, str | None]]:
    """The rows, with times in seconds past the hour."""
    return [
        (row.leader, row.term, row.since - BASE, None if row.until is None else round(row.until - BASE, 3), row.ended)
        for row in leaderships(records)
    ]


def test_a_restart_that_finds_the_same_leader_goes_on_with_its_row() -> None:
    assert history(changed(1, "b:1"), record(2, "node.started", boot=2), changed(3, "b:1", boot=2)) == [
        ("b:1", 1, 1, None, None)
    ]


def test_who_has_stopped_or_sees_nobody_yet_does_not_know_who_leads_now() -> None:
    stopped, started = record(3, "node.stopped"), record(7, "node.started", boot=2)
    away = [("b:1", 1, 1, 3, "this node stopped watching")]
    assert history(changed(1, "b:1"), stopped) == away
    assert history(changed(1, "b:1"), stopped, started) == away
    assert history(changed(1, "b:1"), record(3, "hook.finished"), started) == away
    assert history(changed(1, "b:1"), stopped, started, changed(8, "b:1", boot=2)) == [("b:1", 1, 1, None, None)]


def test_a_restart_that_finds_another_one_ends_the_row_when_this_node_stopped_watching() -> None:
    rows = history(
        changed(1, "b:1"),
        record(3, "node.stopped"),
        record(7, "audit.opened", boot=2),
        record(7, "node.started", boot=2),
        changed(8, "c:1", "first", term=2, boot=2),
    )
    assert rows == [("b:1", 1, 1, 3, "this node stopped watching"), ("c:1", 2, 8, None, None)]


def test_a_time_without_a_leader_ends_the_row() -> None:
    assert history(changed(1, "b:1"), changed(2, None, "no-leader")) == [("b:1", 1, 1, 2, "no-leader")]


def test_the_next_leader_tells_how_and_when_the_one_before_the_vacancy_ended() -> None:
    rows = leaderships(
        [changed(1, "b:1"), changed(22, None, "no-leader"), changed(40, "c:1", term=2, vacant_ms=19_500.0)]
    )
    assert [(row.ended, row.until, row.vacant) for row in rows] == [
        ("leader-lost", BASE + 20.5, None),
        (None, None, 19.5),
    ]


def test_a_leader_led_until_it_was_heard_for_the_last_time() -> None:
    rows = history(changed(1, "b:1"), changed(20, "c:1", term=2, vacant_ms=1500))
    assert rows == [("b:1", 1, 1, 18.5, "leader-lost"), ("c:1", 2, 20, None, None)]


def test_a_row_never_ends_before_it_begins() -> None:
    """The vacancy is measured in another time than the clock's, which may step."""
    rows = history(changed(19, "b:1"), changed(20, "c:1", term=2, vacant_ms=1_500_000))
    assert rows[0] == ("b:1", 1, 19, 19, "leader-lost")


def test_this_nodes_own_leadership_ends_for_its_own_reason() -> None:
    """To all others it has resigned; this node knows better."""
    rows = history(
        *elected(1), record(9, "leader.demoted", reason="slept"), changed(10, "b:1", "leader-resigned", term=2)
    )
    assert rows == [(ME, 1, 1, 9, "slept"), ("b:1", 2, 10, None, None)]


def test_the_demotion_at_start_and_that_of_others_end_no_row() -> None:
    assert history(changed(1, "b:1"), record(2, "leader.demoted", reason="conflict")) == [("b:1", 1, 1, None, None)]
    assert history(*elected(1), record(2, "leader.demoted", reason="startup")) == [(ME, 1, 1, None, None)]


def test_the_leadership_of_a_node_that_died_ends_with_it() -> None:
    """Even before it has heard of another leader: what died does not lead."""
    dead = [*elected(1), record(5, "hook.finished")]
    assert history(*dead, record(60, "cleanup.run", boot=2)) == [(ME, 1, 1, 5, "this node died")]
    again = [record(61, "node.started", boot=3), changed(62, "b:1", "first", term=2, boot=3)]
    assert history(*dead, record(60, "cleanup.run", boot=2), *again) == [
        (ME, 1, 1, 5, "this node died"),
        ("b:1", 2, 62, None, None),
    ]


def test_a_new_term_of_the_same_leader_is_a_row_of_its_own() -> None:
    rows = history(*elected(1), record(5, "leader.reasserted", leader=ME, term=3, reason="conflict"))
    assert rows == [(ME, 1, 1, 5, "conflict"), (ME, 3, 5, None, None)]


def test_names_are_kept_as_the_trail_has_them() -> None:
    rows = leaderships([changed(1, "b:1", leader_name="db-2"), changed(2, "c:1")])
    assert [row.name for row in rows] == ["db-2", ""]


def test_only_the_last_rows_are_kept() -> None:
    known = Leaderships(most=3)
    for second in range(50):
        known.take(changed(second, f"n{second}:1", term=second))
    assert [row.term for row in known.rows] == [47, 48, 49]


def test_nonsense_in_place_of_a_measure_is_none() -> None:
    (row,) = leaderships([changed(1, "b:1", vacant_ms="soon")])
    assert row.vacant is None


def test_a_vacancy_longer_than_any_clock_counts_is_none() -> None:
    assert leaderships([changed(0, "b:1", vacant_ms=10**400)])[0].vacant is None
