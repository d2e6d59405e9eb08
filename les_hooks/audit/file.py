"""The file of the audit trail: found again after a rotation, mended after a power cut. Imported by `trail` only."""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from les_hooks.audit.actions import SCHEMA
from les_hooks.audit.chain import BEGINNING, Head, is_hash
from les_hooks.audit.files import find, lines, lines_backwards, opened
from les_hooks.audit.record import MOST_RECORD_BYTES
from les_hooks.audit.torn import set_aside, torn_length

__all__ = ["AuditFile", "Opened", "last_head"]

_MODE: Final = 0o640
# How far from its end a record is looked for in a file that something else has written to.
_TAIL_BYTES: Final = 4 * MOST_RECORD_BYTES
# What is read through at a start, in some tenths of a second.
_MOST_PACKED_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was found when the file was opened: its last record, and a piece of a line that was cut short.

    `kept` is the file that this piece was moved to; None where it stays, and the next record closes it off.
    """

    head: Head | None
    torn_bytes: int = 0
    kept: Path | None = None


class AuditFile:
    """An append-only file of lines, each written in one call, so that a reader never sees half of one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1
        self.torn_bytes = 0
        """The length of what could be written of a line, and not be taken back; the next one closes it off."""

    def ready(self, last: Head) -> Opened | None:
        """See to it that what is open is what the path names, as logrotate may have moved it away.

        Returns what was found if the file was opened by this call; `last` is the last record known. Raises OSError.
        """
        if self.fd >= 0:
            if self._is_current():
                return None
            self.close()
        # A FIFO at the path must not block the daemon, nor a terminal become its own.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        fd = os.open(self.path, flags, _MODE)
        try:
            found = _end_of(self.path)
        except OSError:
            os.close(fd)
            raise
        self.fd, self.torn_bytes = fd, 0
        if not found.torn_bytes:
            return found
        seq = max(last.seq, found.head.seq if found.head is not None else 0) + 1
        kept = set_aside(self.path, fd, found.torn_bytes, seq)
        if kept is None:
            self.torn_bytes = found.torn_bytes
        return Opened(head=found.head, torn_bytes=found.torn_bytes, kept=kept)

    def write(self, line: bytes) -> None:
        """Append the line. Raises OSError; what was written of it by then is taken back, or closed off by the next."""
        data = b"\n" + line if self.torn_bytes else line
        written = os.write(self.fd, data)
        if written < len(data):
            self._take_back(written)
            raise OSError(f"only {written} of {len(data)} bytes could be written")
        self.torn_bytes = 0

    def close(self) -> None:
        """Let go of the file; `ready` opens it again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _take_back(self, written: int) -> None:
        try:
            os.ftruncate(self.fd, os.fstat(self.fd).st_size - written)
        except OSError:  # it may only be appended to, or is no plain file
            # A line end that went before is a part of it, and closes off what was there already.
            self.torn_bytes = written - 1 if self.torn_bytes else written

    def _is_current(self) -> bool:
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self.fd)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


def last_head(path: Path) -> Head | None:
    """The last record in the file or, where it has none, in the newest one that was rotated away.

    A compressed one has to be read through, and is passed over where it is large. None where nothing is found.
    """
    with contextlib.suppress(OSError):
        if (head := _end_of(path).head) is not None:
            return head
    with contextlib.suppress(OSError):
        for file in reversed(find(path).files):
            if file.packed:
                return _head_of_packed(file.path)
            if (head := _end_of(file.path).head) is not None:
                return head
    return None


def _end_of(path: Path) -> Opened:
    """How a plain file ends; a FIFO or a device has no end to look at. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        return Opened(head=None)
    with opened(path) as file:
        torn_bytes = torn_length(file)
        end = file.seek(0, os.SEEK_END) - torn_bytes
        for begin, line in lines_backwards(file):
            if line.endswith(b"\n") and (head := _head(line)) is not None:
                return Opened(head=head, torn_bytes=torn_bytes)
            if end - begin > _TAIL_BYTES:
                break
    return Opened(head=None, torn_bytes=torn_bytes)


def _head_of_packed(path: Path) -> Head | None:
    if path.stat().st_size > _MOST_PACKED_BYTES:
        return None
    last = b""
    with opened(path) as file:
        for line in lines(file):
            last = line
    return _head(last)


class _Numbered(msgspec.Struct):
    schema: str
    seq: int
    hash: str = BEGINNING


def _head(line: bytes) -> Head | None:
    """The record in this line, None where it holds none; one of an older version has no hash."""
    try:
        found = msgspec.json.decode(line, type=_Numbered)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if found.schema != SCHEMA:
        return None
    return Head(seq=found.seq, hash=found.hash if is_hash(found.hash) else BEGINNING)
