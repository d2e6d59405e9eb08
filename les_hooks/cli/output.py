"""How answers look: aligned tables, calm colours on a terminal only, and JSON. For the commands.

Whatever comes from a file or from another node goes through `printable` here, so that commands need not think of it.
"""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from les_hooks.text import printable

__all__ = [
    "Cell",
    "ago",
    "beside",
    "clock_time",
    "emit_json",
    "emit_line",
    "fields",
    "length",
    "note",
    "paint",
    "say",
    "seconds",
    "table",
    "unaccepted",
    "utc_time",
]

_GAP = "  "
_BELOW = "    "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and its colour, a word that click knows."""

    text: str
    colour: str = ""


def paint(text: str, colour: str) -> str:
    """Colour the text, on a terminal whose user has not said NO_COLOR."""
    if not colour or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, dim=True) if colour == "dim" else click.style(text, fg=colour)


def say(text: str = "", colour: str = "") -> None:
    """Print one line of an answer."""
    click.echo(paint(printable(text), colour))


def note(text: str) -> None:
    """Print one line beside the answer, to standard error."""
    click.echo(printable(text), err=True)


def emit_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def emit_line(value: object, *, at_once: bool = True) -> None:
    """Print one line of JSON; somebody may wait for it, or for a million of them."""
    sys.stdout.write(f"{msgspec.json.encode(value).decode()}\n")
    if at_once:
        sys.stdout.flush()


def table(headers: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> None:
    """Print rows under their headers, each column as wide as its widest cell.

    On a terminal that is too narrow for a row its last cells stand below it, indented.
    """
    limit = _limit()
    cells = [[_cell(value) for value in row] for row in rows]
    # One long cell must not push all others off the screen.
    widths = [
        max([len(header), *(len(row[i].text) for row in cells if len(row[i].text) <= limit // 2)])
        for i, header in enumerate(headers)
    ]
    click.echo(paint(_fitting([Cell(header.upper()) for header in headers], widths, limit)[0], "dim"))
    for row in cells:
        for line in _fitting(row, widths, limit):
            click.echo(line)


def fields(pairs: Iterable[tuple[str, str | Cell]], *, indent: str = "", wrap: bool = False) -> None:
    """Print names and values, the values aligned; pairs without a value are left out.

    With `wrap` a value that is too long for the terminal goes on in the next line, under itself; what is to be copied
    from there should not.
    """
    shown = [(name, _cell(value)) for name, value in pairs]
    shown = [(name, cell) for name, cell in shown if cell.text]
    width = max((len(name) for name, _ in shown), default=0)
    room = _limit() - len(indent) - width - len(_GAP) if wrap else sys.maxsize
    for name, cell in shown:
        for i, text in enumerate(_lines(cell.text, room)):
            label = paint((name if i == 0 else "").ljust(width), "dim")
            click.echo(f"{indent}{label}{_GAP}{paint(text, cell.colour)}")


def beside(lead: Sequence[tuple[Cell, int]], text: Cell) -> None:
    """Print cells, each of some width, and a text after them, which goes on under itself where it is too long."""
    cells = [(_cell(cell), width) for cell, width in lead]
    shown = _cell(text)
    margin = len(_GAP.join(cell.text.ljust(width) for cell, width in cells)) + len(_GAP)
    first = _GAP.join(paint(cell.text.ljust(width), cell.colour) for cell, width in cells)
    for i, line in enumerate(_lines(shown.text, _limit() - margin)):
        click.echo(f"{first if i == 0 else ' ' * (margin - len(_GAP))}{_GAP}{paint(line, shown.colour)}".rstrip())


def length(milliseconds: float) -> str:
    """A short length of time: `0.21 ms`, `340 ms`, and from a second on as `seconds` says it."""
    if milliseconds >= _MILLISECONDS:
        return seconds(milliseconds / _MILLISECONDS)
    return f"{milliseconds:.3g} ms" if milliseconds < _MILLISECONDS / 10 else f"{milliseconds:.0f} ms"


def clock_time(unix: float | None, *, date: bool = True, exact: bool = True) -> str:
    """Unix seconds as local time, to the millisecond where that is `exact` enough to matter; `-` for none."""
    form = "%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S"
    try:
        whole = "-" if unix is None else time.strftime(form, time.localtime(unix))
    except (OverflowError, ValueError, OSError):  # no moment of this calendar
        return "-"
    return f"{whole}.{int(unix % 1 * 1000):03d}" if exact and unix is not None else whole


def utc_time(unix: float) -> str:
    """Unix seconds as `2026-11-22T14:00:00Z`: a moment that all nodes tell, and not each in its own time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def seconds(value: float) -> str:
    """A length of time in the two units that matter: `1.5 s`, `3 min 20 s`, `2 h 5 min`, `9 d 4 h`."""
    whole = int(value)
    if value < _MINUTE:
        return f"{value:.3g} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def ago(unix: float | None) -> str:
    """How long ago this moment was; `-` for none."""
    return "-" if unix is None else f"{seconds(max(0.0, time.time() - unix))} ago"


def unaccepted(leader: Mapping[str, Any]) -> str:
    """A leader that only others accept, in words."""
    name = f"{leader['name']} ({leader['address']})" if leader["name"] else leader["address"]
    return f"{name} leads, but this node does not accept it" + (f": {leader['why']}" if leader["why"] else "")


def _limit() -> int:
    """How wide a line may be: what is no terminal takes any."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _cell(value: str | Cell) -> Cell:
    return Cell(printable(value)) if isinstance(value, str) else Cell(printable(value.text), value.colour)


def _fitting(row: Sequence[Cell], widths: Sequence[int], limit: int) -> list[str]:
    """The row as a line, and lines below it for the cells that are beyond the limit."""
    count = len(row)
    while count > 1 and _length(row[:count], widths) > limit:
        count -= 1
    below = [line for cell in row[count:] if cell.text for line in _wrapped(cell, limit)]
    return [_line(row[:count], widths[:count]), *below]


def _length(row: Sequence[Cell], widths: Sequence[int]) -> int:
    return len(_GAP.join(cell.text.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())


def _wrapped(cell: Cell, limit: int) -> list[str]:
    return [_BELOW + paint(line, cell.colour) for line in _lines(cell.text, limit - len(_BELOW))]


def _lines(text: str, room: int) -> list[str]:
    """The text in lines of this length; a word that is longer than one stays whole."""
    if len(text) <= room:
        return [text]
    return textwrap.wrap(text, max(room, 20), break_long_words=False, break_on_hyphens=False)


def _line(cells: Sequence[Cell], widths: Sequence[int]) -> str:
    last = len(cells) - 1
    padded = (cell.text if i == last else cell.text.ljust(widths[i]) for i, cell in enumerate(cells))
    return _GAP.join(paint(text, cell.colour) for text, cell in zip(padded, cells, strict=True)).rstrip()
