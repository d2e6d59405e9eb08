"""Lines of a trail that are no records, each judged by what comes behind it. Imported by `verify` only."""

import re
from dataclasses import dataclass
from typing import Final

from les_hooks.audit.findings import Findings, Kind, Place
from les_hooks.audit.record import MOST_RECORD_BYTES

__all__ = ["TORN", "Oddities"]

TORN: Final = re.compile(rb'"torn_bytes":([1-9][0-9]{0,15})(?![0-9])')
"""How a record says that a piece of a line stood before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Odd:
    """`ended` is whether the line has an end, `long` whether no piece of a record can be as long."""

    place: Place
    length: int
    ended: bool
    long: bool


class Oddities:
    """Takes such lines; what a power cut has left of a record is worth a note, all else is a fault."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._open: _Odd | None = None

    def add(self, place: Place, line: bytes) -> None:
        """Take one; the one before has been judged."""
        # A line that is longer than a record comes without its end. Some file systems leave zeros where one was to be.
        long = len(line) >= MOST_RECORD_BYTES and bool(line.strip(b"\0"))
        length, ended = len(line.rstrip(b"\n")), line.endswith(b"\n")
        self._open = _Odd(place=place, length=length, ended=ended, long=long)

    def judge(self, following: Place | None, line: bytes = b"") -> None:
        """Judge the last one, if there is one: this line, where the trail speaks of itself, is the next."""
        if self._open is None:
            return
        odd, self._open = self._open, None
        last = following is None or following.file != odd.place.file
        torn = TORN.search(line)
        if odd.long:
            self._findings.fault(Kind.FOREIGN, odd.place, None, "is no record: it is longer than one can be")
        elif last and not odd.ended:
            why = f"is the last line, and was cut short ({odd.length} bytes)"
            self._findings.note(Kind.TORN, odd.place, None, why)
        elif torn is not None and min(int(torn[1]), MOST_RECORD_BYTES) == odd.length:
            why = f"was cut short by a power cut or a full disk ({odd.length} bytes)"
            self._findings.note(Kind.TORN, odd.place, None, why)
        else:
            self._findings.fault(Kind.FOREIGN, odd.place, None, "is no record")
