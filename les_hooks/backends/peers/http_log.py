"""What the HTTP library has to say goes into our log, as one line each. For this package only.

It logs through `logging`, which prints to standard error in the middle of our JSON lines where nobody has set it up;
and it calls it an error of ours, with a traceback, when somebody talks nonsense to the port.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import FilteringBoundLogger

from les_hooks.wire import excerpt

__all__ = ["forward_to"]


def forward_to(log: FilteringBoundLogger) -> logging.Logger:
    """Make a logger for the library that writes into `log`."""
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
