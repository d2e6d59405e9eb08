"""The one port of a node: the four endpoints of the original, and the links of our own nodes. For this package only."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from les_hooks import wire
from les_hooks.backends.peers.link import CLOSE_SECONDS
from les_hooks.backends.peers.settings import LINK_PATH, Settings
from les_hooks.election.frames import State
from les_hooks.election.messages import OriginalAnswered
from les_hooks.members import Address, join_host_port, parse_address
from les_hooks.security import OVERHEAD_BYTES, PROTOCOL, Tls, mismatch
from les_hooks.serving import Door, Limits, Rate, forward_to
from les_hooks.wire_original import encode_diag, encode_state

__all__ = ["Answers", "Server"]

# Links and requests together. Each second a source may cost this node what 32 handshakes and answers take, and all of
# them together eight times that. It is enough for as many members behind one address, each of which tries once a second
# to get a link, all of them twice at the same moment, and for a hundred originals, which ask once in five seconds. A
# member has proven itself within a few round trips; who has not after `failure` is hung up on.
_LIMITS = Limits(
    connections=1024,
    strangers=256,
    at_once=32,
    source=Rate(burst=64, per_second=32),
    everybody=Rate(burst=512, per_second=256),
)

# A handshake with a chain of certificates, the head of a request, and a hello take less than half of it.
_STRANGER_BYTES = 16 * 1024

# Room for `/state/<address>` with every letter escaped, and for the headers of a client that is not ours.
_MOST_LINE = 2048
_MOST_FIELD = 8190
_MOST_HEADERS = 64


class Answers(Protocol):
    """What the server asks the node."""

    def state(self) -> State:
        """What this node says of itself now."""

    def heard(self) -> Mapping[Address, State | OriginalAnswered]:
        """What each other member said of itself last."""

    @property
    def protocols(self) -> tuple[str, ...]:
        """The subprotocols that a link must have."""

    @property
    def tls(self) -> Tls | None:
        """What this node listens with."""

    def introduce(self, address: Address) -> None:
        """Somebody says that a node answers at this address."""

    async def link(self, ws: web.WebSocketResponse[Any], remote: str, proven: Callable[[], None]) -> None:
        """Serve the link that another node made from the host `remote`; call `proven` once it is a member's."""


class Server:
    """Binds in `bind`, listens in `listen`; in between, connections are refused, as if nobody were there."""

    def __init__(self, settings: Settings, answers: Answers, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._answers = answers
        self._http = web.Server(
            self._answer,
            access_log=None,
            logger=forward_to(log),
            keepalive_timeout=settings.timing.failure,
            lingering_time=0.0,
            max_line_size=_MOST_LINE,
            max_field_size=_MOST_FIELD,
            max_headers=_MOST_HEADERS,
        )
        patience = settings.timing.failure
        self._door = Door(
            self._http,
            _LIMITS,
            # For the handshake, the head of the request, a hello, and an answer that is read slowly.
            stranger_seconds=4 * patience,
            stranger_bytes=_STRANGER_BYTES,
            log=log,
            context=lambda: None if answers.tls is None else answers.tls.listener,
            handshake_seconds=patience,
        )
        self._routes: Mapping[str, Callable[[], web.Response]] = {
            "/ping": lambda: web.Response(text="OK"),
            "/state": self._state,
            "/diag": self._diag,
        }

    async def bind(self) -> None:
        """Take the port; raises StartError where it cannot be had."""
        await self._door.bind("[node] bind", self._settings.host, self._settings.port)

    def listen(self) -> None:
        """Answer from now on; raises StartError where another process was faster."""
        self._door.listen()

    def stop_listening(self) -> None:
        """Refuse new connections from now on: to the others that is the proof that this node is gone."""
        self._door.stop()

    async def close(self) -> None:
        """End all connections, and give the port back."""
        self.stop_listening()
        await self._http.shutdown(CLOSE_SECONDS)
        await self._door.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removesuffix("/")
        if request.method != "GET":
            response: web.StreamResponse = web.Response(status=405, text="only GET is answered here\n")
        elif path == LINK_PATH:
            response = await self._link(request)
        elif path != "/ping" and not self._is_open(request) and not path.startswith("/state/"):
            response = web.Response(status=403, text="not for everybody: see [security] public\n")
        elif path in self._routes:
            response = self._routes[path]()
        elif path.startswith("/state/"):
            response = self._introduced(request, path.removeprefix("/state/"))
        else:
            response = web.Response(status=404, text="nothing here\n")
        # One request for each connection, so that `keepalive_timeout` bounds the one wait that there is.
        response.force_close()
        return response

    def _state(self) -> web.Response:
        return web.Response(body=encode_state(self._answers.state()), content_type="application/json")

    def _diag(self) -> web.Response:
        body = encode_diag(self._answers.state(), self._answers.heard())
        return web.Response(body=body, content_type="application/json")

    def _introduced(self, request: web.BaseRequest, text: str) -> web.Response:
        if self._answers.protocols:
            return web.Response(status=403, text="this cluster has a secret, and only its members introduce others\n")
        certificate = _certificate(request)
        if self._answers.tls is not None and not certificate:
            return _uncertified()
        try:
            address = join_host_port(*parse_address(text))
        except ValueError as error:
            return web.Response(status=400, text=f"the address {error}\n")
        if self._answers.tls is not None and (wrong := mismatch(certificate, address)):
            return web.Response(status=403, text=f"whoever asks {wrong}\n")
        self._answers.introduce(address)
        return self._state()

    def _is_open(self, request: web.BaseRequest) -> bool:
        """Whether who asks may know how the cluster is: everybody, or who has a certificate of its authority."""
        return self._settings.public or bool(_certificate(request))

    async def _link(self, request: web.BaseRequest) -> web.StreamResponse:
        # A browser names the page that sent it; nodes are no browsers, and pages have no business here.
        if "Origin" in request.headers:
            return web.Response(status=403, text="not for browsers\n")
        if self._answers.tls is not None and not _certificate(request):
            return _uncertified()
        protocols = self._answers.protocols
        if offered := request.headers.get("Sec-WebSocket-Protocol") or protocols:
            if not protocols:
                return web.Response(status=403, text="this node has no secret to prove\n")
            if offered != PROTOCOL:
                return web.Response(status=401, text="this cluster has a secret, which is to be proven\n")
        ws = web.WebSocketResponse(
            timeout=CLOSE_SECONDS,
            autoping=False,
            compress=False,
            max_msg_size=wire.FRAME_LIMIT + OVERHEAD_BYTES,
            protocols=protocols,
        )
        if not ws.can_prepare(request).ok:
            return web.Response(status=426, text="this is where nodes of les-hooks link\n")
        try:
            await ws.prepare(request)
        except ConnectionError:
            # It hung up before this node, which may have slept, came to answer. So nobody gets this either.
            return web.Response(status=400, text="gone\n")
        await self._answers.link(ws, request.remote or "unknown", partial(self._door.prove, request.protocol))
        return ws


def _certificate(request: web.BaseRequest) -> Mapping[str, Any]:
    """That of whoever asks, whose chain holds; empty where it has none."""
    return request.get_extra_info("peercert") or {}


def _uncertified() -> web.Response:
    return web.Response(status=401, text="this cluster has TLS, and wants a certificate of its authority\n")
