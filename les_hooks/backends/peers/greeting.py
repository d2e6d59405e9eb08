"""The beginning of a link: the secret is proven, if there is one, and hellos are exchanged. For this package only."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType
from aiohttp.web import WebSocketResponse

from les_hooks import wire
from les_hooks.election.frames import Farewell, Frame, Hello
from les_hooks.errors import PeerError
from les_hooks.security import (
    NONCE_BYTES,
    PROTOCOL,
    Credentials,
    Dialed,
    Listened,
    Open,
    Seal,
    Secret,
    Tls,
    Unproven,
    mismatch,
)

__all__ = ["Greeter", "Greeting", "decoded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """Who is at the other end, how the frames of the link travel from now on, and which secret this rests on.

    `authorities` are those that its certificate may rest on, none without TLS.
    """

    hello: Hello
    seal: Seal
    proved: Secret | None
    authorities: frozenset[bytes]


class Greeter:
    """Begins links with what `credentials` hold at that moment; `nonce` makes 32 bytes that were never used before.

    The caller limits the time of each call.
    """

    def __init__(
        self,
        own: Hello,
        credentials: Credentials,
        nonce: Callable[[], bytes] = lambda: secrets.token_bytes(NONCE_BYTES),
    ) -> None:
        self._own = own
        self._credentials = credentials
        self._nonce = nonce

    @property
    def protocols(self) -> tuple[str, ...]:
        """The subprotocols of a WebSocket that this node dials or listens with."""
        return () if self._credentials.secrets is None else (PROTOCOL,)

    @property
    def tls(self) -> Tls | None:
        """What this node dials and listens with."""
        return self._credentials.tls

    async def dial(self, ws: ClientWebSocketResponse[Any], peer: str) -> Greeting:
        """Greet who listens at the other end, and hear its hello. Raises PeerError."""
        proven, hello = self._credentials.proven, wire.encode(self._own)
        seal: Seal = Open()
        if proven is None:
            await ws.send_bytes(hello)
        elif ws.protocol != PROTOCOL:
            raise PeerError(peer, "takes no secret, and this node has one: set secret_file on that node too")
        else:
            challenge = await _receive(ws, peer)
            try:
                first, seal = Dialed(proven, self._nonce()).answer(challenge, hello)
            except Unproven as error:
                raise PeerError(peer, str(error)) from None
            await ws.send_bytes(first)
        said = decoded(await ws.receive(), peer, seal)
        if isinstance(said, Farewell):
            raise PeerError(peer, "answered with a farewell")
        if not isinstance(said, Hello):
            raise PeerError(peer, "did not begin with a hello")
        authorities = self._certified(ws, said, peer)
        self._still_accepted(proven, authorities, peer)
        return Greeting(hello=said, seal=seal, proved=proven, authorities=authorities)

    async def hear(self, ws: WebSocketResponse[Any], peer: str) -> Greeting | Farewell:
        """Challenge who dialed, and hear its first frame, which is not answered here. Raises PeerError."""
        held = self._credentials.secrets
        seal: Seal
        proved: Secret | None
        if held is None:
            seal, proved = Open(), None
            said = decoded(await ws.receive(), peer, seal)
        else:
            listened = Listened(held.accepted, self._nonce())
            await ws.send_bytes(listened.challenge)
            try:
                frame, seal, proved = listened.take(await _receive(ws, peer))
            except Unproven as error:
                raise PeerError(peer, str(error)) from None
            said = wire.decode(frame, peer)
        if not isinstance(said, Hello | Farewell):
            raise PeerError(peer, "did not begin with a hello")
        authorities = self._certified(ws, said, peer)
        self._still_accepted(proved, authorities, peer)
        if isinstance(said, Farewell):
            return said
        return Greeting(hello=said, seal=seal, proved=proved, authorities=authorities)

    def _still_accepted(self, proved: Secret | None, authorities: frozenset[bytes], peer: str) -> None:
        """Raise PeerError where what the greeting began with has been taken back since.

        Links are looked at when something changes, and not again: one that was not there yet would stand for ever.
        """
        if objection := self._credentials.objection(proved, authorities):
            raise PeerError(peer, objection)

    def _certified(
        self, ws: ClientWebSocketResponse[Any] | WebSocketResponse[Any], said: Hello | Farewell, peer: str
    ) -> frozenset[bytes]:
        """Hold what the other end calls itself against its certificate; returns the authorities of that."""
        tls = self.tls
        if tls is None:
            return frozenset()
        certificate = ws.get_extra_info("peercert") or {}
        if wrong := mismatch(certificate, said.address):
            raise PeerError(peer, wrong)
        if ws.get_extra_info("ssl_object").context not in (tls.listener, tls.dialer):
            raise PeerError(peer, "began this link before the certificates of the other end changed; it may try again")
        return tls.behind(certificate)


def decoded(message: WSMessage, peer: str, seal: Seal) -> Frame | None:
    """Return the frame in a message, None where it says nothing to us; raises PeerError, at the end of the link too."""
    match message.type:
        case WSMsgType.BINARY:
            try:
                return wire.decode(seal.open(message.data), peer)
            except Unproven as error:
                raise PeerError(peer, str(error)) from None
        case WSMsgType.PING | WSMsgType.PONG:
            return None
        case WSMsgType.CLOSE:
            raise PeerError(peer, f"closed the link: {wire.excerpt(str(message.extra or 'no reason'))}")
        case WSMsgType.CLOSING | WSMsgType.CLOSED:
            raise PeerError(peer, "broke off")
        case WSMsgType.ERROR:
            raise PeerError(peer, f"broke the protocol of the link: {wire.excerpt(str(message.data))}")
        case _:
            raise PeerError(peer, "sent text where frames are bytes")


async def _receive(ws: ClientWebSocketResponse[Any] | WebSocketResponse[Any], peer: str) -> bytes:
    """A message that is no frame yet."""
    message = await ws.receive()
    if message.type is not WSMsgType.BINARY:
        decoded(message, peer, Open())  # which says what it is instead
        raise PeerError(peer, "did not begin with a proof")
    data: bytes = message.data
    return data
