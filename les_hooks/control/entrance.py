"""Taking connections at the control socket: by who it is, and before anything is spent on them. For `server` only.

asyncio's own server makes transport, buffers and task of each connection before anybody can look at it. A user who
opens thousands a second would have the loop, in which the election runs, do little else.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from les_hooks.control.caller import Caller, Places, caller_at

__all__ = ["Entrance"]

_AT_ONCE: Final = 16
"""So many are taken before the loop goes on with all else: half a millisecond."""
_PAUSE_SECONDS: Final = 1.0


class Entrance:
    """Hands on each connection that there is a place for, and turns all others away."""

    def __init__(
        self,
        listener: socket.socket,
        places: Places,
        *,
        admit: Callable[[socket.socket, Caller], None],
        refusal: Callable[[str], bytes],
        log: FilteringBoundLogger,
    ) -> None:
        """Take connections from now on; `refusal` makes the one line that is said to who is turned away."""
        self._listener, self._places = listener, places
        self._admit, self._refusal, self._log = admit, refusal, log
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Take no more."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _open(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # No descriptors left: it would be readable again at once, and the loop would turn for nothing.
                self._log.error("control-accept-failed", reason=error.strerror)
                self._loop.remove_reader(self._listener)
                self._again = self._loop.call_later(_PAUSE_SECONDS, self._open)
                return
            connection.setblocking(False)
            caller = caller_at(connection)
            if why_not := self._places.why_full(caller):
                with connection, contextlib.suppress(OSError):
                    connection.send(self._refusal(f"{why_not}; try again"))
            else:
                self._admit(connection, caller)
