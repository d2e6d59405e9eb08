"""Lists of voters that differ: which cannot elect two leaders, and who yields where they could."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.election.electorates import rival_of, share_a_voter
from les_hooks.election.frames import Electorate, State
from tests.election.lone import state_of

LISTS = st.sets(st.sampled_from("abcdefg"), min_size=1).map(lambda names: "".join(sorted(names)))


def by(voters: str) -> Electorate:
    return Electorate(tuple(voters), 4.0)


def node(address: str, voters: str, *, leads: int = 0) -> State:
    """A node that goes by these voters, and leads in that term."""
    return state_of(address, electorate=by(voters), role="leader" if leads else "follower", led_term=leads)


@pytest.mark.parametrize(
    ("one", "other", "safe"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", True),
        ("abc", "ab", True),
        ("abcd", "abcde", True),
        ("abc", "abd", False),
        ("abc", "cde", False),
        ("abc", "bcd", False),
        ("abc", "abcde", False),
        ("a", "b", False),
    ],
)
def test_lists_that_differ_by_one_voter_share_one_in_all_their_majorities(one: str, other: str, safe: bool) -> None:
    assert share_a_voter(by(one), by(other)) == safe
    assert share_a_voter(by(other), by(one)) == safe


@given(LISTS, st.sampled_from("abcdefg"))
def test_adding_one_voter_to_any_list_is_safe(voters: str, another: str) -> None:
    assert share_a_voter(by(voters), by("".join(sorted({*voters, another}))))


def test_where_all_go_by_the_same_nobody_yields() -> None:
    assert rival_of(by("abc"), [node("b", "abc", leads=7), node("c", "abc")], 0) is None


def test_who_comes_with_another_list_yields_to_the_leader_that_there_is() -> None:
    assert rival_of(by("abx"), [node("b", "abc", leads=3)], 0) == by("abc")
    assert rival_of(by("abc"), [node("x", "abx")], 3) is None


def test_of_two_leaders_the_one_of_the_lower_term_yields() -> None:
    assert rival_of(by("abc"), [node("d", "cde", leads=5)], 4) == by("cde")
    assert rival_of(by("cde"), [node("a", "abc", leads=4)], 5) is None


def test_of_two_leaders_of_one_term_the_one_of_the_higher_list_yields() -> None:
    assert rival_of(by("cde"), [node("a", "abc", leads=4)], 4) == by("abc")
    assert rival_of(by("abc"), [node("d", "cde", leads=4)], 4) is None


def test_a_follower_counts_the_leader_of_its_own_list() -> None:
    assert rival_of(by("abc"), [node("a", "abc", leads=5), node("d", "cde", leads=4)], 0) is None


def test_where_nobody_leads_only_one_of_two_lists_that_can_elect_may() -> None:
    assert rival_of(by("cde"), [node("a", "abc"), node("b", "abc")], 0) == by("abc")
    assert rival_of(by("abc"), [node("d", "cde"), node("e", "cde")], 0) is None


def test_a_list_that_cannot_elect_anybody_stops_nobody() -> None:
    """One node with a misspelt voter does not cost the others their leader."""
    assert rival_of(by("abd"), [node("c", "abc")], 0) is None
    assert rival_of(by("cde"), [node("a", "abc"), node("x", "abc")], 0) is None


def test_lists_that_cannot_elect_two_may_both_go_on() -> None:
    assert rival_of(by("abcd"), [node("a", "abc", leads=5), node("b", "abc")], 0) is None


def test_nodes_of_members_mode_have_no_list() -> None:
    assert rival_of(by("abc"), [state_of("x")], 0) is None
