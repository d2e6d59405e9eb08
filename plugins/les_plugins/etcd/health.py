"""How etcd does, as this node finds it: since when it does not answer, and why. Private to `etcd`."""

import math

from structlog.typing import FilteringBoundLogger

from les_plugins.etcd.store import StoreError

__all__ = ["Health"]


class Health:
    """Whether calls succeed; logs when that changes. Times are boottime seconds."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self.failing_since = math.inf
        self.why = ""
        self.answered = -math.inf
        """When the last request was sent that was answered."""

    def failed(self, error: StoreError, now: float) -> None:
        """A call has failed."""
        if self.failing_since == math.inf:
            self.failing_since = now
            self._log.warning("etcd-failing", reason=error.why)
        elif error.why != self.why:
            self._log.info("etcd-still-failing", reason=error.why)
        self.why = error.why

    def well(self, sent: float, now: float) -> None:
        """A request was answered."""
        self.answered = max(self.answered, sent)
        if self.failing_since < math.inf:
            self._log.info("etcd-answers", seconds=round(now - self.failing_since, 3))
            self.failing_since, self.why = math.inf, ""
