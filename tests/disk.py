"""A disk small enough to be filled, and the filling of it."""

import contextlib
import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.needs import need_root

__all__ = ["fill", "tiny_disk"]


@contextlib.contextmanager
def tiny_disk(path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB at the path, which is made, for the length of the block."""
    need_root()
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "les-test", str(path)]
    subprocess.run(mount, check=True, timeout=10)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=10)


def fill(ballast: Path) -> None:
    """Write to the file until the disk is full."""
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017  (any other error is the test's own trouble)
