"""Records that could not be written, counted until the trail can say how many. Imported by `trail` only."""

from pathlib import Path

from structlog.typing import FilteringBoundLogger

__all__ = ["Losses"]


class Losses:
    """Counts them; the log hears when it begins and when it is over.

    `degraded` is why records cannot be written at present, None where they can; `count` and `size`, in bytes, are of
    those that are not accounted for yet, and `since` is when the first of them was lost, in Unix seconds.
    """

    def __init__(self, path: Path, log: FilteringBoundLogger) -> None:
        self.degraded: str | None = None
        self.count = self.size = 0
        self.since = 0.0
        self._path = str(path)
        self._log = log

    def add(self, why: str, size: int, wall: float) -> None:
        """Take note that a record of this many bytes is lost at this moment, in Unix seconds."""
        if self.count == 0:
            self.since = wall
        self.count += 1
        self.size += size
        if self.degraded is None:
            self._log.error("audit-degraded", path=self._path, reason=why)
        self.degraded = why

    def accounted(self) -> None:
        """Take note that the trail says so now."""
        self.count = self.size = 0

    def over(self) -> None:
        """Take note that a record could be written."""
        if self.degraded is not None:
            self._log.info("audit-recovered", path=self._path)
        self.degraded = None
