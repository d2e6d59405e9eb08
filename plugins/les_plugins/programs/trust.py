"""Whether others could change a script that root runs: each folder and link on the way to it. For `programs` only."""

import os
import stat
from pathlib import Path

__all__ = ["refusal"]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SUSPICIOUS = _OTHERS_WRITE | stat.S_ISUID | stat.S_ISGID

# As many links as the kernel follows.
_MOST_LINKS = 40


def refusal(path: Path, uid: int) -> str:
    """Say what is unsafe about running this file, or what is in this folder, as `uid`, and what mends it.

    Empty where it is safe.

    Each folder from the root down, each link on the way, the folders that it leads through, and the file itself must
    belong to root or to `uid`, and be writable by nobody else; a folder like /tmp, in which nobody can touch what is
    another's, may stand above, but cannot be it. As only a trusted chain passes, nobody can swap the file between the
    check and the run. Raises OSError where something of it does not exist or cannot be read.
    """
    # Strings and no Path objects: this stands between the decision and the script, and is three times as fast so.
    # No normpath or the like either: what `..` means depends on the links before it.
    left = _parts(str(path.absolute()))
    here = ""
    links = 0
    if reason := _unsafe("/", os.lstat("/"), uid, last=False):
        return reason
    while left:
        part = left.pop()
        if part == "..":
            here = here.rpartition("/")[0]
            continue
        step = f"{here}/{part}"
        status = os.lstat(step)
        if reason := _unsafe(step, status, uid, last=not left):
            return reason
        if not stat.S_ISLNK(status.st_mode):
            here = step
            continue
        links += 1
        if links > _MOST_LINKS:
            return f"{path}: goes through more than {_MOST_LINKS} links; point it at the file itself"
        target = os.readlink(step)
        if target.startswith("/"):
            here = ""
        left += _parts(target)
    return ""


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _unsafe(path: str, status: os.stat_result, uid: int, *, last: bool) -> str:
    kind, mode = status.st_mode, stat.S_IMODE(status.st_mode)
    trusted = status.st_uid in (0, uid)
    if trusted and (stat.S_ISLNK(kind) or not mode & _SUSPICIOUS):
        return ""  # a link's own mode says nothing
    name = f"{path} (mode {mode:04o}, owner {status.st_uid})"
    if not trusted:
        return f"{name}: its owner could change it; chown {uid} {path}"
    sticky = stat.S_ISDIR(kind) and mode & stat.S_ISVTX and not last
    if mode & _OTHERS_WRITE and not sticky:
        return f"{name}: others could write it; chmod go-w {path}"
    if stat.S_ISREG(kind) and mode & (stat.S_ISUID | stat.S_ISGID):
        return f"{name}: is setuid or setgid; chmod ug-s {path}"
    return ""
