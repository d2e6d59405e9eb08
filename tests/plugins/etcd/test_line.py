"""Seniority is the create revision; a change that is told changes the line as a list of the end would."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.backends import Role
from les_plugins.etcd.entry import Parting, Place, write_entry
from les_plugins.etcd.line import Gone, Line
from les_plugins.etcd.store import Batch, Delete, Operation, Put
from tests.plugins.etcd.stage import KEYS, Store, address, entry, header, lease_of

GARBAGE = b"\xff{"


def key_of(name: str, place: Place = Place.LINE, stint: int = 1) -> str:
    return KEYS.name(place, lease_of(name), stint)


def trace_of(name: str, stint: int = 1) -> str:
    return KEYS.trace(f"{lease_of(name):x}.{stint}")


def puts(name: str, place: Place = Place.LINE, stint: int = 1, counter: int = 1, **fields: Any) -> list[Operation]:
    """What a node writes."""
    value = write_entry(entry(name, counter, **fields))
    put: list[Operation] = [Put(key=key_of(name, place, stint), value=value, lease=lease_of(name))]
    return [*put, Put(key=trace_of(name, stint), value=value, lease=0)] if place is Place.LINE else put


class Told:
    """A line, and the store that it is told of."""

    def __init__(self, *names: str) -> None:
        self.store, self.line = Store(), Line(KEYS)
        for name in names:
            self.do(*puts(name))

    def do(self, *operations: Operation) -> list[Gone]:
        return self.line.follow(self.store.do(*operations))

    def names(self, place: Place = Place.LINE) -> list[str]:
        return [standing.entry.name for standing in self.line.all(place) if standing.entry is not None]


def test_nobody_leads_an_empty_line() -> None:
    line = Line(KEYS)
    assert (line.first, line.leader, line.count, line.revision, line.strays, line.faults) == (None, None, 0, 0, (), ())


def test_seniority_is_the_create_revision_whatever_the_names_and_later_words() -> None:
    told = Told("z", "m", "a")
    told.do(Put(key=key_of("m"), value=write_entry(entry("m", role=Role.LEADER)), lease=lease_of("m")))
    assert told.names() == ["z", "m", "a"]
    assert told.line.first == told.line.find(key_of("z"))
    assert [standing.revision for standing in told.line.all(Place.LINE)] == [1, 2, 3]


def test_of_two_keys_that_somebody_makes_at_one_revision_one_is_first() -> None:
    told = Told()
    told.do(*puts("b"), *puts("a"))
    assert told.names() == ["a", "b"]
    assert told.line.ahead_of(key_of("b")) == (told.line.first,)


def test_who_stands_aside_is_not_in_line() -> None:
    told = Told()
    told.do(*puts("a", Place.ASIDE))
    told.do(*puts("b"))
    assert (told.names(), told.names(Place.ASIDE)) == (["b"], ["a"])
    assert told.line.ahead_of(key_of("a", Place.ASIDE)) == ()


def test_ahead_are_those_that_are_more_senior() -> None:
    told = Told("a", "b", "c")
    assert told.line.ahead_of(key_of("c")) == told.line.all(Place.LINE)[:2]
    assert told.line.ahead_of(key_of("a")) == ()
    assert told.line.ahead_of(key_of("x")) == ()


def test_who_is_first_leads_once_it_says_so_and_nobody_else_by_saying_so() -> None:
    told = Told("a", "b")
    told.do(*puts("b", role=Role.LEADER))
    assert told.line.leader is None
    told.do(*puts("a", role=Role.LEADER))
    assert told.line.leader == told.line.first
    told.do(*puts("a", role=Role.DEMOTING))
    assert told.line.leader is None


def test_a_key_that_cannot_be_read_blocks_who_is_behind_it_and_is_named() -> None:
    told = Told()
    told.do(Put(key=key_of("x"), value=GARBAGE, lease=5))
    told.do(*puts("a"))
    first = told.line.first
    assert first is not None
    assert (first.key, first.entry, first.boot) == (key_of("x"), None, None)
    assert told.line.leader is None
    assert list(told.line.members()) == [told.line.find(key_of("a"))]
    assert "nobody behind it leads until its lease 5 ends" in told.line.faults[0]


def test_a_key_aside_that_cannot_be_read_blocks_nobody_and_is_named() -> None:
    told = Told("a")
    told.do(Put(key=key_of("x", Place.ASIDE), value=GARBAGE, lease=5))
    assert told.names() == ["a"]
    assert told.line.first == told.line.find(key_of("a"))
    assert "cannot be read" in told.line.faults[0]


def test_a_key_that_no_node_makes_is_left_alone_named_and_counted() -> None:
    told = Told("a")
    told.do(Put(key=f"{KEYS.prefix}notes", value=b"", lease=0))
    assert "none of les-hooks" in told.line.faults[0]
    assert told.line.count == 3
    told.do(Delete(key=f"{KEYS.prefix}notes"))
    assert (told.line.faults, told.line.count) == ((), 2)


def test_a_key_on_no_lease_counts_for_nothing_as_it_would_stand_in_the_way_for_ever() -> None:
    told = Told("b")
    told.do(Put(key=key_of("a"), value=write_entry(entry("a")), lease=0))
    told.do(Put(key=key_of("b"), value=write_entry(entry("b")), lease=0))
    assert told.names() == []
    assert all("delete it" in fault for fault in told.line.faults)


def test_a_trace_on_a_lease_is_none() -> None:
    told = Told()
    told.do(Put(key=trace_of("a"), value=write_entry(entry("a")), lease=5))
    assert told.line.strays == ()
    assert "delete it" in told.line.faults[0]


def test_a_key_that_is_mended_is_a_fault_no_more() -> None:
    told = Told()
    told.do(Put(key=key_of("a"), value=GARBAGE, lease=lease_of("a")))
    told.do(*puts("a"))
    assert (told.line.faults, told.names()) == ((), ["a"])


# -- who goes ----------------------------------------------------------------------------------------------------------


def test_who_releases_takes_key_and_trace_away_in_one_revision_and_is_gone_in_order() -> None:
    told = Told("a", "b")
    (gone,) = told.do(Delete(key=key_of("a")), Delete(key=trace_of("a")), *puts("a", Place.ASIDE, 2))
    assert (gone.standing.boot, gone.led, gone.orderly, gone.parting) == (entry("a").boot, True, True, Parting.NONE)


def test_whose_lease_ran_out_leaves_its_trace_and_is_not_gone_in_order() -> None:
    told = Told("a", "b")
    (gone,) = told.do(Delete(key=key_of("a")))
    assert (gone.led, gone.orderly) == (True, False)
    assert [stray.boot for stray in told.line.strays] == [entry("a").boot]
    assert told.line.strays[0].revision == gone.standing.revision


def test_a_trace_beside_its_key_is_no_stray_and_none_when_it_is_swept() -> None:
    told = Told("a", "b")
    assert told.line.strays == ()
    told.do(Delete(key=key_of("a")))
    told.do(Delete(key=trace_of("a")))
    assert told.line.strays == ()


def test_strays_come_oldest_first() -> None:
    told = Told("b", "a")
    told.do(Delete(key=key_of("a")), Delete(key=key_of("b")))
    assert [stray.revision for stray in told.line.strays] == [1, 2]


def test_who_was_behind_another_has_not_led_and_the_last_one_has() -> None:
    told = Told("a", "b")
    assert [gone.led for gone in told.do(Delete(key=key_of("b")))] == [False]
    assert [gone.led for gone in told.do(Delete(key=key_of("a")))] == [True]


def test_who_stands_aside_has_not_led() -> None:
    told = Told()
    told.do(*puts("a", Place.ASIDE))
    assert [gone.led for gone in told.do(Delete(key=key_of("a", Place.ASIDE)))] == [False]


@pytest.mark.parametrize("parting", [Parting.GOODBYE, Parting.CRASHED])
def test_the_parting_is_known_at_both_of_its_steps_though_they_come_in_one_batch(parting: Parting) -> None:
    told = Told("a", "b")
    aside = puts("a", Place.ASIDE, 2, parting=parting)
    one = told.store.do(Delete(key=key_of("a")), Delete(key=trace_of("a")), *aside)
    other = told.store.do(Delete(key=key_of("a", Place.ASIDE, 2)))
    gone = told.line.follow(Batch(header=other.header, changes=(*one.changes, *other.changes)))
    assert [(each.parting, each.orderly) for each in gone] == [(parting, True), (parting, True)]


def test_of_a_key_that_could_not_be_read_no_parting_is_known() -> None:
    told = Told()
    told.do(Put(key=key_of("x"), value=GARBAGE, lease=5))
    (gone,) = told.do(Delete(key=key_of("x")))
    assert gone.parting is Parting.NONE


def test_a_list_tells_who_is_gone_and_who_came_anew() -> None:
    told = Told("a", "b", "c")
    for operations in (
        (Delete(key=key_of("a")),),
        (Delete(key=key_of("b")), Delete(key=trace_of("b"))),
        puts("b", stint=2),
    ):
        told.store.do(*operations)
    gone = told.line.replace(told.store.ranged())
    assert [(each.standing.revision, each.led, each.orderly) for each in gone] == [(1, True, False), (2, True, True)]
    assert told.names() == ["c", "b"]


def test_who_is_gone_is_told_in_the_order_of_seniority() -> None:
    told = Told("z", "y", "a")
    gone = told.do(*(Delete(key=key_of(name)) for name in "ayz"))
    assert [each.standing.revision for each in gone] == [1, 2, 3]


# -- revisions ---------------------------------------------------------------------------------------------------------


def test_what_is_known_already_changes_nothing() -> None:
    told = Told("a")
    batch = told.store.do(Delete(key=key_of("a")))
    assert len(told.line.follow(batch)) == 1
    told.do(*puts("a", stint=2))
    assert told.line.follow(batch) == []
    assert (told.names(), told.line.revision) == (["a"], 3)


def test_an_empty_batch_moves_the_revision_on_and_never_back() -> None:
    line = Line(KEYS)
    for revision, known in ((7, 7), (5, 7)):
        assert line.follow(Batch(header=header(revision), changes=())) == []
        assert line.revision == known


def test_a_comparison_confirms_a_revision_and_never_takes_it_back() -> None:
    line = Line(KEYS)
    for revision, known in ((7, 7), (5, 7)):
        line.confirm(revision)
        assert line.revision == known


def test_what_is_forgotten_is_not_gone() -> None:
    told = Told("a", "b")
    told.line.forget()
    assert (told.line.first, told.line.revision, told.line.count, told.line.strays) == (None, 0, 0, ())
    assert told.line.replace(Store().ranged()) == []


# -- members and wishes ------------------------------------------------------------------------------------------------


def test_members_are_those_in_line_by_seniority_and_then_those_aside() -> None:
    told = Told("c")
    told.do(*puts("b", Place.ASIDE))
    told.do(*puts("a"))
    assert [each.entry.name for each in told.line.members() if each.entry] == ["c", "a", "b"]


def test_of_two_processes_at_one_address_the_newer_is_the_member() -> None:
    told = Told()
    told.do(*puts("a", stint=1, counter=2))
    told.do(*puts("a", stint=2, counter=1))
    told.do(*puts("a", Place.ASIDE, stint=3, counter=1))
    assert [each.boot for each in told.line.members()] == [entry("a", 2).boot]


def test_of_two_keys_of_one_process_the_one_that_was_written_last_stands_for_it() -> None:
    told = Told("a")
    told.do(*puts("a", Place.ASIDE, 2))
    assert [each.place for each in told.line.members()] == [Place.ASIDE]


def test_a_wish_names_those_in_line_at_that_address_with_its_revision() -> None:
    told = Told("a", "b")
    told.do(*puts("x", Place.ASIDE, heir=address("b")))
    told.do(*puts("y", Place.ASIDE, heir=address("nobody")))
    told.do(Put(key=key_of("z"), value=GARBAGE, lease=5))
    assert list(told.line.wishes()) == [(told.line.find(key_of("b")), 3)]


# -- any sequence ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c"])
STINTS = st.integers(1, 2)
VALUES = st.sampled_from(
    [write_entry(entry(name, role=role)) for name in "ab" for role in (Role.FOLLOWER, Role.LEADER)] + [GARBAGE, b""]
)
ANY_KEYS = st.one_of(
    st.builds(key_of, NAMES, st.sampled_from(Place), STINTS),
    st.builds(trace_of, NAMES, STINTS),
    st.sampled_from([f"{KEYS.prefix}{rest}" for rest in ("", "notes", "line/", "line/x/1.1", "trace/x/1.1", "trace/")]),
)
OPERATIONS = st.one_of(
    st.builds(Put, key=ANY_KEYS, value=VALUES, lease=st.sampled_from([0, 5, 6])), st.builds(Delete, key=ANY_KEYS)
)
TURNS = st.lists(st.lists(OPERATIONS, min_size=1, max_size=3, unique_by=lambda operation: operation.key), max_size=8)


def state(line: Line) -> object:
    """All that can be seen of a line."""
    return (
        line.all(Place.LINE), line.all(Place.ASIDE), line.strays, line.faults, line.count, line.first, line.leader,
        list(line.members()), sorted(line.wishes(), key=str), line.revision,
    )  # fmt: skip


@given(TURNS, st.data())
def test_any_sequence_of_batches_comes_to_what_a_list_of_the_end_comes_to(turns: Any, data: st.DataObject) -> None:
    store, followed, listed = Store(), Line(KEYS), Line(KEYS)
    changes: list[Any] = []
    for turn in turns:
        batch = store.do(*turn)
        changes += batch.changes
        if data.draw(st.booleans()):
            followed.follow(Batch(header=batch.header, changes=tuple(changes)))
            changes = []
    followed.follow(Batch(header=header(store.revision), changes=tuple(changes)))
    followed.confirm(store.revision)
    listed.replace(store.ranged())
    assert state(followed) == state(listed)
    assert followed.count == len(store.kvs)


@given(TURNS, TURNS)
def test_one_that_follows_and_one_that_lists_miss_the_same_keys(before: Any, after: Any) -> None:
    """Who went is known either way, but for those that came and went between two lists."""
    store, followed, listed = Store(), Line(KEYS), Line(KEYS)
    for turn in before:
        followed.follow(store.do(*turn))
    listed.replace(store.ranged())
    stood = {(each.key, each.revision) for place in Place for each in listed.all(place)}
    told = [gone for turn in after for gone in followed.follow(store.do(*turn))]
    found = listed.replace(store.ranged())
    assert {(each.standing.key, each.standing.revision) for each in found} <= stood
    assert {(each.standing.key, each.standing.revision) for each in found} <= {
        (each.standing.key, each.standing.revision) for each in told
    }
