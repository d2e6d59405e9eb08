"""Files that are read again when they have changed. Imported by whoever keeps certificates or a secret."""

import os
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
    """What `read` makes of the files, as they are now: each `current` looks whether one of them has changed.

    A state of which nothing can be made leaves what was read before in force: files are replaced one after the other,
    and half a renewal must not cost a node its place. `problem` says what is wrong meanwhile. `told` hears of each
    reading but the first: None where all is well, and of what is wrong once for as long as it stays the same.
    `clock` gives seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], _Read],
        *,
        clock: Callable[[], float],
        told: Callable[[StartError | None], None],
    ) -> None:
        """Raises StartError where the files cannot be used now."""
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._told = told
        # Looked at before it is read: what changes meanwhile is read once more.
        self._seen = self._look()
        self._value = read()
        self._again = clock()
        self.problem = ""

    def current(self) -> _Read:
        """What the files hold, or held when they could last be used."""
        seen = self._look()
        if seen != self._seen or (self.problem and self._clock() >= self._again):
            self._seen = seen
            self._renew()
        return self._value

    def _renew(self) -> None:
        try:
            self._value = self._read()
        except StartError as error:
            self._again = self._clock() + _AGAIN_SECONDS
            if str(error) != self.problem:
                self.problem = str(error)
                self._told(error)
        else:
            self.problem = ""
            self._told(None)

    def _look(self) -> tuple[_Seen | None, ...]:
        return tuple(map(_seen, self._paths))


def _seen(path: Path) -> _Seen | None:
    """What changes when the file does; one system call."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
