"""Leaving no process behind: whatever daemons, guards and scripts started becomes a child of this process when its
own parent dies, and can then be found and ended. Imported by `fleet`.
"""

import contextlib
import ctypes
import os
import signal
import time
from typing import Final

__all__ = ["adopt_orphans", "descendants", "end_descendants"]

_PR_SET_CHILD_SUBREAPER: Final = 36
_POLL_SECONDS: Final = 0.01


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    # Process groups would not do: each script has its own, and one may start others.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> set[int]:
    """Return all processes below this one, zombies not counted."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(int(name))):
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    left = [os.getpid()]
    while left:
        below = children.get(left.pop(), [])
        found.update(below)
        left += below
    return found


def end_descendants(spared: frozenset[int], limit: float) -> bool:
    """Kill all of them but the `spared`, for at most `limit` seconds; says whether none is left."""
    deadline = time.monotonic() + limit
    while left := descendants() - spared:
        if time.monotonic() >= deadline:
            return False
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return True


def _parent(pid: int) -> int | None:
    """The parent of a process that lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "pid (name) state parent ...", and the name may hold anything.
            state, parent = file.read(1024).rpartition(b") ")[2].split(maxsplit=2)[:2]
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else int(parent)
