"""Rise and fall: the first result counts at once, later ones only in a row."""

import pytest

from les_plugins.checks.track import State, Track


def course(results: str, *, rise: int = 2, fall: int = 3) -> str:
    """The states after each of the results: + good, - bad; F fit, U unfit."""
    track = Track(rise=rise, fall=fall)
    states = []
    for at, result in enumerate(results):
        track.note("" if result == "+" else f"why {at}", at=float(at), took=0.5)
        states.append("F" if track.state is State.FIT else "U")
    return "".join(states)


@pytest.mark.parametrize(
    ("results", "states"),
    [
        ("+", "F"),
        ("-", "U"),
        ("+---", "FFFU"),
        ("+--+--+--+", "FFFFFFFFFF"),  # flaps, and never three in a row
        ("-+-+-+-", "UUUUUUU"),
        ("-++", "UUF"),
        ("-++---++", "UUFFFUUF"),
        ("+-+---+-++", "FFFFFUUUUF"),
    ],
)
def test_rise_2_and_fall_3(results: str, states: str) -> None:
    assert course(results) == states


def test_with_1_and_1_each_result_counts() -> None:
    assert course("+-+--++", rise=1, fall=1) == "FUFUUFF"


def test_the_reason_is_that_of_the_turn_until_the_next() -> None:
    track = Track(rise=2, fall=1)
    assert track.state is State.UNKNOWN
    assert track.note("refused", at=1.0, took=0.1)
    assert not track.note("timeout", at=2.0, took=1.0)
    assert (track.why, track.last, track.since, track.took) == ("refused", "timeout", 1.0, 1.0)
    assert not track.note("", at=3.0, took=0.1)
    assert track.note("", at=4.0, took=0.1)
    assert (track.why, track.since, track.runs, track.failures) == ("", 4.0, 4, 2)
