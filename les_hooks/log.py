"""The operational log: structlog loggers with explicit processors. Imports `text`; anybody above may import it.

structlog's process-wide configuration is neither read nor set, because who uses les-hooks as a library has one of
their own. An event is a constant name with keys: `log.warning("link-refused", peer=..., reason=...)`.
"""

import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.dev import ConsoleRenderer
from structlog.processors import TimeStamper, add_log_level
from structlog.typing import FilteringBoundLogger, Processor

from les_hooks.config import LogFormat, LogLevel
from les_hooks.text import encodable, printable

__all__ = ["Threshold", "make_log"]


_RANK: Final[Mapping[str, int]] = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}


class Threshold:
    """The least level that is written; set `level` at any time, and every logger made with it obeys."""

    def __init__(self, level: LogLevel = LogLevel.INFO) -> None:
        self.level = level

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Let the event pass or drop it; this is a structlog processor."""
        # A method that is not in the table (`exception`, `fatal`) is never less than an error.
        if _RANK.get(method, _RANK["error"]) < _RANK[self.level]:
            raise structlog.DropEvent
        return event


def make_log(
    log_format: LogFormat, level: LogLevel | Threshold = LogLevel.INFO, stream: TextIO | None = None
) -> FilteringBoundLogger:
    """Make a logger that writes to `stream` (standard error unless given).

    Pass a `Threshold` to change the level later. A stream that cannot be written loses lines and raises nothing: a
    closed terminal must not end a daemon.
    """
    stream = sys.stderr if stream is None else stream
    threshold = level if isinstance(level, Threshold) else Threshold(level)
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and stream.isatty())
    processors: list[Processor] = [threshold, add_log_level]
    if console:
        colors = stream.isatty() and not os.environ.get("NO_COLOR")
        processors += [
            TimeStamper(fmt="%H:%M:%S.%f", utc=False, key="timestamp"),
            _format_exception,
            _escape,
            ConsoleRenderer(colors=colors, sort_keys=False),
        ]
    else:
        processors += [TimeStamper(fmt="iso", utc=True, key="time"), _format_exception, _render_json]
    logger = structlog.wrap_logger(
        _Stream(stream),
        processors=processors,
        # Level 0: the class lets everything through, since its level cannot be changed once loggers are bound.
        wrapper_class=structlog.make_filtering_bound_logger(0),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast(FilteringBoundLogger, logger.bind())


class _Stream:
    """Where finished lines go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # A StringIO has none.
        self._encoding = stream.encoding or "utf-8"

    def msg(self, line: str) -> None:
        """Write one line, in one call, so that two threads do not mix theirs."""
        try:
            self._stream.write(line.encode(self._encoding, "backslashreplace").decode(self._encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody is left to tell: this is the log. ValueError is what a closed stream raises.
            return

    debug = info = warning = error = critical = fatal = exception = msg


def _format_exception(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn `exc_info` into text under `exception`, each of its lines indented, so that none looks like an event."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        lines = "".join(traceback.format_exception(error)).splitlines()
        event["exception"] = "\n".join(f"    {printable(line)}" for line in lines)
    return event


def _escape(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters everywhere but in a traceback, which has its own line ends and is escaped already."""
    for key, value in list(event.items()):
        if isinstance(value, str) and key != "exception":
            event[key] = printable(value)
    return event


def _render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON, whatever the values are."""
    try:
        return _ENCODER.encode(event).decode()
    except (TypeError, ValueError, RecursionError):
        # A lone surrogate, a key that is no string, a loop: the event goes out all the same.
        plain = {
            encodable(str(key)): encodable(value if isinstance(value, str) else repr(value))
            for key, value in event.items()
        }
        return _ENCODER.encode(plain).decode()


_ENCODER = msgspec.json.Encoder(enc_hook=repr)
