"""The command line's end of the control socket: plain sockets and no asyncio, as `les` should start quickly."""

import os
import pwd
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from les_hooks.control.protocol import MOST_REPLY_BYTES, Reply, Request
from les_hooks.errors import ControlError
from les_hooks.text import printable

__all__ = ["NO_PERMISSION", "UNREACHABLE", "call", "stream"]

UNREACHABLE: Final = 69
"""The exit code of a ControlError when no daemon answers."""
NO_PERMISSION: Final = 77
"""The exit code of a ControlError when the caller must not talk to the daemon."""

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_RETRY_SECONDS: Final = 0.05
# A Ctrl-C that comes between Python's last look and the system call would wait for the next line, be that tomorrow.
_LOOK_SECONDS: Final = 0.5
_CHUNK_BYTES: Final = 64 * 1024


def call(socket_path: Path, action: str, arguments: Mapping[str, Any] = _NONE, *, timeout: float = 10.0) -> object:
    """Ask the daemon and return its answer, a JSON value; `timeout` is for all of it, in seconds.

    Raises ControlError, with the daemon's own words or with why it cannot be asked.
    """
    deadline = time.monotonic() + timeout
    with _connect(socket_path, deadline) as connection:
        _send(connection, action, arguments, deadline)
        for line in _lines(connection, deadline):
            return _result(line)
    raise _cut_off(socket_path)


def stream(
    socket_path: Path, action: str, arguments: Mapping[str, Any] = _NONE, *, timeout: float = 10.0
) -> Iterator[object]:
    """Ask the daemon and yield what it tells, as it tells it, until it ends.

    `timeout` is for the connection and the request; between two items there may be any time. Raises ControlError.
    """
    deadline = time.monotonic() + timeout
    with _connect(socket_path, deadline) as connection:
        _send(connection, action, arguments, deadline)
        for line in _lines(connection, None):
            yield _result(line)


def _connect(path: Path, deadline: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        while True:
            connection.settimeout(_left(deadline))
            try:
                connection.connect(os.fspath(path))
            except BlockingIOError:
                # So many wait already that the kernel takes no more: unlike TCP it does not queue us.
                time.sleep(_RETRY_SECONDS)
            else:
                return connection
    except PermissionError:
        connection.close()
        raise ControlError(
            f"{path} belongs to {_owner(path)}; run this as that user or as root", NO_PERMISSION
        ) from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        raise ControlError(
            f"no daemon answers at {path}; start it with `les run` or `systemctl start les`, "
            "or name its configuration with -c",
            UNREACHABLE,
        ) from None
    except OSError as error:
        connection.close()
        raise ControlError(f"{path} cannot be reached: {error.strerror or error}", UNREACHABLE) from error
    except BaseException:
        connection.close()
        raise


def _send(connection: socket.socket, action: str, arguments: Mapping[str, Any], deadline: float) -> None:
    line = msgspec.json.encode(Request(action=action, arguments=dict(arguments))) + b"\n"
    connection.settimeout(_left(deadline))
    try:
        connection.sendall(line)
    except TimeoutError:
        raise _too_slow() from None
    except (BrokenPipeError, ConnectionResetError):
        return  # it hung up, and what it said first can still be read


def _lines(connection: socket.socket, deadline: float | None) -> Iterator[bytes]:
    """Yield whole lines until the other end closes. Raises ControlError."""
    buffer = bytearray()
    while True:
        connection.settimeout(_LOOK_SECONDS if deadline is None else _left(deadline))
        try:
            chunk = connection.recv(_CHUNK_BYTES)
        except TimeoutError:
            if deadline is None:
                continue
            raise _too_slow() from None
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            if buffer:
                raise ControlError("the daemon stopped in the middle of its answer", UNREACHABLE)
            return
        searched = len(buffer)
        buffer += chunk
        while (end := buffer.find(b"\n", searched)) >= 0:
            yield bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
        if len(buffer) > MOST_REPLY_BYTES:
            raise ControlError(f"the daemon's answer is longer than {MOST_REPLY_BYTES} bytes")


def _result(line: bytes) -> object:
    try:
        reply = msgspec.json.decode(line, type=Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"the daemon's answer cannot be understood: {error}") from error
    if not reply.ok:
        raise ControlError(printable(reply.error), reply.exit)
    return reply.result


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _too_slow()
    return left


def _too_slow() -> ControlError:
    return ControlError(
        "the daemon did not answer in time; `systemctl status les` says whether it is well", UNREACHABLE
    )


def _cut_off(path: Path) -> ControlError:
    return ControlError(f"the daemon at {path} hung up without an answer; it may be stopping", UNREACHABLE)


def _owner(path: Path) -> str:
    """Who owns the socket, or the first folder above it that can be seen."""
    for candidate in (path, *path.parents):
        try:
            uid = candidate.stat().st_uid
        except OSError:
            continue
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"uid {uid}"
    return "somebody else"
