import json
import re
from pathlib import Path

import pytest

from les_hooks.audit import CHAIN_FIELDS, CORE_FIELDS, SCHEMA, Action, Outcome
from les_hooks.audit.actions import SYNCED
from les_hooks.audit.chain import link
from les_hooks.audit.checkpoints import checkpoints_of
from les_hooks.audit.findings import Kind
from les_hooks.events import Reason
from tests.audit.spoken import spoken

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()

OF_EVENTS = "of events"


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def rows(name: str) -> list[str]:
    """The first column of the tables in a section of the page."""
    return re.findall(r"^\| `([^`]+)` \|", section(name), re.MULTILINE)


def described() -> dict[str, set[str]]:
    """The further fields of each action that the page has a row for."""
    of_events = re.search(r"The fields of events are those (.*?); the names", section("Actions"), re.DOTALL)
    assert of_events is not None
    common = set(re.findall(r"`(\w+)`", of_events[1])) - {"seq"}
    found = {}
    for action, fields in re.findall(r"^\| `([^`]+)` \|.*\|([^|]*)\|$", section("Actions"), re.MULTILINE):
        found[action] = common if fields.strip() == OF_EVENTS else set(re.findall(r"`(\w+)`", fields))
    return found


def test_the_page_describes_every_field_in_order() -> None:
    assert rows("Fields") == [*CORE_FIELDS, *CHAIN_FIELDS]


def test_the_page_describes_every_action_in_order() -> None:
    bundled = [action for action in rows("Actions") if action.startswith("plugin.") and action.count(".") > 1]
    assert [action for action in rows("Actions") if action not in bundled] == [action.value for action in Action]
    assert bundled == sorted(bundled)


@pytest.mark.parametrize("action", sorted(spoken().keys() | described().keys()))
def test_the_page_describes_the_further_fields_of_every_record_that_the_code_leaves(action: str) -> None:
    assert described().get(action) == spoken().get(action), f"docs/audit.md, section Actions, and the code: {action}"


def test_every_action_is_left_by_some_code() -> None:
    assert {action.value for action in Action} <= spoken().keys()


def test_the_page_describes_every_outcome_in_order() -> None:
    assert rows("Outcomes") == [outcome.value for outcome in Outcome]


def test_the_page_describes_every_reason_in_order() -> None:
    assert rows("Reasons") == [reason.value for reason in Reason]


def test_the_page_tells_which_records_are_synced() -> None:
    told = re.search(r"- Synced are (.*?)\. ", section("What is promised, and what is not"), re.DOTALL)
    assert told is not None
    assert set(re.findall(r"`([^`]+)`", told[1])) == {action.value for action in SYNCED}


def test_the_page_tells_every_kind_of_fault() -> None:
    told = set(re.findall(r"\*\*([a-z-]+)\*\*", section("Verifying")))
    assert told == {kind.value for kind in Kind} - {Kind.TORN, Kind.BEGINS, Kind.DROPPED}


def test_the_example_on_the_page_is_a_record() -> None:
    line = PAGE.split("```json\n", 1)[1].split("```", 1)[0]
    example = json.loads(line)

    assert list(example)[: len(CORE_FIELDS)] == list(CORE_FIELDS)
    assert list(example)[-2:] == list(CHAIN_FIELDS)
    assert example["schema"] == SCHEMA
    assert example["action"] in [action.value for action in Action]
    assert list(example)[len(CORE_FIELDS) : -2] == ["plugin", "event", "attempt", "duration_ms"]
    found = link(line.encode())
    assert found is not None
    assert found.fits


def test_the_checkpoint_on_the_page_is_one_of_that_example() -> None:
    line = section("The chain").split("```json\n", 1)[1].split("```", 1)[0]
    (checkpoint,) = checkpoints_of([line.encode()], "log", {("a", "web")}).values()
    found = link(PAGE.split("```json\n", 1)[1].split("```", 1)[0].encode())
    assert found is not None
    assert (checkpoint.seq, checkpoint.hash) == (found.seq, found.hash)
