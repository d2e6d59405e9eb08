"""One request to one endpoint over HTTP: bounded in size, counted, never redirected. Private to `etcd`.

How long it may take is its caller's affair.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import aiohttp

from les_hooks.errors import StartError
from les_plugins.etcd.faults import EndpointError, read_error
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import StoreError
from les_plugins.etcd.tls import load_context
from les_plugins.lookup import Lookup, Resolver
from les_plugins.web import USER_AGENT, web_words

__all__ = ["MOST_ANSWER_BYTES", "MOST_LINE_BYTES", "Stream", "Traffic", "Transport"]

MOST_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""The keys of 1000 nodes at 4 KiB each, in base64, are 6 MiB."""

MOST_LINE_BYTES: Final = 16 * 1024 * 1024
"""etcd tells up to 1000 revisions in one message; of 4 KiB each, with what stood there before, they are 11 MiB."""

_CONNECTIONS: Final = 16
_CLOSE_SECONDS: Final = 2.0
# A name server that is gone holds a thread for half a minute; those of webhooks must not be in the way of this.
_THREADS: Final = ThreadPoolExecutor(2, "etcd-lookup")
_HEADERS: Final = {
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": USER_AGENT,
    # A server without a leader says so at once, and ends its watches, where it would be silent otherwise.
    "Grpc-Metadata-Hasleader": "true",
}


@dataclass(slots=True)
class Traffic:
    """What went over the wire so far: requests, and bytes of HTTP (without those of TLS and TCP)."""

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


class _TlsError(EndpointError):
    """The two do not take each other's certificates."""


@contextlib.contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error, aiohttp.ClientSSLError):
            raise _TlsError(web_words(error)) from None
        if isinstance(error, aiohttp.ServerTimeoutError):
            raise EndpointError("no connection in time") from None
        # Who is refused hears of it only after the handshake, and aiohttp keeps no more than its number.
        alert = error.__cause__ or error.__context__
        if isinstance(alert, ssl.SSLError):
            raise _TlsError(f"refused in TLS ({(alert.reason or str(alert)).replace('_', ' ').lower()})") from None
        raise EndpointError(web_words(error)) from None


class Stream:
    """An answer that does not end, line by line."""

    def __init__(self, response: aiohttp.ClientResponse, traffic: Traffic) -> None:
        self._content = response.content
        self._traffic = traffic
        self._begun = bytearray()

    async def line(self) -> bytes:
        """Wait for the next line that is not empty; raises EndpointError where there is none."""
        while not (line := await self._next()):
            pass
        return line

    async def _next(self) -> bytes:
        looked = 0
        while (end := self._begun.find(b"\n", looked)) < 0:
            looked = len(self._begun)
            if looked > MOST_LINE_BYTES:
                raise EndpointError(f"told more than {MOST_LINE_BYTES // 2**20} MiB at once")
            with _worded():
                chunk = await self._content.readany()
            if not chunk:
                raise EndpointError("ended the watch")
            self._traffic.received_bytes += len(chunk)
            self._begun += chunk
        line = bytes(self._begun[:end])
        del self._begun[: end + 1]
        return line


class Transport:
    """Sends requests; connections stay open in between. To be made anywhere, and used in one loop.

    A connection stands within `connect` seconds, or there is none.
    """

    def __init__(self, config: EtcdConfig, connect: float) -> None:
        self.traffic = Traffic()
        self._config = config
        self._connect = connect
        self._session: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None
        self._closed = False

    async def post(self, url: str, path: str, body: bytes, token: str | None) -> bytes:
        """Return the answer. Raises EndpointError, EtcdError, and StoreError where nothing can be sent at all."""
        async with self._request(url, path, body, token) as response:
            return await self._good(response)

    async def get(self, url: str, path: str) -> bytes:
        """The same for what needs neither a body nor a token."""
        async with self._request(url, path, None, None) as response:
            return await self._good(response)

    @contextlib.asynccontextmanager
    async def stream(self, url: str, path: str, body: bytes, token: str | None) -> AsyncIterator[Stream]:
        """The same for an answer in lines, which goes on until this is left."""
        async with self._request(url, path, body, token) as response:
            try:
                if response.status != 200:
                    await self._good(response)
                yield Stream(response, self.traffic)
            finally:
                response.close()

    async def close(self) -> None:
        """Let all connections go; requests are refused from now on."""
        self._closed = True
        if self._session is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._session.close(), _CLOSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _request(
        self, url: str, path: str, body: bytes | None, token: str | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        context = await self._tls() if url.startswith("https:") else True
        headers = _HEADERS if token is None else _HEADERS | {"Authorization": token}
        self.traffic.requests += 1
        self.traffic.sent_bytes += len(body or b"")
        method = "GET" if body is None else "POST"
        try:
            with _worded():
                response = await self._opened().request(
                    method, url + path, data=body, headers=headers, ssl=context, allow_redirects=False
                )
        except _TlsError:
            # The files may have been renewed since they were read.
            self._context = None
            raise
        self.traffic.sent_bytes += len(f"{method} {path} HTTP/1.1\r\n\r\n") + sum(
            len(name) + len(value) + 4 for name, value in response.request_info.headers.items()
        )
        self.traffic.received_bytes += len("HTTP/1.1 200 OK\r\n\r\n") + sum(
            len(name) + len(value) + 4 for name, value in response.raw_headers
        )
        async with response:
            yield response

    async def _good(self, response: aiohttp.ClientResponse) -> bytes:
        answer = await self._whole(response)
        if response.status != 200:
            raise read_error(response.status, answer)
        return answer

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        answer = bytearray()
        while True:
            with _worded():
                chunk = await response.content.readany()
            if not chunk:
                return bytes(answer)
            self.traffic.received_bytes += len(chunk)
            answer += chunk
            if len(answer) > MOST_ANSWER_BYTES:
                response.close()
                raise EndpointError(f"gave an answer of more than {MOST_ANSWER_BYTES // 2**20} MiB")

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise StoreError("this client of etcd is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Resolver(Lookup(_THREADS)), limit=_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(sock_connect=self._connect),
                trust_env=False,
            )
        return self._session

    async def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = await asyncio.to_thread(load_context, self._config)
            except StartError as error:
                raise StoreError(f"{error.what} {error.why}; {error.advice}") from None
        return self._context
