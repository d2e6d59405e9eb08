"""How etcd does, as this node finds it: since when it does not answer, and why. Private to `etcd`."""

import math

from structlog.typing import FilteringBoundLogger

from les_plugins.etcd.store import RefusedError, StoreError

__all__ = ["Health"]

# Several tasks ask, and what each is told may differ: the log is not to tell it at their pace.
_TELL_AGAIN_SECONDS = 10.0
# Who may not write a key may well renew a lease, or read: only where nothing is refused any more, all is well.
_REFUSAL_SECONDS = 2.0


class Health:
    """Whether calls succeed; logs when that changes. Times are boottime seconds."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._told = (-math.inf, "")
        self._refused_at = -math.inf
        self.failing_since = math.inf
        self.why = ""
        """What the last call that failed has come to; empty where etcd answers."""
        self.refused = False
        """Whether that was a no, and not silence."""
        self.answered = -math.inf
        """When the last request was sent that was answered."""

    def failed(self, error: StoreError, now: float) -> None:
        """A call has failed."""
        self.why, self.refused = error.why, isinstance(error, RefusedError)
        if self.refused:
            self._refused_at = now
        told_at, told = self._told
        if self.failing_since == math.inf:
            self.failing_since, self._told = now, (now, error.why)
            self._log.warning("etcd-failing", reason=error.why)
        elif error.why != told and now - told_at >= _TELL_AGAIN_SECONDS:
            self._told = now, error.why
            self._log.info("etcd-still-failing", reason=error.why)

    def well(self, sent: float, now: float) -> None:
        """A request was answered."""
        self.answered = max(self.answered, sent)
        if self.failing_since < math.inf and now - self._refused_at >= _REFUSAL_SECONDS:
            self._log.info("etcd-answers", seconds=round(now - self.failing_since, 3))
            self.failing_since, self.why, self.refused = math.inf, "", False
