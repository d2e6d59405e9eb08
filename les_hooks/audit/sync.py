"""Bringing what was written to the disk, in a thread of its own: it may hang there, and nothing else does.

Imported by `trail` only.
"""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

__all__ = ["LATE_SECONDS", "Syncer"]

LATE_SECONDS: Final = 0.1
"""How long somebody may wait for the disk; one that needs longer is said to be in trouble."""

# What is no file on a disk, such as a FIFO or /dev/full, has nothing to sync.
_NOTHING_TO_SYNC: Final = frozenset({errno.EINVAL, errno.EROFS})


class Syncer:
    """Syncs what it is asked to; while it does, further requests gather and become one.

    `sync` blocks until a file descriptor's data are on disk, and raises OSError; `clock` counts seconds.
    """

    def __init__(
        self,
        *,
        sync: Callable[[int], None] = os.fdatasync,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._news = threading.Condition()
        self._files: dict[int, int] = {}
        self._waiters: list[Future[None]] = []
        self._thread: threading.Thread | None = None
        # Since when what is under way, and what waits for its turn, has been asked for.
        self._begun: float | None = None
        self._asked: float | None = None
        self._error = ""
        self._closed = False

    @property
    def trouble(self) -> str:
        """What is wrong with the disk, empty where nothing is known to be."""
        # From the request on, as who waits for it does: the thread may be slow to begin, too.
        asked = self._asked if (begun := self._begun) is None else begun
        if asked is not None and self._clock() - asked >= LATE_SECONDS:
            return f"the disk takes longer than {LATE_SECONDS * 1000:g} ms to sync it"
        return self._error

    def request(self, fd: int) -> None:
        """Have what was written to this file so far brought to the disk; returns at once. Raises OSError."""
        file = os.fstat(fd).st_ino
        with self._news:
            if file not in self._files and not self._closed:
                # One of our own: the file may be rotated away, and the descriptor closed, before its turn.
                copy = os.dup(fd)
                if not self._files:
                    self._asked = self._clock()
                self._files[file] = copy
            if self._thread is None:
                # No pool: the process must not wait at its end for a disk that hangs.
                self._thread = threading.Thread(target=self._work, name="les-audit-sync", daemon=True)
                self._thread.start()
            self._news.notify()

    def done(self) -> Future[None]:
        """Done when all that was requested so far has been dealt with."""
        future: Future[None] = Future()
        with self._news:
            if self._files or self._begun is not None:
                self._waiters.append(future)
            else:
                future.set_result(None)
        return future

    def close(self) -> None:
        """Take no more requests; those that were made are dealt with."""
        with self._news:
            self._closed = True
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._files:
                    if self._closed:
                        return
                    self._news.wait()
                files, self._files = self._files, {}
                waiters, self._waiters = self._waiters, []
                self._begun, self._asked = self._asked, None
            error = ""
            for fd in files.values():
                error = self._sync_one(fd) or error
            with self._news:
                self._begun, self._error = None, error
                if not self._files:
                    # Who came while it was under way, and after the last request.
                    waiters, self._waiters = waiters + self._waiters, []
            for waiter in waiters:
                if waiter.set_running_or_notify_cancel():
                    waiter.set_result(None)

    def _sync_one(self, fd: int) -> str:
        """Sync and close it; returns what went wrong."""
        try:
            self._sync(fd)
        except OSError as error:
            return "" if error.errno in _NOTHING_TO_SYNC else f"it cannot be synced: {error}"
        finally:
            with contextlib.suppress(OSError):  # a disk may say so only now; the thread must go on
                os.close(fd)
        return ""
