"""Whether others could change a script that root runs: each folder and link on the way to it. Private to `scripts`."""

import os
import stat
from pathlib import Path

__all__ = ["refusal"]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

# As many links as the kernel follows.
_MOST_LINKS = 40


def refusal(path: Path, uid: int) -> str:
    """Say what is unsafe about running this file, or what is in this folder, as `uid`, and what
    mends it; empty where it is safe.

    Each folder from the root down, each link on the way, the folders that it leads through, and the file itself must
    belong to root or to `uid`, and be writable by nobody else; a folder like /tmp, in which nobody can touch what is
    another's, may stand above, but cannot be it. As only a trusted chain passes, nobody can swap the file between the
    check and the run.
    Raises OSError where something of it does not exist or cannot be read.
    """
    left = list(reversed(path.absolute().parts[1:]))
    here = Path("/")
    links = 0
    if reason := _unsafe(here, uid, last=False):
        return reason
    while left:
        part = left.pop()
        if part == "..":
            here = here.parent
            continue
        step = here / part
        if reason := _unsafe(step, uid, last=not left):
            return reason
        if not step.is_symlink():
            here = step
            continue
        links += 1
        if links > _MOST_LINKS:
            return f"{path}: goes through more than {_MOST_LINKS} links; point it at the file itself"
        target = Path(os.readlink(step))
        if target.is_absolute():
            here = Path("/")
        left += reversed([part for part in target.parts if part != "/"])
    return ""


def _unsafe(path: Path, uid: int, *, last: bool) -> str:
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    name = f"{path} (mode {mode:04o}, owner {status.st_uid})"
    if status.st_uid not in (0, uid):
        return f"{name}: its owner could change it; chown {uid} {path}"
    if stat.S_ISLNK(status.st_mode):
        return ""  # a link's mode says nothing
    sticky = stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX and not last
    if mode & _OTHERS_WRITE and not sticky:
        return f"{name}: others could write it; chmod go-w {path}"
    if stat.S_ISREG(status.st_mode) and mode & (stat.S_ISUID | stat.S_ISGID):
        return f"{name}: is setuid or setgid; chmod ug-s {path}"
    return ""
