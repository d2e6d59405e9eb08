"""Whether another user could start a program, as far as owners and modes tell. Private to `les_hooks.processes`.

The kernel's own answer is `Permission denied`, which names neither the folder nor the remedy.
"""

import os
import stat
from pathlib import Path

from les_hooks.processes.users import Identity

__all__ = ["barred", "is_program"]

_ACCESS_LIST = "system.posix_acl_access"
_MOST_FIRST_LINE_BYTES = 256  # what Linux reads of it


def barred(program: Path, user: Identity) -> str:
    """Say which folder or file keeps the user from starting the program, and what mends it; empty where nothing does.

    What an access list says is not looked at: where there is one, nothing is said. Nor is what does not exist.
    """
    try:
        if reason := _blocked(program, user):
            return reason
        words = _interpreter(program)
        # An interpreter opens the script by its name, where a binary need only be executed.
        if words and not _may(program, user, stat.S_IROTH):
            return f"{_named(program)}: {user} cannot read it, and its interpreter must; chmod o+r {program}"
        return _blocked(Path(words[0]), user) if words else ""
    except OSError:
        return ""


def is_program(program: Path) -> bool:
    """Whether the kernel could start it, as its first bytes tell; True where they cannot be read."""
    return _beginning(program)[:4].startswith((b"#!", b"\x7fELF")) or not _beginning(program)


def _interpreter(program: Path) -> list[str]:
    """The interpreter in the first line of a script, with its argument; empty for all else, and what is unreadable."""
    line = _beginning(program).partition(b"\n")[0]
    return [os.fsdecode(word) for word in line[2:].split(maxsplit=1)] if line.startswith(b"#!") else []


def _beginning(program: Path) -> bytes:
    try:
        # Not to wait for whoever writes, should it have become a pipe by now.
        with open(program, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            return file.read(_MOST_FIRST_LINE_BYTES)
    except OSError:
        return b""


def _blocked(program: Path, user: Identity) -> str:
    # The folders that the name leads through, and those of the file that links lead to.
    folders = {*reversed(program.parents), *reversed(Path(os.path.realpath(program)).parents)}
    for folder in sorted(folders):
        if not _may(folder, user, stat.S_IXOTH):
            return f"{_named(folder)}: {user} cannot enter it; chmod o+x {folder}, or move what must run"
    if not _may(program, user, stat.S_IXOTH):
        return f"{_named(program)}: {user} cannot execute it; chmod o+rx {program}"
    return ""


def _may(path: Path, user: Identity, right: int) -> bool:
    """Whether the user has this right of `S_I.OTH`, by the class that it is in."""
    status = path.stat()
    if status.st_uid == user.uid:
        right <<= 6
    elif status.st_gid in (user.gid, *user.groups):
        right <<= 3
    return bool(status.st_mode & right) or _has_access_list(path)


def _has_access_list(path: Path) -> bool:
    try:
        os.getxattr(path, _ACCESS_LIST)
    except OSError:
        return False
    return True


def _named(path: Path) -> str:
    status = path.stat()
    return f"{path} (mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid})"
