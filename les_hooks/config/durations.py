"""Durations as an operator writes them, `"250ms"` or `"1.5s"`, to and from seconds. Anybody may import it."""

import math
import re
from decimal import Decimal

__all__ = [
    "DURATION_PATTERN",
    "WAIT_PATTERN",
    "format_duration",
    "format_wait",
    "parse_duration",
    "parse_interval",
    "parse_wait",
]

DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})?(ms|s|m|h)$"
"""What a duration looks like, for schemas; `parse_duration` is the authority."""

NEVER = "never"

WAIT_PATTERN = rf"{DURATION_PATTERN}|^{NEVER}$"
"""What a duration that may be endless looks like, for schemas."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}

# The platform's timers take 292 years; a year is more than anything here can mean, and far enough from that.
_LONGEST = 366 * 86400
_SHORTEST = 0.001


def parse_duration(text: str) -> float:
    """Return the seconds of `"250ms"`, `"1.5s"`, `"2m"` or `"1h"`; raises ValueError with the reason."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError('is no duration; write a number and its unit (ms, s, m or h), such as "30s"')
    # Decimals, so that "1.1h" is 3960 seconds and not a little more.
    seconds = float(Decimal(match[1]) * _SECONDS[match[2]])
    if seconds > _LONGEST:
        raise ValueError("is longer than a year")
    return seconds


def parse_interval(text: str) -> float:
    """As `parse_duration`, for what must take time: a millisecond is the least."""
    seconds = parse_duration(text)
    if seconds < _SHORTEST:
        raise ValueError('is too short; "1ms" is the least')
    return seconds


def format_duration(seconds: float) -> str:
    """Write seconds as a duration in the largest unit that needs no fraction."""
    exact = Decimal(repr(seconds))
    for unit in ("h", "m", "s", "ms"):
        count = exact / _SECONDS[unit]
        if count == count.to_integral_value() and (count or unit == "s"):
            return f"{count:.0f}{unit}"
    return f"{(exact / _SECONDS['ms']).normalize():f}ms"


def parse_wait(text: str) -> float:
    """As `parse_duration`, but `"never"` is understood too: infinite."""
    return math.inf if text == NEVER else parse_duration(text)


def format_wait(seconds: float) -> str:
    """The inverse of `parse_wait`."""
    return NEVER if seconds == math.inf else format_duration(seconds)
