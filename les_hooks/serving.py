"""What the two listeners of a node have in common: that of the peers, and that of the page.

Imported by `backends` and `http`.
"""

import asyncio
import errno
import logging
import os

from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import FilteringBoundLogger

from les_hooks.errors import StartError
from les_hooks.members import join_host_port
from les_hooks.wire import excerpt

__all__ = ["TurnedAway", "cannot_listen", "forward_to"]

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


class TurnedAway(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


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
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; what is the other end's fault is no error."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            peer = excerpt(str(record.args[0])) if isinstance(record.args, tuple) and record.args else "unknown"
            self._log.info("request-refused", peer=peer, reason=excerpt(error.message.partition("\n")[0]))
        else:
            self._log.error("request-failed", reason=excerpt(record.getMessage()), exc_info=error)
