"""Waiting until what was written is on the disk, but never for long. Imported by `trail` only."""

import asyncio
import contextlib
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from les_hooks.audit.sync import LATE_SECONDS, Syncer

__all__ = ["Disk"]


class Disk:
    """The disk that a trail is on; the log hears when it comes into trouble, and when it is out of it again."""

    def __init__(self, syncer: Syncer, path: Path, log: FilteringBoundLogger) -> None:
        self._syncer = syncer
        self._path = str(path)
        self._log = log
        self._told = ""

    @property
    def trouble(self) -> str:
        """What is wrong with it, empty where nothing is known to be."""
        return self._syncer.trouble

    def request(self, fd: int) -> None:
        """Begin to bring there what was written to this file so far; returns at once."""
        with contextlib.suppress(OSError):  # out of descriptors, of which others will speak
            self._syncer.request(fd)

    async def wait(self, seconds: float) -> bool:
        """Wait until all that was begun is there, at most so many seconds; returns whether it is.

        One that is known to hang is not waited for, unless for longer than it is given as a rule.
        """
        if self.trouble and seconds <= LATE_SECONDS:
            self._tell()
            return False
        done = asyncio.wrap_future(self._syncer.done())
        await asyncio.wait({done}, timeout=seconds)
        there = done.done() and not self.trouble
        done.cancel()
        self._tell()
        return there

    def close(self) -> None:
        """Take no more; what was begun goes on."""
        self._syncer.close()

    def _tell(self) -> None:
        trouble, before = self.trouble, self._told
        if trouble and not before:
            self._log.error("audit-unsynced", path=self._path, reason=trouble)
        elif before and not trouble:
            self._log.info("audit-synced", path=self._path)
        self._told = trouble
