"""What an operator is warned of, whatever the engine tells or leaves out."""

import pytest

from les_hooks.control.warnings import warnings

VOTER = {"address": "10.0.0.1:4000", "name": "a", "heard": True, "agrees": True, "granted": False}
AWAY = {**VOTER, "address": "10.0.0.2:4000", "name": "b", "heard": False}


def test_the_engine_s_own_warnings_come_first() -> None:
    engine = {"warnings": ["the state directory does not survive"], "quorum": {"mode": "members"}}
    assert warnings(engine) == ["the state directory does not survive"]


@pytest.mark.parametrize("engine", [{}, {"quorum": None, "warnings": None}, {"quorum": {"mode": "majority"}}])
def test_an_engine_that_tells_nothing_is_no_warning(engine: dict[str, object]) -> None:
    assert warnings(engine) == []


def test_a_voter_that_is_not_heard_is_told() -> None:
    unknown = {**AWAY, "name": None, "address": "10.0.0.3:4000"}
    assert warnings({"quorum": {"voters": [VOTER, AWAY, unknown]}}) == [
        "the voter b (10.0.0.2:4000) is not heard",
        "the voter 10.0.0.3:4000 is not heard",
    ]


@pytest.mark.parametrize(("count", "bears"), [(2, 0), (4, 1), (6, 2)])
def test_an_even_number_of_voters_is_told(count: int, bears: int) -> None:
    (warning,) = warnings({"quorum": {"voters": [VOTER] * count}})
    assert warning == f"{count} voters bear the loss of {bears}, as {count - 1} would; add a witness"


def test_an_odd_number_is_not() -> None:
    assert warnings({"quorum": {"voters": [VOTER] * 3}}) == []
