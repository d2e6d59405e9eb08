"""One exchange over HTTP, bounded in every way, with a receiver that may be anybody. Private to `webhook`."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp

from les_plugins.lookup import Lookup, Resolver
from les_plugins.webhook.posting.guardrails import guarded_socket
from les_plugins.webhook.posting.provisions import Provisions

__all__ = ["CONNECT_SECONDS", "MOST_REPLY_BYTES", "Reply", "Transport"]

MOST_REPLY_BYTES = 8 * 1024
"""More of a reply is not read."""

CONNECT_SECONDS = 5.0
"""Finding the host, connecting and TLS together take no longer."""

_REPLY_SECONDS = 1.0
# A flood goes over one connection; and no server hangs up so soon that an attempt would often meet a closed one.
_IDLE_SECONDS = 1.0
# One for the worker, and one for an operator's test that need not wait for it.
_MOST_CONNECTIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a receiver said. `body` is at most one byte longer than MOST_REPLY_BYTES, and may be incomplete."""

    status: int
    reason: str
    retry_after: str
    body: bytes


class Transport:
    """The way to one URL; to be closed."""

    def __init__(self, provisions: Provisions) -> None:
        self._url = provisions.url
        # A thread of its own, which is started when a name is looked up: a dead name server holds it for half a
        # minute, and other endpoints and plugins must not wait for that.
        self._threads = ThreadPoolExecutor(1, "webhook-lookup")
        connector = aiohttp.TCPConnector(
            resolver=Resolver(Lookup(self._threads)),
            use_dns_cache=False,
            socket_factory=guarded_socket,
            ssl=provisions.tls,
            limit=_MOST_CONNECTIONS,
            keepalive_timeout=_IDLE_SECONDS,
        )
        # Proxies of the environment and .netrc are for people: trust_env stays False.
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=MOST_REPLY_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        )

    async def exchange(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post, and read the reply; the caller bounds the whole. Raises ClientError, OSError and ValueError."""
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            raw = await _read(response)
            if len(raw) > MOST_REPLY_BYTES or not response.content.at_eof():
                response.close()
            return Reply(
                status=response.status,
                reason=response.reason or "",
                retry_after=response.headers.get("Retry-After", ""),
                body=raw,
            )

    async def close(self) -> None:
        """Hang up."""
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """What there is of the body. The status has said all that counts: what is slow or broken now is left unread."""
    raw = bytearray()
    try:
        async with asyncio.timeout(_REPLY_SECONDS):
            while len(raw) <= MOST_REPLY_BYTES and (
                chunk := await response.content.read(MOST_REPLY_BYTES + 1 - len(raw))
            ):
                raw += chunk
    except (TimeoutError, aiohttp.ClientError, OSError):
        response.close()
    return bytes(raw)
