"""Who a user of the configuration is to the kernel. Private to `les_hooks.processes`."""

import os
import pwd
from dataclasses import dataclass

from les_hooks.errors import StartError

__all__ = ["Identity", "identify"]

_CONFIGURATION = 78

# 32 bits, of which the last one says "unchanged" to the kernel.
_MOST_UID = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user as the kernel knows one: `groups` are the further ones."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    def __str__(self) -> str:
        return self.name if self.name == str(self.uid) else f"{self.name} (uid {self.uid})"


def identify(user: str, key: str) -> Identity:
    """Look up a user, a name or a number; `key` is where it stands in the configuration.

    To be done once: a directory service may be slow, and is not to be asked for each program. Raises StartError where
    there is none of that name, and for those that would keep programs from nothing.
    """
    found = _look_up(user, key)
    why = ""
    if found.uid == 0:
        why = "is root"
    elif found.uid == os.geteuid():
        why = "is the daemon's own"
    elif 0 in (found.gid, *found.groups):
        why = "is in the group of root"
    if why:
        advice = "name a user that owns nothing else, or leave the key out"
        raise StartError(f"{key} {found}", f"{why}, and could change what the daemon needs", advice, _CONFIGURATION)
    return found


def _look_up(user: str, key: str) -> Identity:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        if user.isdigit() and int(user) < _MOST_UID:
            # In a container without a list of users a number is all that there is.
            return Identity(name=user, uid=int(user), gid=int(user), groups=(), home="/")
        advice = f"make one with `useradd --system --shell /usr/sbin/nologin {user}`, or correct the name"
        raise StartError(f"{key} {user}", "there is no such user", advice, _CONFIGURATION) from None
    groups = {*os.getgrouplist(entry.pw_name, entry.pw_gid)} - {entry.pw_gid}
    return Identity(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(sorted(groups)),
        home=entry.pw_dir or "/",
    )
