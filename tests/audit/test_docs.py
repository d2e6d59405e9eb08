import json
import re
from pathlib import Path

from les_hooks.audit import CORE_FIELDS, SCHEMA, Action, Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


def rows(section: str) -> list[str]:
    """The first column of the table in a section of the page."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_the_page_describes_every_field_in_order() -> None:
    assert rows("Fields") == list(CORE_FIELDS)


def test_the_page_describes_every_action_in_order() -> None:
    assert rows("Actions") == [action.value for action in Action]


def test_the_page_describes_every_outcome_in_order() -> None:
    assert rows("Outcomes") == [outcome.value for outcome in Outcome]


def test_the_example_on_the_page_is_a_record() -> None:
    example = json.loads(PAGE.split("```json\n", 1)[1].split("```", 1)[0])

    assert list(example)[: len(CORE_FIELDS)] == list(CORE_FIELDS)
    assert example["schema"] == SCHEMA
    assert example["action"] in [action.value for action in Action]
