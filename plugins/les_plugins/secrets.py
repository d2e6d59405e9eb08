"""Secrets in files: reading them, saying that others could, and not showing them.

`floating_ip` and `webhook` share this; it is no plugin.
"""

import os
import stat
from pathlib import Path

__all__ = ["MOST_BYTES", "Secret", "only_in_the_unit", "read_private", "unsafe_secret"]

MOST_BYTES = 16 * 1024
"""No secret is longer."""

# A group that may read it was given it on purpose.
_OTHERS = stat.S_IWGRP | stat.S_IRWXO


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


def read_private(path: Path) -> bytes:
    """Read at most one byte more than MOST_BYTES; nothing from what is no plain file. Raises OSError."""
    with open(path, "rb", opener=_open) as file:
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(MOST_BYTES + 1) if is_file else b""


def _open(path: str, flags: int) -> int:
    # A pipe in the place of the file would be waited for, and with it all of the daemon.
    return os.open(path, flags | os.O_NONBLOCK)


def only_in_the_unit(path: Path) -> bool:
    """Whether it is a credential (`LoadCredential=`) of a unit that does not run now: there is none to look at."""
    return path.is_relative_to("/run/credentials") and not path.parent.exists()


def unsafe_secret(path: Path, what: str = "token") -> str:
    """Say that others could read or change it, and what mends that; empty where they cannot. Raises OSError."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & _OTHERS:
        return ""
    return f"{path} (mode {mode:04o}): others could have the {what}; chmod o-rwx,g-w {path}"
