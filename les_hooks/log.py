"""The operational log: structlog loggers with explicit processors. Imports `text`; anybody above may import it.

structlog's process-wide configuration is neither read nor set, because who uses les-hooks as a library has one of
their own. An event is a constant name with keys: `log.warning("link-refused", peer=..., reason=...)`.
"""

import os
import select
import socket
import stat
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
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
    closed terminal must not end a daemon. Nor may one that nobody reads stop it: lines that a pipe, a socket or a
    terminal does not take at once are dropped, and `log-dropped` tells how many, once it takes lines again.
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
    out = _Stream(stream)
    logger = structlog.wrap_logger(
        out,
        processors=processors,
        # Level 0: the class lets everything through, since its level cannot be changed once loggers are bound.
        wrapper_class=structlog.make_filtering_bound_logger(0),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound = cast(FilteringBoundLogger, logger.bind())
    out.on_dropped = lambda count: bound.error("log-dropped", count=count)
    return bound


class _Stream:
    """Where finished lines go, each in one piece, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self.on_dropped: Callable[[int], None] = lambda _count: None
        self._stream = stream
        # A StringIO has none.
        self._encoding = stream.encoding or "utf-8"
        self._write = _unblocked(stream)
        self._rest = b""
        self._dropped = 0
        # Told of what was dropped, `on_dropped` logs.
        self._lock = threading.RLock()

    def msg(self, line: str) -> None:
        """Write one line, or drop it where that would take waiting."""
        data = line.encode(self._encoding, "backslashreplace") + b"\n"
        with self._lock:
            if self._dropped:
                count, self._dropped = self._dropped, 0
                self.on_dropped(count)
                if self._dropped:
                    self._dropped = count
            try:
                self._dropped += not self._put(data)
            except (OSError, ValueError):
                # Nobody is left to tell: this is the log. ValueError is what a closed stream raises.
                self._rest = b""

    debug = info = warning = error = critical = fatal = exception = msg

    def _put(self, data: bytes) -> bool:
        """Write, and say whether it was taken; what is taken in part is remembered, and its rest comes first."""
        if self._write is None:
            self._stream.write(data.decode(self._encoding))
            self._stream.flush()
            return True
        self._rest = _push(self._write, self._rest)
        if self._rest:
            return False
        rest = _push(self._write, data)
        if rest != data:
            self._rest = rest
        return rest != data


_Write = Callable[[bytes], int]
"""Writes what can be written at once, and returns how many bytes that were."""


def _push(write: _Write, data: bytes) -> bytes:
    """Write as much as there is room for, and return the rest."""
    while data and (taken := write(data[: select.PIPE_BUF])):
        data = data[taken:]
    return data


def _unblocked(stream: TextIO) -> _Write | None:
    """A way to write to what may have no room because its reader stands still; None where that cannot be."""
    try:
        fd = stream.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return None  # a stream in memory
    if stat.S_ISSOCK(mode):
        return partial(_send, fd)
    if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
        return None
    try:
        # Opened anew, since O_NONBLOCK on the one that we were given would hold for all who have it: the shell, too.
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return partial(_write_if_room, fd)  # it belongs to another user
    write = partial(_write, own)
    weakref.finalize(stream, os.close, own)
    return write


def _write(fd: int, data: bytes) -> int:
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


def _write_if_room(fd: int, data: bytes) -> int:
    """As good as it gets for a descriptor that waits: a pipe that says it has room takes PIPE_BUF bytes."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return os.write(fd, data) if poll.poll(0) else 0


def _send(fd: int, data: bytes) -> int:
    connection = socket.socket(fileno=fd)
    try:
        return connection.send(data, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0
    finally:
        connection.detach()


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
