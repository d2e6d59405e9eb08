"""A trail as it grows: what is appended to the present file, and to the one that takes its place after a rotation.

Imported by who shows a trail.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from les_hooks.audit.files import opened
from les_hooks.audit.record import MOST_RECORD_BYTES

__all__ = ["Follower"]

_LOOK_SECONDS: Final = 0.2
_BLOCK_BYTES: Final = 4 * MOST_RECORD_BYTES


def _nap() -> None:
    time.sleep(_LOOK_SECONDS)


class Follower:
    """Stands at the end of the file from its making on, so that nothing is missed of what comes after.

    Of a file that is not there yet, everything comes after. `nap` waits until a new look is worth it. Raises OSError.
    """

    def __init__(self, path: Path, nap: Callable[[], None] = _nap) -> None:
        self._path = path
        self._nap = nap
        self._open = contextlib.ExitStack()
        self._file: BinaryIO | None = None
        # After the last whole line: what a power cut left of one may be cut off, or go on.
        self._at = 0
        self._take_up()
        if self._file is not None:
            size = self._file.seek(0, io.SEEK_END)
            tail = os.pread(self._file.fileno(), _BLOCK_BYTES, max(0, size - _BLOCK_BYTES))
            self._at = size - len(tail) + tail.rfind(b"\n") + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that are appended, each with its end, for ever. Raises OSError."""
        replaced = False
        while True:
            if found := self._appended():
                yield from found
            elif replaced:
                self._open.close()
                self._take_up()
                replaced = False
            elif self._is_replaced():
                replaced = True  # it may have been written to between the two looks
            else:
                self._nap()

    def _take_up(self) -> None:
        """Begin with the file that is at the path now, if there is one."""
        self._at, self._file = 0, None
        with contextlib.suppress(FileNotFoundError):
            self._file = self._open.enter_context(opened(self._path))

    def _appended(self) -> list[bytes]:
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._at:
            self._at = 0  # emptied in place, as logrotate's `copytruncate` does
        block = os.pread(self._file.fileno(), _BLOCK_BYTES, self._at)
        end = block.rfind(b"\n") + 1
        if not end and len(block) == _BLOCK_BYTES:
            end = len(block)  # no record is that long
        self._at += end
        return [line for line in io.BytesIO(block[:end]).readlines() if line != b"\n"]

    def _is_replaced(self) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False  # the next record makes it
        if self._file is None:
            return True
        mine = os.fstat(self._file.fileno())
        return (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino)
