"""Whether a trail is whole: its numbers without a hole, its texts as they were written. For `les audit verify`.

Takes the lines of a trail one by one; memory does not grow with their number. What is wrong is a `Finding` that is a
fault; what is worth knowing, and no sign that somebody has changed anything, is one that is none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from les_hooks.audit.actions import SCHEMA
from les_hooks.audit.chain import BEGINNING, Link, link
from les_hooks.audit.findings import Finding, Findings, Kind, Place
from les_hooks.audit.gaps import Gaps
from les_hooks.audit.oddities import TORN, Oddities

__all__ = ["Checkpoint", "Result", "Verifier"]

_ABOUT_ITSELF: Final = b'"action":"audit.'
_LOST: Final = re.compile(rb'"lost":([0-9]{1,16})(?![0-9])')
_DROPPED: Final = re.compile(rb'"dropped":([1-9][0-9]{0,15})(?![0-9])')
_STARTS: Final = b'"action":"audit.opened"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the operational log says of a record; `place` is where in the log."""

    seq: int
    hash: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found. `first` and `last` are the ends of the trail, None where it has no record."""

    records: int
    unchained: int
    first: Link | None
    last: Link | None
    confirmed: int
    findings: tuple[Finding, ...]
    faults: int

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong, and there is something that can be right."""
        return self.faults == 0 and self.records > 0


class Verifier:
    """Takes the lines of a trail in the order of its files; `checkpoints` are by the number of the record."""

    def __init__(self, checkpoints: Mapping[int, Checkpoint] | None = None) -> None:
        self._checkpoints = checkpoints or {}
        self._findings = Findings()
        self._gaps = Gaps()
        self._oddities = Oddities(self._findings)
        self._first: Link | None = None
        self._last: Link | None = None
        self._at: Place | None = None
        self._records = self._unchained = 0
        self._confirmed: set[int] = set()

    def take(self, place: Place, line: bytes) -> None:
        """Take the next line, with its end."""
        found = link(line) or self._unsealed(place, line)
        if found is None:
            return
        about_itself = _ABOUT_ITSELF in line
        self._oddities.judge(place, line if about_itself else b"")
        self._records += 1
        sound = self._is_sound(place, found)
        # The number of one that is not to be trusted counts only where it is the one that must come.
        if sound or self._last is None or found.seq == self._last.seq + 1:
            self._order(place, found, line)
        if about_itself:
            self._listen(place, found, line)
        if sound and (checkpoint := self._checkpoints.get(found.seq)) is not None:
            self._compare(place, found, checkpoint)

    def result(self) -> Result:
        """What was found, once all lines were taken."""
        self._oddities.judge(None)
        for gap in self._gaps.open:
            what = "is missing" if gap.first == gap.last else "are missing"
            where = f"{what}: nothing is between {gap.after} and {gap.before}" + (f"; {gap.why}" if gap.why else "")
            self._findings.fault(Kind.MISSING, gap.before, gap.first, where, last_seq=gap.last)
        self._compare_ends()
        return Result(
            records=self._records,
            unchained=self._unchained,
            first=self._first,
            last=self._last,
            confirmed=len(self._confirmed),
            findings=self._findings.all,
            faults=self._findings.faults,
        )

    # -- one record ----------------------------------------------------------------------------------------------------

    def _is_sound(self, place: Place, found: Link) -> bool:
        if not found.fits:
            self._findings.fault(Kind.CHANGED, place, found.seq, "was changed: its hash is not that of its text")
            return False
        if not found.prev and self._last is not None and self._last.prev:
            why = "has no place in the chain: written by hand or by an older version, or changed"
            self._findings.fault(Kind.UNCHAINED, place, found.seq, why)
            return False
        return True

    def _order(self, place: Place, found: Link, line: bytes) -> None:
        if self._last is None:
            self._begin(place, found)
        elif found.seq > self._last.seq:
            self._follow(place, found, self._last, line)
        else:
            self._stray(place, found)

    def _begin(self, place: Place, found: Link) -> None:
        self._first, self._last, self._at = found, found, place
        if not found.prev:
            return
        if found.seq == 1 and found.prev != BEGINNING:
            self._findings.fault(Kind.BROKEN, place, 1, "is the first one, and names one before it")
        elif found.seq > 1:
            why = "is the first one here; what was before it was rotated away, or removed"
            self._findings.note(Kind.BEGINS, place, found.seq, why)

    def _follow(self, place: Place, found: Link, last: Link, line: bytes) -> None:
        """Take one that belongs behind all others."""
        assert self._at is not None
        missing = found.seq - last.seq - 1
        lost = _LOST.search(line) if missing and _STARTS in line else None
        if missing == 1 and lost is not None and lost[1] == b"1" and TORN.search(line):
            self._findings.note(Kind.TORN, place, last.seq + 1, "was cut short by a power cut or a full disk")
        elif missing:
            why = f"#{found.seq} says that {int(lost[1])} were gone when the node was started" if lost else ""
            self._gaps.add(last.seq + 1, found.seq - 1, self._at, place, why)
        elif found.prev and not last.prev:
            self._begin_chain(place, found)
        elif found.prev and found.prev != last.hash:
            why = f"does not follow from #{last.seq} ({self._at}): one of the two was exchanged"
            self._findings.fault(Kind.BROKEN, place, found.seq, why)
        self._last, self._at = found, place

    def _begin_chain(self, place: Place, found: Link) -> None:
        if found.prev == BEGINNING:
            why = "begins the chain; nothing shows whether those before it, of an older version, were changed"
            self._findings.note(Kind.BEGINS, place, found.seq, why)
        else:
            why = "names the hash of the one before it, which has none any more"
            self._findings.fault(Kind.BROKEN, place, found.seq, why)

    def _stray(self, place: Place, found: Link) -> None:
        """Take one that does not belong behind all others."""
        assert self._first is not None
        if self._gaps.fill(found.seq) or found.seq < self._first.seq:
            self._findings.fault(Kind.REORDERED, place, found.seq, "out of its place")
        else:
            self._findings.fault(Kind.TWICE, place, found.seq, "here for the second time")

    def _listen(self, place: Place, found: Link, line: bytes) -> None:
        """Pass on what the trail says of itself."""
        if (dropped := _DROPPED.search(line)) is not None:
            why = f"says that {int(dropped[1])} records before it could not be written"
            self._findings.note(Kind.DROPPED, place, found.seq, why)
        elif b'"torn_kept":"' in line:
            self._findings.note(Kind.TORN, place, found.seq, "says that a line cut short was set aside")

    # -- lines that are no record of a chain ---------------------------------------------------------------------------

    def _unsealed(self, place: Place, line: bytes) -> Link | None:
        """A record of an older version, with an empty `prev`; None for what is no record."""
        self._oddities.judge(place)
        try:
            record = msgspec.json.decode(line, type=_Unchained) if line.endswith(b"\n") else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            record = None
        if record is None or record.schema != SCHEMA:
            self._oddities.add(place, line)
            return None
        self._unchained += 1
        fits = record.prev is record.hash is msgspec.UNSET
        return Link(seq=record.seq, time=record.time[:40], prev="", hash=BEGINNING, fits=fits)

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _compare(self, place: Place, found: Link, checkpoint: Checkpoint) -> None:
        if found.hash == checkpoint.hash:
            self._confirmed.add(found.seq)
        else:
            why = f"is not the record that {checkpoint.place} is a checkpoint of: the trail was written anew"
            self._findings.fault(Kind.REWRITTEN, place, found.seq, why)

    def _compare_ends(self) -> None:
        """Look for checkpoints before the first record and after the last one."""
        first = self._first.seq if self._first is not None else 0
        last = self._last.seq if self._last is not None else 0
        beyond = max((each for each in self._checkpoints.values() if each.seq > last), key=_seq, default=None)
        if beyond is not None:
            why = f"is the last one, and {beyond.place} is a checkpoint of #{beyond.seq}: the end was cut off"
            self._findings.fault(Kind.CUT_OFF, self._at, last, why)
        before = sum(each.seq < first for each in self._checkpoints.values())
        if before:
            why = "1 checkpoint is of a record" if before == 1 else f"{before} checkpoints are of records"
            self._findings.note(Kind.BEGINS, None, None, f"{why} before the first one here")


def _seq(checkpoint: Checkpoint) -> int:
    return checkpoint.seq


class _Unchained(msgspec.Struct):
    schema: str
    seq: int
    time: str
    # An older version wrote none; what stands there instead of a hash was changed.
    prev: object = msgspec.UNSET
    hash: object = msgspec.UNSET
