"""Reading the audit trail back, as `les audit show` does. What is not a record is reported, never fatal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from les_hooks.audit.actions import CORE_FIELDS, SCHEMA
from les_hooks.audit.files import lines, opened
from les_hooks.text import printable

__all__ = ["Damage", "Entry", "parse", "read"]

_SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record, and the line of the file that it stands on, counted from 1."""

    line: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A line that is no record, `why`, and the beginning of its text, made safe to show."""

    line: int
    why: str
    text: str


def read(path: Path) -> Iterator[Entry | Damage]:
    """Yield what is in the file, line by line, in the order of the file.

    Raises OSError when the file cannot be read.
    """
    with opened(path) as file:
        for number, line in enumerate(lines(file), 1):
            yield parse(number, line)


def parse(number: int, line: bytes) -> Entry | Damage:
    """Make sense of a line, its end included."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        why = "is not JSON" if line.endswith(b"\n") else "is cut short, or longer than a record can be"
    else:
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            why = f"is not a record of {SCHEMA}"
        elif lacking := [name for name in CORE_FIELDS if name not in record]:
            why = f"lacks {', '.join(lacking)}"
        else:
            return Entry(line=number, record=record)
    shown = line[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace").rstrip("\n")[:_SHOWN_CHARACTERS]
    return Damage(line=number, why=why, text=printable(shown))
