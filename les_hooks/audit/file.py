"""The file of the audit trail: found again after a rotation, mended after a power cut. Imported by `trail` only."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from les_hooks.audit.record import MOST_RECORD_BYTES

__all__ = ["AuditFile", "Opened", "last_seq"]

_MODE: Final = 0o640
_TAIL_BYTES: Final = 4 * MOST_RECORD_BYTES
_COMPRESSED: Final = (".gz", ".xz", ".bz2", ".zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was found when the file was opened: the number of its last record, and the bytes of a line cut short."""

    last_seq: int
    torn_bytes: int


class AuditFile:
    """An append-only file of lines, each written in one call, so that a reader never sees half of one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._torn = False

    def ready(self) -> Opened | None:
        """See to it that what is open is what the path names, as logrotate may have moved it away.

        Returns what was found if the file was opened by this call. Raises OSError.
        """
        if self._fd >= 0:
            if self._is_current():
                return None
            self.close()
        # A FIFO at the path must not block the daemon, nor a terminal become its own.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        fd = os.open(self.path, flags, _MODE)
        try:
            tail = _tail(self.path)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        torn = tail.rpartition(b"\n")[2]
        self._torn = bool(torn)
        return Opened(last_seq=_last_seq_in(tail), torn_bytes=len(torn))

    def write(self, line: bytes) -> None:
        """Append the line. Raises OSError; what was written of it by then is closed off by the next line."""
        data = b"\n" + line if self._torn else line
        written = os.write(self._fd, data)
        if written < len(data):
            self._torn = True
            raise OSError(f"only {written} of {len(data)} bytes could be written")
        self._torn = False

    def close(self) -> None:
        """Let go of the file; `ready` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


def last_seq(path: Path) -> int:
    """The number of the last record in the file or, where it has none, in the newest one that was rotated away.

    Compressed files are not looked into: one would have to be read whole. 0 where nothing is found.
    """
    for candidate in (path, *_rotated(path)):
        try:
            found = _last_seq_in(_tail(candidate))
        except OSError:
            continue
        if found:
            return found
    return 0


def _rotated(path: Path) -> Iterator[Path]:
    try:
        with os.scandir(path.parent) as entries:
            siblings = [
                (entry.stat().st_mtime_ns, entry.name)
                for entry in entries
                if entry.name.startswith(path.name) and entry.name != path.name and entry.is_file()
            ]
    except OSError:
        return
    for _, name in sorted(siblings, reverse=True):
        if not name.endswith(_COMPRESSED):
            yield path.with_name(name)


def _tail(path: Path) -> bytes:
    """The last bytes of a regular file; a FIFO or a device has no end to look at. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb", buffering=0) as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return b""
        file.seek(max(0, status.st_size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES)


class _Numbered(msgspec.Struct):
    schema: str
    seq: int


def _last_seq_in(tail: bytes) -> int:
    """Look back from the end of the text for a record; its end may be torn, or foreign."""
    for line in reversed(tail.splitlines()):
        try:
            return msgspec.json.decode(line, type=_Numbered).seq
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return 0
