"""The door of a listener: its sockets, and who is let in through them, before anything is read. For both listeners.

In place of asyncio's own server, which makes a transport, and with TLS a handshake, of whatever comes.
"""

import asyncio
import errno
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from les_hooks.security import handshake_words
from les_hooks.serving.advice import cannot_listen
from les_hooks.serving.binding import bound
from les_hooks.serving.guest import Guest
from les_hooks.serving.logs import Sparing
from les_hooks.serving.metered import Metered
from les_hooks.serving.sources import Limits, Refusal, Sources, source_of
from les_hooks.wire import excerpt

__all__ = ["Door"]

# What the kernel keeps until it is accepted; one more than that waits for a second, be it a member's.
_BACKLOG: Final = 1024
# Some 20 µs each, so that a flood leaves the loop to others every few milliseconds.
_MOST_ACCEPTED_AT_ONCE: Final = 64
_PAUSE_SECONDS: Final = 1.0
_TLS_CLOSE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 1.0
# A reset in place of a goodbye: nothing stays in the kernel of who was turned away.
_RESET: Final = struct.pack("ii", 1, 0)
# Of a connection that has failed before it was accepted; see accept(2).
_THEIRS: Final = frozenset(
    (
        *(errno.ECONNABORTED, errno.EPROTO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENONET),
    )
)


class Door:
    """Binds in `bind`, listens in `listen`; in between, connections are refused, as if nobody were there.

    `factory` makes the protocol of a connection that is let in. `context` is asked for each of them, None is no TLS;
    a handshake may take `handshake_seconds`, and who has not proven itself goes after `stranger_seconds`, whatever it
    does, or once it has said more than `stranger_bytes`, those of TLS included; None is no limit. `kind` begins the
    names of its log events.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        limits: Limits,
        *,
        stranger_seconds: float,
        stranger_bytes: int | None = None,
        log: FilteringBoundLogger,
        kind: str = "",
        context: Callable[[], ssl.SSLContext | None] = lambda: None,
        handshake_seconds: float = 1.0,
    ) -> None:
        self._factory = factory
        self._limits = limits
        self._stranger_seconds = stranger_seconds
        self._stranger_bytes = stranger_bytes
        self._kind = kind
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._refusals, self._failures, self._faults = Sparing(log), Sparing(log, once=True), Sparing(log)
        self._sources: Sources[Guest] = Sources(limits)
        self._listeners: dict[socket.socket, asyncio.TimerHandle | None] = {}
        self._guests: set[Guest] = set()
        self._inside: dict[asyncio.BaseProtocol, Guest] = {}
        self._place = ("", "", 0)
        self._arriving: set[asyncio.Task[None]] = set()

    async def bind(self, key: str, host: str, port: int) -> None:
        """Take the port, of all addresses of the host; `key` is where it is set. Raises StartError."""
        self._place = (key, host, port)
        try:
            for listener in await bound(host, port):
                self.adopt(listener)
        except OSError as error:
            raise cannot_listen(*self._place, error) from error

    def adopt(self, listener: socket.socket) -> None:
        """Take a socket that is bound already."""
        listener.setblocking(False)
        self._listeners[listener] = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Those that it has taken."""
        return tuple(self._listeners)

    def listen(self) -> None:
        """Let guests in from now on. Raises StartError where another process was faster."""
        for listener in self._listeners:
            try:
                listener.listen(_BACKLOG)
            except OSError as error:
                raise cannot_listen(*self._place, error) from error
            self._watch(listener)

    def stop(self) -> None:
        """Refuse new connections from now on; those that there are go on."""
        loop = asyncio.get_running_loop()
        for listener, pause in self._listeners.items():
            if pause is not None:
                pause.cancel()
            loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()

    async def close(self) -> None:
        """Stop, and end all that are here, in bounded time."""
        self.stop()
        for guest in tuple(self._guests):
            guest.turn_out()
        if self._arriving:
            _, late = await asyncio.wait(self._arriving, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()

    def prove(self, protocol: asyncio.BaseProtocol) -> None:
        """The connection of this protocol, which `factory` made, is no stranger's: nobody that comes touches it now."""
        guest = self._inside.get(protocol)
        if guest is not None:
            guest.settle()
            self._sources.leave(guest)

    # -- what comes in -------------------------------------------------------------------------------------------------

    def _watch(self, listener: socket.socket) -> None:
        self._listeners[listener] = None
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_MOST_ACCEPTED_AT_ONCE):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _THEIRS:
                    continue
                self._pause(listener, error)
                return
            self._meet(connection, source_of(listener.family, address))

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Look away for a moment: with no file left, say, who waits goes on to wait, and would be heard for ever."""
        self._faults.write(logging.ERROR, f"{self._kind}accept-paused", seconds=_PAUSE_SECONDS, reason=str(error))
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        self._listeners[listener] = loop.call_later(_PAUSE_SECONDS, self._watch, listener)

    def _meet(self, connection: socket.socket, source: str) -> None:
        full = len(self._guests) >= self._limits.connections
        refusal = Refusal.FULL if full else self._sources.refusal(source)
        if refusal is not None:
            _turn_away(connection)
            self._refusals.write(
                logging.WARNING, f"{self._kind}connection-refused", source=source, reason=refusal.value
            )
            return
        metered = Metered(connection, self._stranger_bytes)
        context = self._context()
        guest = Guest(self, metered, source, self._stranger_seconds)
        self._guests.add(guest)
        leaver = self._sources.enter(source, guest)
        if leaver is not None:
            leaver.turn_out()
        task = asyncio.create_task(self._greet(guest, metered, context))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _greet(self, guest: Guest, connection: Metered, context: ssl.SSLContext | None) -> None:
        seconds = None if context is None else self._handshake_seconds
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guest,
                connection,
                ssl=context,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=None if context is None else _TLS_CLOSE_SECONDS,
            )
        except OSError as error:
            self._failures.write(
                logging.INFO,
                f"{self._kind}handshake-failed",
                source=guest.source,
                reason=excerpt(handshake_words(error)),
            )
        finally:
            if not guest.is_in:
                self.forget(guest, None)

    # -- what a guest tells --------------------------------------------------------------------------------------------

    def receive(self, guest: Guest) -> asyncio.Protocol:
        """The protocol for a guest whose handshake is done."""
        protocol = self._factory()
        self._inside[protocol] = guest
        return protocol

    def forget(self, guest: Guest, protocol: asyncio.Protocol | None) -> None:
        """It is gone, and so is what `receive` gave it."""
        guest.settle()
        self._guests.discard(guest)
        self._sources.leave(guest)
        if protocol is not None:
            del self._inside[protocol]


def _turn_away(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
