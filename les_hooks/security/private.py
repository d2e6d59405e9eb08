"""Files that others must not read: reading them, saying that others could, and not showing what is in them.

Imported through the package, by plugins too.
"""

import os
import stat
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError

__all__ = ["MOST_BYTES", "OTHERS", "Secret", "exposed", "load_private", "only_in_the_unit", "read_private"]

MOST_BYTES: Final = 16 * 1024
"""No secret is longer."""

# A group that may read it was given it on purpose.
OTHERS: Final = stat.S_IWGRP | stat.S_IRWXO
"""The bits of a mode that no private file has."""

_CONFIG_EXIT: Final = 78


class Secret:
    """A text that does not show in logs, errors or the debugger; `reveal` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def read_private(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read at most one byte more than `most`; nothing from what is no plain file. Raises OSError."""
    return _read(path, most)[0]


def load_private(path: Path, what: str, advice: str, most: int = MOST_BYTES, *, replaced: str = "") -> bytes:
    """As `read_private`, of a file that nobody else can read or change, for `what` in errors: raises StartError.

    `replaced` is what to do in the place of `advice` where others may have seen what is in it.
    """
    try:
        data, status = _read(path, most)
    except OSError as error:
        raise StartError(what, f"cannot be read ({error.strerror})", advice, _CONFIG_EXIT) from error
    if not stat.S_ISREG(status.st_mode):
        raise StartError(what, "is no file", advice, _CONFIG_EXIT)
    if status.st_mode & OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        why = f"others could read or change it (mode {mode}), so that it is no secret any more"
        mend = f"`chmod o-rwx,g-w {path}` if nobody has seen it, else {replaced or advice}"
        raise StartError(what, why, mend, _CONFIG_EXIT)
    return data


def exposed(path: Path, what: str = "token") -> str:
    """Say that others could read or change it, and what mends that; empty where they cannot. Raises OSError."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & OTHERS:
        return ""
    return f"{path} (mode {mode:04o}): others could have the {what}; chmod o-rwx,g-w {path}"


def only_in_the_unit(path: Path) -> bool:
    """Whether it is a credential (`LoadCredential=`) of a unit that does not run now: there is none to look at."""
    return path.is_relative_to("/run/credentials") and not path.parent.exists()


def _read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        return (file.read(most + 1) if stat.S_ISREG(status.st_mode) else b""), status


def _open(path: str, flags: int) -> int:
    # A pipe in the place of the file would be waited for, and with it all of the daemon.
    return os.open(path, flags | os.O_NONBLOCK)
