"""Making the file of a Unix socket: private from the first moment, and never in the place of a living daemon's.

Imported by `server`, by the listener of `[http]`, and by the command line, which checks the place beforehand.
"""

import contextlib
import grp
import os
import socket
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError

__all__ = ["CONTROL", "Endpoint", "Purpose", "check_place", "closed_to_group", "control_of", "group_id"]

_BACKLOG: Final = 128
_PROBE_SECONDS: Final = 1.0
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a socket is for: its `name` in errors, the `key` of its place, and who may connect, as the file's `mode`.

    `group` is the group that the file is given to, by name or number; empty for that of this process.
    """

    name: str
    key: str
    mode: int
    group: str = ""

    def what(self, path: Path) -> str:
        """The socket, in errors."""
        return f"{self.name} {path}"

    @property
    def advice(self) -> str:
        """What always helps."""
        return f"name another place as {self.key}"


CONTROL: Final = Purpose(name="control socket", key="[control] socket", mode=_PRIVATE)


def control_of(group: str | None) -> Purpose:
    """The control socket, with `[control] group`."""
    return CONTROL if group is None else replace(CONTROL, mode=0o660, group=group)


def group_id(path: Path, purpose: Purpose) -> int:
    """The number of the socket's group, -1 where it has none of its own. Raises StartError where there is no such."""
    if not purpose.group or purpose.group.isdecimal():
        return int(purpose.group or -1)
    try:
        return grp.getgrnam(purpose.group).gr_gid
    except KeyError:
        why = f"there is no group {purpose.group}, which [control] group names"
        raise StartError(purpose.what(path), why, f"make it with `groupadd {purpose.group}`, or name another") from None


def closed_to_group(path: Path, group: int) -> Path | None:
    """The first folder above the socket that members of the group cannot enter, by its mode; None where they can."""
    for folder in reversed(path.absolute().parents):
        try:
            status = folder.stat()
        except OSError:
            return folder
        if not status.st_mode & (stat.S_IXGRP if status.st_gid == group else stat.S_IXOTH):
            return folder
    return None


def check_place(path: Path, *, state_dir: Path, purpose: Purpose = CONTROL) -> None:
    """Raise StartError where no socket can be made at the path. Whoever opens the state directory checks that one."""
    # Of os.path and not of Path: what may not be looked at is no error here, but where it is opened.
    what, folder = purpose.what(path), path.parent
    if folder != state_dir and not os.path.isdir(folder):
        raise StartError(what, f"its folder {folder} does not exist", f"make it, or {purpose.advice}")
    if folder != state_dir and not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        why = f"its folder {folder} cannot be written in by uid {os.geteuid()}"
        raise StartError(what, why, f"change its owner, or {purpose.advice}")
    if os.path.exists(path) and not path.is_socket():
        raise StartError(what, "is something else than a socket", f"move it away, or {purpose.advice}")


class Endpoint:
    """A listening Unix socket and its file."""

    def __init__(self, path: Path, purpose: Purpose = CONTROL) -> None:
        """Listen at the path; what a crash left there is replaced. Raises StartError."""
        what, group = purpose.what(path), group_id(path, purpose)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _clear(path, purpose)
            # On Linux the file gets the mode of the socket: unlike a chmod afterwards it leaves no moment in which
            # others could connect, and unlike umask(2) it does not touch the files of other threads.
            os.fchmod(listener.fileno(), _PRIVATE)
            listener.bind(os.fspath(path))
            self._inode = _open_up(path, group, purpose)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            raise StartError(what, f"cannot be made ({error.strerror or error})", purpose.advice) from error
        except BaseException:
            listener.close()
            raise
        self.path = path
        self.listener = listener

    def remove(self) -> None:
        """Take the file away, unless another daemon has put its own there."""
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()


def _open_up(path: Path, group: int, purpose: Purpose) -> int:
    """Let in who may connect, and return the number of the file. Raises StartError or OSError.

    All by one descriptor: who may write in the folder could put a link to a file of root's in the socket's place.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            why = "was replaced by somebody else while it was made"
            raise StartError(purpose.what(path), why, purpose.advice)
        itself = f"/proc/self/fd/{descriptor}"
        if group >= 0:
            _give(path, itself, group, purpose)
        if purpose.mode != _PRIVATE:
            os.chmod(itself, purpose.mode)  # the mode of the socket would be cut down by the umask
        return status.st_ino
    finally:
        os.close(descriptor)


def _give(path: Path, itself: str, group: int, purpose: Purpose) -> None:
    """Give the file to the group, as long as nobody else can connect. Raises StartError."""
    try:
        os.chown(itself, -1, group)
    except OSError as error:
        why = f"cannot be given to the group {purpose.group} by uid {os.geteuid()} ({error.strerror})"
        advice = (
            f"be root or a member of it; under systemd the unit wants SupplementaryGroups={purpose.group}, "
            "SystemCallFilter=@chown and PrivateUsers=no, which `les init --control-group` writes"
        )
        path.unlink(missing_ok=True)
        raise StartError(purpose.what(path), why, advice) from error


def _clear(path: Path, purpose: Purpose) -> None:
    """Remove a socket that nobody listens at. Raises StartError where something else is in the way, or OSError."""
    what = purpose.what(path)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise StartError(what, "is something else than a socket", f"move it away, or {purpose.advice}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except (BlockingIOError, TimeoutError):
            pass  # it has more clients waiting than it takes: alive
    raise StartError(what, "another daemon answers there", f"stop that one, or {purpose.advice}")
