"""Running programs as another user, without any right of the daemon's, and within limits.

Imported through `les_hooks.processes` by `daemon` and what is above.

What does it are `setpriv` and `prlimit` of util-linux, before the program in its own command line: each becomes the
next by exec, so pid, group and pipes stay those of the program. The other ways: `preexec_fn` runs Python between fork
and exec, which may hang beside threads, and forbids vfork; `user=` and `group=` of subprocess leave the bounding set
and new privileges; a launcher in Python costs 15 ms for each start. These two cost 2, are made for exactly this, and
are on every distribution with systemd. They are looked for in the folders of the system, never along a PATH.
"""

import errno
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from les_hooks.config import LimitsConfig
from les_hooks.errors import StartError
from les_hooks.processes.command import Command
from les_hooks.processes.reach import barred, is_program
from les_hooks.processes.users import Identity, identify
from les_hooks.text import plain

__all__ = ["Confinement", "Unavailable", "confine", "tool"]

# /run/current-system: where NixOS has everything.
_FOLDERS: Final = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin")

# How both tools end their last words when an exec fails.
_ERRORS: Final = {
    os.strerror(number): number
    for number in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ETXTBSY, errno.E2BIG, errno.ENOMEM)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Programs are to be confined, and cannot be: `why` none is started. Never are they run as the daemon instead."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """As whom programs run; `launcher` are the words before a program's own that make it so."""

    user: Identity
    launcher: tuple[str, ...]

    def barred(self, program: Path) -> str:
        """Say what keeps the user from starting this program, and what mends it; empty where nothing is known."""
        return barred(program, self.user)

    def check(self, command: Command) -> None:
        """Raise OSError for what is no program: the tools would hand it to a shell, as execvp(3) does."""
        if not is_program(Path(command.argv[0])):
            raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))

    def is_launcher(self, name: str) -> bool:
        """Whether a process of this name (`/proc/PID/comm`) has not become the program yet."""
        return name in {Path(word).name for word in self.launcher if word.startswith("/")}

    def why_unstarted(self, command: Command, last_words: str) -> OSError:
        """What the kernel would have said of the program, made of what the launcher said before it ended."""
        number = next((number for text, number in _ERRORS.items() if last_words.endswith(text)), None)
        if number == errno.ENOENT or not os.path.lexists(command.argv[0]):
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if why := self.barred(Path(command.argv[0])):
            return OSError(why)
        if number is None:
            return OSError(f"cannot be started as {self.user}: {plain(last_words) or 'nobody knows why'}")
        return OSError(number, os.strerror(number))


def confine(user: str, limits: LimitsConfig, key: str) -> Confinement:
    """Put together what it takes to run programs as this user, a name or a number; `key` is where it stands.

    Raises StartError where there is no such user, or nothing that could do it. `try_out` says whether it works.
    """
    identity = identify(user, key)
    groups = f"--groups={','.join(map(str, identity.groups))}" if identity.groups else "--clear-groups"
    return Confinement(
        user=identity,
        launcher=(
            tool("setpriv"),
            f"--reuid={identity.uid}",
            f"--regid={identity.gid}",
            groups,
            "--inh-caps=-all",
            "--ambient-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
            "--",
            # Last, so that what it forbids is not missing to the one that gives up the rights.
            tool("prlimit"),
            *_limits(limits),
            "--",
        ),
    )


def tool(name: str) -> str:
    """Return the path of a program of the system. Raises StartError where there is none."""
    for folder in _FOLDERS:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK, effective_ids=True):
            return path
    where = ", ".join(_FOLDERS)
    raise StartError(f"the program {name}", f"is in none of {where}", "install util-linux, and coreutils")


def _limits(limits: LimitsConfig) -> Sequence[str]:
    """The words of `prlimit`; what this process may not exceed itself is not asked for, as that takes a right."""
    wanted = {
        "as": (resource.RLIMIT_AS, limits.memory),
        "nproc": (resource.RLIMIT_NPROC, limits.processes),
        "nofile": (resource.RLIMIT_NOFILE, limits.files),
        # What a script has in memory is nothing for a disk.
        "core": (resource.RLIMIT_CORE, 0),
    }
    words = []
    for name, (number, most) in wanted.items():
        _, hard = resource.getrlimit(number)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        words.append(f"--{name}={value}:{value}")
    return words
