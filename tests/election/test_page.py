"""`docs/election.md` tells the rules and every transition, in the words of the code."""

import ast
import inspect
import itertools
import re
from enum import StrEnum
from pathlib import Path

import pytest

from les_hooks.election import roles
from les_hooks.election.roles import TRANSITIONS, Role, Trigger

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "election.md").read_text(encoding="utf-8")


def meanings(enum: type[StrEnum]) -> dict[str, str]:
    """What stands under each member in the source; Python itself drops it."""
    [body] = [
        node.body
        for node in ast.parse(inspect.getsource(roles)).body
        if isinstance(node, ast.ClassDef) and node.name == enum.__name__
    ]
    found = {}
    for member, text in itertools.pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            value = ast.literal_eval(member.value)
            found[str(value)] = str(text.value.value)
    return found


def table(heading: str) -> list[str]:
    """The lines of the table under this heading, without its head."""
    _, _, rest = PAGE.partition(f"\n## {heading}\n")
    return [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")][2:]


def test_the_page_has_every_transition_and_no_other() -> None:
    """In the order of the code; the meaning is that of the trigger."""
    why = meanings(Trigger)
    rows = [f"| {role} | {trigger} | {after} | {why[trigger]} |" for (role, trigger), after in TRANSITIONS.items()]
    assert table("What a node is") == rows


def test_the_page_says_what_each_role_is() -> None:
    what = meanings(Role)
    assert table("What each role means") == [f"| {role} | {what[role]} |" for role in Role]


def test_every_role_is_reached_and_every_trigger_used() -> None:
    assert set(TRANSITIONS.values()) | {Role.JOINING} == set(Role)
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


@pytest.mark.parametrize("number", range(1, 15))
def test_every_rule_is_on_the_page_and_has_tests_in_its_name(number: int) -> None:
    assert re.search(rf"^{number}\. \*\*", PAGE, re.MULTILINE)
    tests = (ROOT / "tests" / "election" / "test_rules.py").read_text(encoding="utf-8")
    assert f"def test_rule_{number:02}_" in tests
