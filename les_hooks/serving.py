"""What the two listeners of a node have in common: that of the peers, and that of the page.

Imported by `backends` and `http`.
"""

import asyncio
import errno
import logging
import os
import re
import time
from collections.abc import Callable
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import FilteringBoundLogger

from les_hooks.errors import StartError
from les_hooks.members import join_host_port
from les_hooks.wire import excerpt

__all__ = ["Bucket", "Sparing", "TurnedAway", "cannot_listen", "forward_to"]

_ADVICE = {
    errno.EADDRINUSE: "another process listens there: stop it (`ss -ltnp` names it), or choose another {key}",
    errno.EACCES: "choose a port above 1023 in {key}, or give this process CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this host has no such address: set {key} to one of its own, or to 0.0.0.0",
}


def cannot_listen(key: str, host: str, port: int, error: OSError) -> StartError:
    """Say why the port cannot be had, and what mends that; `key` is where it is set: `[node] bind`."""
    # Python 3.13 gives no number where none of the addresses is this host's.
    code = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    # asyncio repeats the address in its text; what is no errno of ours (a host that is none) only it can tell.
    why = os.strerror(code).lower() if code in _ADVICE else str(error)
    advice = _ADVICE.get(code, "see {key}").format(key=key)
    return StartError(f"port {join_host_port(host, port)}", why, advice)


_LINES_AT_ONCE: Final = 10
_LINE_SECONDS: Final = 5.0
# After these the library quotes what was sent, which may be a token or a session.
_QUOTES: Final = re.compile(r":|\n| when reading")


class TurnedAway(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class Bucket:
    """Bounds how often something happens: so many at once, and one more each `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._left, self._at = float(most), clock()

    def take(self) -> bool:
        """Whether it may happen once more, now."""
        now = self._clock()
        self._left = min(float(self._most), self._left + (now - self._at) / self._seconds)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Sparing:
    """Writes what strangers can cause into a log: a few lines at once, and the next one says how many were left out."""

    def __init__(self, log: FilteringBoundLogger, bucket: Bucket | None = None) -> None:
        self._log = log
        self._bucket = bucket or Bucket(_LINES_AT_ONCE, _LINE_SECONDS)
        self._unlogged = 0

    def write(self, level: int, event: str, **keys: object) -> None:
        """Write a line, unless it is one too many."""
        if not self._bucket.take():
            self._unlogged += 1
            return
        if self._unlogged:
            keys["unlogged"], self._unlogged = self._unlogged, 0
        self._log.log(level, event, **keys)


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
