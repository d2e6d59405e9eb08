"""Durations read as an operator means them, and are written so that they read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.config.durations import format_duration, parse_duration, parse_interval


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1.5s", 1.5), ("30s", 30.0), ("2m", 120.0), ("1h", 3600.0), ("1.1h", 3960.0), ("0s", 0.0)],
)
def test_each_unit_is_read_as_exact_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-1s", "+1s", " 1s", "1 s", "1s\n", "1h30m", "1S", "1e3s", ".5s", "٣s"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r'write a number and its unit \(ms, s, m or h\), such as "30s"'):
        parse_duration(text)


def test_no_duration_is_longer_than_a_year() -> None:
    assert parse_duration("8784h") == 366 * 86400
    with pytest.raises(ValueError, match="longer than a year"):
        parse_duration("8785h")


def test_an_interval_takes_at_least_a_millisecond() -> None:
    assert parse_interval("1ms") == 0.001
    with pytest.raises(ValueError, match="too short"):
        parse_interval("0.999ms")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.5, "500ms"), (1.5, "1500ms"), (30.0, "30s"), (90.0, "90s"), (120.0, "2m"), (3600.0, "1h")],
)
def test_the_largest_unit_without_a_fraction_is_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 999_999_999), st.sampled_from(["", ".5", ".25", ".001"]), st.sampled_from(["ms", "s", "m", "h"]))
def test_what_is_written_reads_back(whole: int, fraction: str, unit: str) -> None:
    try:
        seconds = parse_duration(f"{whole}{fraction}{unit}")
    except ValueError:
        return
    assert parse_duration(format_duration(seconds)) == seconds
