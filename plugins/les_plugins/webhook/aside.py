"""Keeping a file aside that cannot be used, for an operator to look at. For `outbox`."""

import shutil
from pathlib import Path

__all__ = ["put_aside"]

# A disk that damages a file each day must not be filled by that.
_MOST_KEPT = 3


def put_aside(path: Path, now: float) -> Path:
    """Move it, and what SQLite keeps beside it, into a folder of its own; returns that. Raises OSError.

    Without its companions it could not be looked at; and left behind they would be taken for those of the next file.
    """
    folder = path.with_name(f"{path.name}.corrupt-{now:.0f}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        if path.with_name(name).exists():
            path.with_name(name).rename(folder / name)
    for old in sorted(path.parent.glob(f"{path.name}.corrupt-*"))[:-_MOST_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
