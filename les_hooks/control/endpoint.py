"""Making the file of a Unix socket: private from the first moment, and never in the place of a living daemon's.

Imported by `server`, by the listener of `[http]`, and by the command line, which checks the place beforehand.
"""

import contextlib
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError

__all__ = ["CONTROL", "Endpoint", "Purpose", "check_place"]

_BACKLOG: Final = 128
_PROBE_SECONDS: Final = 1.0
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a socket is for: its `name` in errors, the `key` of its place, and who may connect, as the file's `mode`."""

    name: str
    key: str
    mode: int

    def what(self, path: Path) -> str:
        """The socket, in errors."""
        return f"{self.name} {path}"

    @property
    def advice(self) -> str:
        """What always helps."""
        return f"name another place as {self.key}"


CONTROL: Final = Purpose(name="control socket", key="[control] socket", mode=_PRIVATE)


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
        what = purpose.what(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _clear(path, purpose)
            # On Linux the file gets the mode of the socket: unlike a chmod afterwards it leaves no moment in which
            # others could connect, and unlike umask(2) it does not touch the files of other threads.
            os.fchmod(listener.fileno(), _PRIVATE)
            listener.bind(os.fspath(path))
            if purpose.mode != _PRIVATE:
                path.chmod(purpose.mode)  # the mode of the socket would be cut down by the umask
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            self._inode = path.lstat().st_ino
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
