"""What strangers may have written into the log: bounded, in our words, and nothing that may be a secret.

Imported by `backends` and `http`.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import FilteringBoundLogger

from les_hooks.serving.bucket import Bucket
from les_hooks.wire import excerpt

__all__ = ["Sparing", "forward_to"]

_LINES_AT_ONCE: Final = 10
_LINE_SECONDS: Final = 5.0
# What two nodes do not agree on lasts until somebody comes; who has the secret of another cluster tries once a second.
_SAME_SECONDS: Final = 600.0
_MOST_REMEMBERED: Final = 64
# After these the library quotes what was sent, which may be a token or a session.
_QUOTES: Final = re.compile(r":|\n| when reading")


class Sparing:
    """Writes what strangers can cause into a log: a few lines at once, and the next one says how many were left out.

    With `once`, a line that was written is left out for ten minutes, unless `forget` is called.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        bucket: Bucket | None = None,
        *,
        once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._bucket = bucket or Bucket(_LINES_AT_ONCE, _LINE_SECONDS)
        self._once = once
        self._clock = clock
        self._written: dict[tuple[object, ...], float] = {}
        self._unlogged = 0

    def write(self, level: int, event: str, **keys: object) -> None:
        """Write a line, unless it is one too many; `keys` can be hashed."""
        line = (event, *keys.items())
        if (self._once and self._is_known(line)) or not self._bucket.take():
            self._unlogged += 1
            return
        if self._once:
            self._remember(line)
        if self._unlogged:
            keys["unlogged"], self._unlogged = self._unlogged, 0
        self._log.log(level, event, **keys)

    def forget(self) -> None:
        """Something has changed: what is written next is news."""
        self._written.clear()

    def _is_known(self, line: tuple[object, ...]) -> bool:
        written = self._written.get(line)
        return written is not None and self._clock() - written < _SAME_SECONDS

    def _remember(self, line: tuple[object, ...]) -> None:
        self._written.pop(line, None)
        self._written[line] = self._clock()
        if len(self._written) > _MOST_REMEMBERED:
            del self._written[next(iter(self._written))]


def forward_to(log: FilteringBoundLogger) -> logging.Logger:
    """Make a logger for the HTTP library that writes into `log`, one line each.

    The library logs through `logging`, which prints to standard error in the middle of our JSON lines where nobody has
    set it up; and it calls it an error of ours, with a traceback, when somebody talks nonsense to the port.
    """
    # Not by its name: that one would be the whole process's, and hand everything on to the library user's handlers.
    logger = logging.Logger("les_hooks.http", logging.INFO)
    logger.addHandler(_Forward(log))
    return logger


class _Forward(logging.Handler):
    """Writes each record into the log of this node."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        # One must not crowd out the other.
        self._refusals, self._failures = Sparing(log), Sparing(log)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; what is the other end's fault is no error."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            peer = excerpt(str(record.args[0])) if isinstance(record.args, tuple) and record.args else "unknown"
            reason = excerpt(_QUOTES.split(error.message, maxsplit=1)[0])
            self._refusals.write(logging.INFO, "request-refused", peer=peer, reason=reason)
        else:
            self._failures.write(logging.ERROR, "request-failed", reason=excerpt(record.getMessage()), exc_info=error)
