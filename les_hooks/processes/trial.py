"""Whether programs can be confined as they are to be: looked at, and tried once. Private to `les_hooks.processes`."""

import os
import re
import subprocess
from typing import Final

from les_hooks.errors import StartError
from les_hooks.processes.confinement import Confinement, tool
from les_hooks.processes.rights import lacking
from les_hooks.text import plain

__all__ = ["NEEDS", "try_out"]

NEEDS: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
"""What a daemon that is not root must have: to become another user, to empty the bounding set, to end its programs."""

_TRIAL_SECONDS: Final = 10.0
_RIGHTS: Final = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

_INSTALL: Final = "install util-linux 2.32 or newer"

# Of sysexits.h: this user must not, and another could.
_NO_PERMISSION: Final = 77


def try_out(confinement: Confinement, key: str) -> None:
    """Raise StartError where programs would not be confined, or could not be ended, and say what mends it.

    A trial, because nothing else tells what a filter of system calls, a namespace or another util-linux does to it.
    """
    what = f"{key} {confinement.user}"
    if missing := lacking(NEEDS):
        advice = "run the daemon as root, for which `les init --root-scripts` writes a unit"
        raise StartError(what, f"this process lacks {', '.join(missing)}", advice, _NO_PERMISSION)
    if not os.access("/proc/1/stat", os.R_OK):
        why = "this process does not see those of others in /proc, so it could not tell whether programs have ended"
        raise StartError(what, why, "in the unit ProtectProc= must be `default`; elsewhere mount /proc without hidepid")
    status = _run(confinement, what)
    kept = [name for name in _RIGHTS if int(status.get(name, "1"), 16)]
    if status.get("NoNewPrivs") != "1":
        kept.append("new privileges")
    if set(status.get("Uid", "").split()) != {str(confinement.user.uid)}:
        kept.append("the user")
    if kept:
        raise StartError(what, f"a program that was tried kept {', '.join(kept)}", _INSTALL)


def _run(confinement: Confinement, what: str) -> dict[str, str]:
    """Run what does no harm; returns what the kernel says of it."""
    try:
        done = subprocess.run(  # noqa: S603  (the system's own programs, and numbers)
            [*confinement.launcher, tool("cat"), "/proc/self/status"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(what, f"a program that was tried failed: {error}", _INSTALL) from error
    if done.returncode != 0:
        said = plain(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        advice = "look at hooks.limits, at what the unit forbids (SystemCallFilter=, PrivateUsers=), and at util-linux"
        raise StartError(what, f"a program that was tried ended with {done.returncode}: {said}", advice)
    return dict(re.findall(r"^(\w+):\s*(.*)$", done.stdout.decode(errors="replace"), re.MULTILINE))
