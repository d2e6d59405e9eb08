"""The door of a listener: its sockets, and who is let in through them, before anything is read. For both listeners.

In place of asyncio's own server, which makes a transport, and with TLS a handshake, of whatever comes.
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from les_hooks.security import handshake_words
from les_hooks.serving.advice import cannot_listen
from les_hooks.serving.logs import Sparing
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
    a handshake may take `handshake_seconds`. `kind` begins the names of its log events.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        limits: Limits,
        *,
        log: FilteringBoundLogger,
        kind: str = "",
        context: Callable[[], ssl.SSLContext | None] = lambda: None,
        handshake_seconds: float = 1.0,
    ) -> None:
        self._factory = factory
        self._limits = limits
        self._log = log
        self._kind = kind
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._refusals, self._failures, self._faults = Sparing(log), Sparing(log), Sparing(log)
        self._sources: Sources[_Guest] = Sources(limits)
        self._listeners: dict[socket.socket, asyncio.TimerHandle | None] = {}
        self._guests: set[_Guest] = set()
        self._inside: dict[asyncio.BaseProtocol, _Guest] = {}
        self._place = ("", "", 0)
        self._arriving: set[asyncio.Task[None]] = set()

    async def bind(self, key: str, host: str, port: int) -> None:
        """Take the port, of all addresses of the host; `key` is where it is set. Raises StartError."""
        self._place = (key, host, port)
        try:
            for listener in await _bound(host, port):
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
        connection.setblocking(False)
        guest = _Guest(self, connection, source)
        self._guests.add(guest)
        leaver = self._sources.enter(source, guest)
        if leaver is not None:
            leaver.turn_out()
        task = asyncio.create_task(self._greet(guest, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _greet(self, guest: "_Guest", connection: socket.socket) -> None:
        context = self._context()
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

    def receive(self, guest: "_Guest") -> asyncio.Protocol:
        """The protocol for a guest whose handshake is done."""
        protocol = self._factory()
        self._inside[protocol] = guest
        return protocol

    def forget(self, guest: "_Guest", protocol: asyncio.Protocol | None) -> None:
        """It is gone, and so is what `receive` gave it."""
        self._guests.discard(guest)
        self._sources.leave(guest)
        if protocol is not None:
            del self._inside[protocol]


class _Guest(asyncio.Protocol):
    """A connection on its way in, and then a shell around its protocol that tells the door of its end."""

    def __init__(self, door: Door, connection: socket.socket, source: str) -> None:
        self.source = source
        self._door = door
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._protocol: asyncio.Protocol | None = None
        self._turned_out = False

    @property
    def is_in(self) -> bool:
        """Whether its connection is made, so that its end will be told."""
        return self._transport is not None

    def turn_out(self) -> None:
        """End the connection, at once."""
        self._turned_out = True
        if self._transport is not None:
            self._transport.abort()
        else:
            # It belongs to a handshake, which hears of it and closes it.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._turned_out:
            transport.abort()
            return
        self._protocol = self._door.receive(self)
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._door.forget(self, self._protocol)
        if self._protocol is not None:
            self._protocol.connection_lost(exc)

    # The rest is the protocol's: nothing of it comes before `connection_made`, nor to who was turned out by then.

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return None if self._protocol is None else self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        assert self._protocol is not None
        self._protocol.resume_writing()


def _turn_away(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


async def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host that is this machine's. Raises OSError where one cannot be had."""
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in await _addresses(host, port):
            try:
                sockets.append(_bound_to(family, address))
            except OSError as error:
                # `localhost` has an IPv6 address where the machine has no IPv6.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
        if absent is not None and not sockets:
            raise absent
    except BaseException:
        for listener in sockets:
            listener.close()
        raise
    return sockets


async def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """The families and addresses of the host; what is an address needs no resolver, which may be slow or not there."""
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(host).version
        return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (host, port))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound_to(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Who wants IPv4 as well names a host that has both: one socket for both is of one family, and another name.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener
