"""Whether others could change a program that the daemon runs: each folder and link on the way. For `programs` only."""

import functools
import grp
import os
import pwd
import stat
from pathlib import Path

__all__ = ["refusal"]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SUSPICIOUS = _OTHERS_WRITE | stat.S_ISUID | stat.S_ISGID

# As many links as the kernel follows.
_MOST_LINKS = 40

_ACCESS_LIST = "system.posix_acl_access"


def refusal(path: Path, uid: int) -> str:
    """Say what is unsafe about running this file, or what is in this folder, as `uid`, and what mends it.

    Empty where it is safe.

    Each folder from the root down, each link on the way, the folders that it leads through, and the file itself must
    belong to root or to `uid`, and be writable by nobody else; a folder like /tmp, in which nobody can touch what is
    another's, may stand above, but cannot be it. As only a trusted chain passes, nobody can swap the file between the
    check and the run: who could is root, or this user, and need not. Raises OSError where something of it does not
    exist or cannot be read.
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
    if mode & _OTHERS_WRITE and not sticky and not _is_private(path, status, uid):
        return f"{name}: others could write it; chmod go-w {path}"
    if stat.S_ISREG(kind) and mode & (stat.S_ISUID | stat.S_ISGID):
        return f"{name}: is setuid or setgid; chmod ug-s {path}"
    return ""


def _is_private(path: str, status: os.stat_result, uid: int) -> bool:
    """Whether none but this user's own group may write it besides its owner, and nobody else is in that group.

    Where each user has such a group the umask is 0002, and all that they clone or unpack has mode 0775: to refuse that
    would keep nobody out. Root gets no such leave: what it runs is worth a chmod, and its group holds others at times.
    """
    if uid == 0 or status.st_mode & stat.S_IWOTH or status.st_gid != _private_group(uid):
        return False
    try:
        # With a list, these bits of the mode are what anybody named in it may have at most.
        os.getxattr(path, _ACCESS_LIST, follow_symlinks=False)
    except OSError:
        return True
    return False


@functools.lru_cache(maxsize=8)
def _private_group(uid: int) -> int | None:
    """The group that is this user's alone, None where there is none. Asked once: a directory service may be slow."""
    try:
        user = pwd.getpwuid(uid)
        group = grp.getgrgid(user.pw_gid)
    except KeyError:
        return None
    others = {*group.gr_mem, *(each.pw_name for each in pwd.getpwall() if each.pw_gid == group.gr_gid)}
    return group.gr_gid if group.gr_name == user.pw_name and others <= {user.pw_name} else None
