"""A part of a trail, without making sense of all of it: what is younger than a moment, or the last records.

Imported by who shows a trail. Lines that are ruled out as they stand are not decoded: a million of them pass in well
under a second.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from les_hooks.audit.actions import SCHEMA
from les_hooks.audit.files import TrailFile, lines, lines_backwards, opened
from les_hooks.audit.reader import Damage, parse

__all__ = ["Flaw", "Maybe", "Record", "forwards", "last", "within", "younger"]

Record = Mapping[str, Any]

Maybe = Callable[[bytes], bool]
"""Whether a line may hold a record that is wanted: False rules it out unread."""

# How each record begins; the moment has always the same form and so the same order as its text.
_BEGIN: Final = f'{{"schema":"{SCHEMA}","time":"'.encode()
_MOMENT: Final = slice(len(_BEGIN), len(_BEGIN) + len("2026-03-01T08:15:30.123456Z"))
# A file was written last when its last record was, unless the clock stepped.
_STEP_SECONDS: Final = 86400.0
_COUNTED_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A line that is no record, counted from 1, `why`, and the beginning of its text; or what cannot be read on."""

    path: Path
    line: int
    why: str
    text: str = ""


def within(since: float | None, until: float | None) -> Maybe:
    """What was written in this time, in Unix seconds; what does not tell its moment as all records do may be."""
    first = b"" if since is None else _text(since)
    end = b"~" if until is None else _text(until)

    def may(line: bytes) -> bool:
        return not line.startswith(_BEGIN) or first <= line[_MOMENT] <= end

    return may


def younger(files: Sequence[TrailFile], since: float | None) -> Sequence[TrailFile]:
    """The files that may hold records from this moment on."""
    return [file for file in files if since is None or _written(file.path) >= since - _STEP_SECONDS]


def forwards(files: Sequence[TrailFile], may: Maybe, complain: Callable[[Flaw], None]) -> Iterator[Record]:
    """Yield the records of the files in their order; of what is none `complain` is told."""
    for file in files:
        number = 0
        try:
            with opened(file.path) as stream:
                for number, line in enumerate(lines(stream), 1):
                    if not may(line):
                        continue
                    item = parse(number, line)
                    if isinstance(item, Damage):
                        complain(Flaw(path=file.path, line=number, why=item.why, text=item.text))
                    else:
                        yield item.record
        except OSError as error:
            complain(_unreadable(file.path, number + 1, error))


def last(
    files: Sequence[TrailFile],
    may: Maybe,
    wanted: Callable[[Record], bool],
    most: int,
    complain: Callable[[Flaw], None],
) -> Sequence[Record]:
    """The last `most` records that are wanted, in their order; what stands before them is not read."""
    found: deque[Record] = deque()
    for file in reversed(files):
        left = most - len(found)
        if left <= 0:
            break
        if file.packed:
            ahead = deque((record for record in forwards([file], may, complain) if wanted(record)), maxlen=left)
            found.extendleft(reversed(ahead))
            continue
        for record in _backwards(file.path, may, complain):
            if wanted(record):
                found.appendleft(record)
                left -= 1
                if not left:
                    break
    return list(found)


def _backwards(path: Path, may: Maybe, complain: Callable[[Flaw], None]) -> Iterator[Record]:
    number: int | None = None  # of the line, once somebody has to know: all that is above would have to be read
    try:
        with opened(path) as stream:
            for before, line in lines_backwards(stream):
                number = None if number is None else number - 1
                if not may(line):
                    continue
                item = parse(0, line)
                if isinstance(item, Damage):
                    number = _count(path, before) + 1 if number is None else number
                    complain(Flaw(path=path, line=number, why=item.why, text=item.text))
                else:
                    yield item.record
    except OSError as error:
        complain(_unreadable(path, 0, error))


def _unreadable(path: Path, number: int, error: OSError) -> Flaw:
    return Flaw(path=path, line=number, why=f"cannot be read from here on ({error.strerror or error})")


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # it is reported by who reads it
        return float("inf")


def _count(path: Path, before: int) -> int:
    """How many lines end in the first bytes of the file."""
    count = 0
    with opened(path) as stream:
        while before > 0 and (block := stream.read(min(before, _COUNTED_BYTES))):
            count += block.count(b"\n")
            before -= len(block)
    return count


def _text(unix: float) -> bytes:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
