"""The piece of a line that a power cut left at the end of a trail: moved out of it. Imported by `file` only."""

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["set_aside", "torn_length"]

_MODE: Final = 0o640
# A record is smaller, but some file systems leave a run of zeros.
_MOST_BYTES: Final = 1024 * 1024
# Who loses power each day keeps two weeks of them; more are as good where they are.
_MOST_KEPT: Final = 16
_BLOCK_BYTES: Final = 64 * 1024


def torn_length(file: BinaryIO) -> int:
    """How many bytes are behind the last line end of a plain file. Raises OSError."""
    begin = end = file.seek(0, os.SEEK_END)
    while begin > 0:
        size = min(_BLOCK_BYTES, begin)
        begin -= size
        file.seek(begin)
        found = file.read(size).rfind(b"\n")
        if found >= 0:
            return end - (begin + found + 1)
    return end


def set_aside(path: Path, fd: int, length: int, seq: int) -> Path | None:
    """Move the last `length` bytes of the file, which `fd` may write, to one beside it, and return that one's path.

    `seq` is the number that the piece would have had. None where it stays where it is: it is too long, there are many
    already, there is no room, or the file may only be appended to (chattr +a).
    """
    if length > _MOST_BYTES or _kept(path) >= _MOST_KEPT:
        return None
    beside = path.with_name(f"{path.name}.torn-{seq}")
    try:
        end = os.fstat(fd).st_size
        with path.open("rb") as file:
            file.seek(end - length)
            piece = file.read(length)
        _write(beside, piece)
    except OSError:
        return None
    try:
        os.ftruncate(fd, end - length)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        return None
    return beside


def _kept(path: Path) -> int:
    with os.scandir(path.parent) as entries:
        return sum(entry.name.startswith(f"{path.name}.torn-") for entry in entries)


def _write(path: Path, data: bytes) -> None:
    """Write a new file, and have it on disk before the piece is cut off where it was. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
