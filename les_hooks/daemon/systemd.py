"""Talking to the service manager: the protocol of sd_notify(3), one datagram a message. Imported by the daemon."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from les_hooks.text import printable

__all__ = ["ServiceManager"]


class ServiceManager:
    """What started this daemon, if it asked to be told; otherwise every method does nothing.

    No method blocks or raises. Each returns whether the message was taken, so that who must be heard can repeat it.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Take the variables out of the environment, so that scripts do not speak in the daemon's name."""
        self._address = environ.pop("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog_seconds(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        """How long the manager waits for `alive` before it ends this process, None where it does not."""

    def ready(self, status: str) -> bool:
        """The start, or the reload, is complete."""
        return self._send("READY=1", _status(status))

    def status(self, text: str) -> bool:
        """What `systemctl status` shows."""
        return self._send(_status(text))

    def reloading(self, clock: Callable[[], int] = time.monotonic_ns) -> bool:
        """A reload has begun; `ready` ends it."""
        # CLOCK_MONOTONIC, not our CLOCK_BOOTTIME: the manager compares it with its own.
        return self._send("RELOADING=1", f"MONOTONIC_USEC={clock() // 1000}")

    def stopping(self, status: str) -> bool:
        """The end has begun."""
        return self._send("STOPPING=1", _status(status))

    def alive(self) -> bool:
        """Feed the watchdog."""
        return self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> bool:
        """Starting, reloading or stopping takes this much longer from now on."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, *lines: str) -> bool:
        # systemd knows vsock addresses too; what manages a container host is not what started us.
        if not self._address.startswith(("/", "@")):
            return False
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(errors="replace"), address)
            return True
        return False


def _status(text: str) -> str:
    # A newline in a peer's name would begin a message of its own.
    return f"STATUS={printable(text)}"


def _watchdog_seconds(microseconds: str, pid: str) -> float | None:
    if not (microseconds.isascii() and microseconds.isdigit()) or int(microseconds) == 0:
        return None
    # The variables may have been meant for a parent that passed its environment on.
    if pid and pid != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
