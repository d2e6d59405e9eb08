"""Files in the state directory: the lock, bounded reading, replacing a file. Imported by `state` and `stored`."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from les_hooks.errors import StartError

__all__ = ["Lock", "read_bounded", "replace_file"]

_POLL_SECONDS: Final = 0.05


class Lock:
    """The exclusive lock of a state directory, as flock(2) on `lock` in it; the file holds the holder's pid."""

    def __init__(self, fd: int) -> None:
        """Use `acquire`."""
        self._fd = fd

    @classmethod
    def acquire(
        cls, folder: Path, wait_seconds: float, *, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> Self:
        """Make the folder if need be, check that it is ours, and lock it. Raises StartError."""
        fd = _open_lock_file(folder)
        try:
            _wait_for(fd, folder, wait_seconds, now, sleep)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """Let others have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


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
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise StartError(what, "is not a directory", f"move it away, {other}") from None
    except OSError as error:
        raise StartError(what, f"cannot be used ({error.strerror or error})", f"make it writable, {other}") from error


def _wait_for(
    fd: int, folder: Path, wait_seconds: float, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    deadline = now() + wait_seconds
    while True:
        try:
            # flock and not lockf: two nodes in one process must exclude each other as well.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if now() >= deadline:
                raise StartError(
                    f"state directory {folder}",
                    f"is held by {_holder(fd)}",
                    "stop that process, or give this node another [node] state_dir",
                ) from None
            sleep(_POLL_SECONDS)
        except OSError as error:
            raise StartError(
                f"state directory {folder}", f"cannot be locked ({error.strerror})", "use a local file system"
            ) from error
        else:
            with contextlib.suppress(OSError):  # a full disk; the pid only makes the message better
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"%d\n" % os.getpid(), 0)
            return


def _holder(fd: int) -> str:
    pid = os.pread(fd, 20, 0).strip().decode("ascii", "replace")
    return f"process {pid}" if pid.isdigit() else "another process"
