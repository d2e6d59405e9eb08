"""Files in the state directory: the lock, bounded reading, replacing a file. Imported by `state` and `stored`."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from les_hooks.errors import StartError

__all__ = ["GUARD_LOCK", "HeldError", "Lock", "Patience", "lock_holder", "read_bounded", "replace_file"]

GUARD_LOCK: Final = "guard.lock"
"""Held by the guard until the scripts of its daemon are gone; whoever takes the directory waits for that."""

_POLL_SECONDS: Final = 0.05

# The guard's search, its five seconds between TERM and KILL, and a margin.
_GUARD_SECONDS: Final = 15.0

_CLEANUP: Final = "(les cleanup)"


class HeldError(StartError):
    """Another process, the `holder`, has the state directory; raised when the patience with it is over."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.holder = holder
        advice = "stop that process, or give this node another [node] state_dir"
        super().__init__(f"state directory {folder}", f"is held by {holder}", advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """For how long to wait for who has the directory: for a daemon `seconds`, for `les cleanup` `cleanup_seconds`.

    `cleaning`: who waits is `les cleanup`, and signs as that.
    """

    seconds: float = 0.0
    cleanup_seconds: float = 0.0
    cleaning: bool = False


class Lock:
    """The exclusive lock of a state directory, as flock(2) on `lock` in it; who holds it signs there."""

    def __init__(self, fd: int) -> None:
        """Use `acquire`."""
        self._fd = fd

    @classmethod
    def acquire(
        cls, folder: Path, patience: Patience, *, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> Self:
        """Make the folder if need be, check that it is ours, lock it, and wait for a guard. Raises StartError."""
        fd = _open_lock_file(folder)
        try:
            _wait_for(fd, folder, patience, now, sleep)
            _sign(fd, patience)
            _wait_for_guard(folder, now, sleep)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """Let others have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def lock_holder(folder: Path) -> str:
    """Who has the directory, for a log; where this process has it, the guard of the daemon before is waited for."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        holder = _holder(fd)
    finally:
        os.close(fd)
    return "the guard of a daemon that died" if holder.split()[:2] == ["process", str(os.getpid())] else holder


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """The file's content. Raises OSError, for a longer one too."""
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(f"is longer than {most_bytes} bytes")
    return data


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Put the content in the file's place, whole or not at all; `durable`: it survives a power cut. Raises OSError.

    Only one writer at a time: the holder of the lock.
    """
    draft = path.with_name(f"{path.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(fd)
    draft.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _open_lock_file(folder: Path) -> int:
    what = f"state directory {folder}"
    other = "or name another one as [node] state_dir"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid():
            raise StartError(
                what,
                f"belongs to uid {status.st_uid}, and this process runs as uid {os.geteuid()}",
                f"run as its owner, {other}",
                exit_code=77,
            )
        if status.st_mode & stat.S_IWOTH:
            raise StartError(what, "can be written by anybody", f"run `chmod o-w {folder}`, {other}")
    except FileExistsError:
        raise StartError(what, "is not a directory", f"move it away, {other}") from None
    except OSError as error:
        raise _unusable(folder, error) from error
    return _open(folder, "lock")


def _open(folder: Path, name: str) -> int:
    try:
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> StartError:
    return StartError(
        f"state directory {folder}",
        f"cannot be used ({error.strerror or error})",
        "make it writable, or name another one as [node] state_dir",
    )


def _wait_for(
    fd: int, folder: Path, patience: Patience, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    began = now()
    while not _taken(fd, folder):
        holder = _holder(fd)
        if now() >= began + (patience.cleanup_seconds if _CLEANUP in holder else patience.seconds):
            raise HeldError(folder, holder)
        sleep(_POLL_SECONDS)


def _wait_for_guard(folder: Path, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Wait until nothing is left of the daemon before, which may have died a moment ago."""
    began = now()
    fd = _open(folder, GUARD_LOCK)
    try:
        while not _taken(fd, folder):
            if now() >= began + _GUARD_SECONDS:
                raise StartError(
                    f"state directory {folder}",
                    "is held by the guard of a daemon that died, which should have ended its scripts by now",
                    f"see what they do, end them, and the process that `fuser {folder / GUARD_LOCK}` tells",
                )
            sleep(_POLL_SECONDS)
    finally:
        os.close(fd)


def _taken(fd: int, folder: Path) -> bool:
    try:
        # flock and not lockf: two nodes in one process must exclude each other as well.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StartError(
            f"state directory {folder}", f"cannot be locked ({error.strerror})", "use a local file system"
        ) from error
    return True


def _sign(fd: int, patience: Patience) -> None:
    with contextlib.suppress(OSError):  # a full disk; it only makes the message better
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d%s\n" % (os.getpid(), b" cleanup" if patience.cleaning else b""), 0)


def _holder(fd: int) -> str:
    pid, _, role = os.pread(fd, 40, 0).strip().decode("ascii", "replace").partition(" ")
    if not pid.isdigit():
        return "another process"
    return f"process {pid} {_CLEANUP}" if role == "cleanup" else f"process {pid}"
