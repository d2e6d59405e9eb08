"""Broken links, every way: exactly one leader wherever a majority of voters can have one, and none elsewhere."""

import random

import pytest

from tests.election.sim.patterns import check_majority, is_led, patterns

HOW = pytest.mark.parametrize(
    ("refuse", "from_start"),
    [(False, True), (False, False), (True, True), (True, False)],
    ids=["silent from the start", "falling silent", "refused from the start", "refused at once"],
)


def test_of_the_patterns_of_five_nodes_998_can_have_a_leader() -> None:
    assert sum(is_led("abcde", broken) for broken in patterns("abcde")) == 998
    assert len(patterns("abcde")) == 1024


@HOW
def test_three_voters_have_one_leader_wherever_one_is_possible(refuse: bool, from_start: bool) -> None:
    for broken in patterns("abc"):
        check_majority("abc", broken, refuse=refuse, from_start=from_start)


@HOW
def test_five_voters_have_one_leader_wherever_one_is_possible(refuse: bool, from_start: bool) -> None:
    """A sample; `python -m tests.election.sim patterns` looks at all 1024."""
    for broken in random.Random(5).sample(patterns("abcde"), 40):
        check_majority("abcde", broken, refuse=refuse, from_start=from_start)
