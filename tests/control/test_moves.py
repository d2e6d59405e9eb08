"""What may be asked of leadership, and what is refused before anything is done."""

import re

import pytest

from les_hooks.control.moves import Maintain, StepDown, Transfer, any_move, check_note, read
from les_hooks.errors import ControlError


def test_a_request_says_which_move_it_is_of_or_its_action_does() -> None:
    assert read(StepDown, {}) == any_move({"move": "step-down"}) == StepDown()
    assert read(Transfer, {"target": "b"}) == any_move({"move": "transfer", "target": "b", "timeout": 10})
    assert read(Maintain, {"seconds": 60, "note": "new disk"}).note == "new disk"


@pytest.mark.parametrize("note", ["", "new disk", "x" * 200, "Größe, 漢字, 🙂"])
def test_a_reason_is_one_short_line_in_any_language(note: str) -> None:
    assert check_note(note) == note


@pytest.mark.parametrize("note", ["x" * 201, "two\nlines", "\x1b[2J", "a\tb", "\u202eabc", "\u2028", "\udc80", "\x00"])
def test_a_reason_that_could_fool_a_terminal_is_refused(note: str) -> None:
    for asked in ({"move": "step-down"}, {"move": "maintenance", "seconds": 1.0}):
        with pytest.raises(ControlError, match="the reason"):
            any_move({**asked, "note": note})


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "missing required field `move`"),
        ({"move": "jump"}, "Invalid value 'jump'"),
        ({"move": "step-down", "reason": "x"}, "unknown field `reason`"),
        ({"move": "step-down", "note": 7}, "Expected `str`, got `int`"),
        ({"move": "transfer"}, "missing required field `target`"),
        ({"move": "transfer", "target": ""}, "length >= 1"),
        ({"move": "transfer", "target": "b", "timeout": 0}, "> 0"),
        ({"move": "transfer", "target": "b", "timeout": 1e9}, "<= 3600"),
        ({"move": "maintenance"}, "missing required field `seconds`"),
        ({"move": "maintenance", "seconds": -1.0}, "> 0"),
        ({"move": "maintenance", "seconds": float("nan")}, "> 0"),
        ({"move": "maintenance", "seconds": float("inf")}, "<= 31622400"),
        ({"move": "maintenance", "seconds": "1h"}, "Expected `float`"),
    ],
)
def test_what_is_malformed_is_refused_with_its_fault(asked: dict[str, object], why: str) -> None:
    with pytest.raises(ControlError, match=re.escape(why)) as caught:
        any_move(asked)
    assert caught.value.why.startswith("the request is malformed: ")
