"""What the verification of a trail finds, in bounded number. Values; for `verify` and who shows them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

__all__ = ["Finding", "Findings", "Kind", "Place"]

# Who changes each second line of a long trail needs no list of them.
_MOST: Final = 1000


class Kind(StrEnum):
    """What it is."""

    MISSING = "missing"
    CHANGED = "changed"
    BROKEN = "broken"
    TWICE = "twice"
    REORDERED = "reordered"
    FOREIGN = "foreign"
    UNCHAINED = "unchained"
    REWRITTEN = "rewritten"
    CUT_OFF = "cut-off"
    UNREADABLE = "unreadable"
    TORN = "torn"
    BEGINS = "begins"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One, or several in a row, of records `seq` to `last_seq` on the lines from `place` to `last_line`."""

    kind: Kind
    fault: bool
    place: Place | None
    last_line: int
    seq: int | None
    last_seq: int | None
    why: str

    def __str__(self) -> str:
        where = "" if self.place is None else str(self.place)
        if self.place is not None and self.last_line > self.place.line:
            where += f"-{self.last_line}"
        which = "" if self.seq is None else f"#{self.seq}"
        if self.seq != self.last_seq:
            which += f" to #{self.last_seq}"
        return ": ".join(part for part in (where, f"{which} {self.why}".strip()) if part)


class Findings:
    """Gathers them; only so many are kept, and `faults` counts all that are faults."""

    def __init__(self) -> None:
        self.faults = 0
        self._kept: list[Finding] = []

    @property
    def all(self) -> tuple[Finding, ...]:
        """Those that were kept, in the order in which they were found."""
        return tuple(self._kept)

    def fault(self, kind: Kind, place: Place | None, seq: int | None, why: str, *, last_seq: int | None = None) -> None:
        """Add what is wrong."""
        self.faults += 1
        self._add(kind, place, seq, why, last_seq, fault=True)

    def note(self, kind: Kind, place: Place | None, seq: int | None, why: str) -> None:
        """Add what is worth knowing."""
        self._add(kind, place, seq, why, None, fault=False)

    def _add(
        self, kind: Kind, place: Place | None, seq: int | None, why: str, last_seq: int | None, *, fault: bool
    ) -> None:
        found = Finding(
            kind=kind,
            fault=fault,
            place=place,
            last_line=place.line if place is not None else 0,
            seq=seq,
            last_seq=seq if last_seq is None else last_seq,
            why=why,
        )
        if self._kept and _continues(self._kept[-1], found):
            self._kept[-1] = replace(self._kept[-1], last_line=found.last_line, last_seq=found.last_seq)
        elif len(self._kept) < _MOST:
            self._kept.append(found)


def _continues(last: Finding, found: Finding) -> bool:
    """Whether it is the same, one line and one number further on."""
    if (last.kind, last.why) != (found.kind, found.why) or last.place is None or found.place is None:
        return False
    numbers = last.last_seq == found.seq if found.seq is None else last.last_seq == found.seq - 1
    return last.place.file == found.place.file and last.last_line + 1 == found.place.line and numbers
