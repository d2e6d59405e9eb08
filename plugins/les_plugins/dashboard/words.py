"""How the page says moments, lengths of time, names and states: the words and marks that all parts share.

Private to `dashboard`.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from les_hooks.cli.output import seconds
from les_plugins.dashboard.markup import Markup, tag

__all__ = ["Tone", "clock", "lasting", "mark", "moment", "short", "who", "zone"]

_DAY: Final = 86_400.0


class Tone(StrEnum):
    """How something is; each has a shape of its own, so that nobody needs colours to tell them apart."""

    LEADS = "leads"
    WELL = "well"
    OFF = "off"
    WARNS = "warns"
    FAILS = "fails"


# On a field of 12 by 12.
_SHAPES: Final[Mapping[Tone, Markup]] = {
    Tone.LEADS: tag("circle", cx=6, cy=6, r=5),
    Tone.WELL: tag("circle", cx=6, cy=6, r=4, class_="ring"),
    Tone.OFF: tag("path", d="M2 6h8", class_="ring"),
    Tone.WARNS: tag("path", d="M6 1.2 11.4 10.6H.6z"),
    Tone.FAILS: tag("path", d="M2.2 2.2l7.6 7.6m0-7.6-7.6 7.6", class_="ring thick"),
}


def mark(tone: Tone) -> Markup:
    """The shape of a state; the words beside it say the same."""
    return tag("svg", _SHAPES[tone], class_=f"mark {tone}", viewBox="0 0 12 12", aria_hidden="true")


def moment(unix: float, now: float) -> Markup:
    """A moment by the clock of the node, with its day where that is not today's."""
    text = clock(unix) if _day(unix) == _day(now) else time.strftime("%-d %b %H:%M", time.localtime(unix))
    return tag("time", text, datetime=_iso(unix), title=f"{_day(unix)} {clock(unix)}")


def clock(unix: float) -> str:
    """The time of day."""
    return time.strftime("%H:%M:%S", time.localtime(unix))


def zone() -> str:
    """What the clock of the node goes by."""
    return datetime.now().astimezone().strftime("%Z, UTC%z")


def lasting(length: float) -> str:
    """A length of time, in seconds, in the units that matter."""
    return f"{length * 1000:.3g} ms" if 0.0 < length < 1.0 else seconds(max(0.0, length))


def who(name: str | None, address: str) -> str:
    """A member in one line of plain text."""
    return f"{name} ({address})" if name else address


def short(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis: for pictures, where nothing wraps."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _day(unix: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(unix))


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
