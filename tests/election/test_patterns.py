"""Broken links, every way: exactly one leader wherever a majority of voters can have one, and none elsewhere."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.election.sim.patterns import check_majority, is_led, patterns

HOW = pytest.mark.parametrize(
    ("refuse", "from_start"),
    [(False, True), (False, False), (True, True), (True, False)],
    ids=["silent from the start", "falling silent", "refused from the start", "refused at once"],
)

ROOT = Path(__file__).parents[2]


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


def test_the_command_looks_at_every_pattern() -> None:
    """With processes of its own; five nodes take minutes."""
    command = [sys.executable, "-m", "tests.election.sim", "patterns", "--nodes", "3", "--mode", "majority"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout.startswith("majority: 32 patterns, 0 violations"), done.stdout + done.stderr
