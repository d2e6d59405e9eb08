"""Files that are read again when they have changed. Imported through the package."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from les_hooks.errors import StartError

__all__ = ["Watched"]

_Read = TypeVar("_Read")

# What cannot be used now may be of use later without another change: a certificate whose time has not come.
_AGAIN_SECONDS: Final = 60.0

_Seen = tuple[int, int, int, int, int]


class Watched(Generic[_Read]):
    """What `read` makes of the files: `value`, which `refresh` keeps up with them.

    A state of which nothing can be made leaves what was read before in force: files are replaced one after the other,
    and half a renewal must not cost a node its place. `trouble` says what is wrong meanwhile, and `told` hears of it,
    once for as long as it is the same. `clock` gives seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], _Read],
        *,
        told: Callable[[StartError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises StartError where the files cannot be used now."""
        self._paths = tuple(paths)
        self._read = read
        self._told = told
        self._clock = clock
        # Looked at before they are read: what changes meanwhile is read once more.
        self._seen = self._look()
        self.value = read()
        self.trouble = ""
        self._again = clock()

    def refresh(self) -> bool:
        """Look at the files, a system call each; returns whether they were read anew, and are `value` now."""
        seen = self._look()
        if seen == self._seen and not (self.trouble and self._clock() >= self._again):
            return False
        self._seen = seen
        try:
            self.value = self._read()
        except StartError as error:
            self._again = self._clock() + _AGAIN_SECONDS
            if str(error) != self.trouble:
                self.trouble = str(error)
                self._told(error)
            return False
        self.trouble = ""
        return True

    def _look(self) -> tuple[_Seen | None, ...]:
        return tuple(map(_seen, self._paths))


def _seen(path: Path) -> _Seen | None:
    """What changes when the file does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
