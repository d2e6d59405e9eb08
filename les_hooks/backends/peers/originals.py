"""Polling a node of the old protocol: `GET /state/<this node>`, as it polls us. For this package only."""

import asyncio
import errno
import ssl
from collections.abc import Callable

import aiohttp

from les_hooks.election.messages import (
    DialFailed,
    Introduced,
    Message,
    OriginalAnswered,
    OriginalFailed,
)
from les_hooks.errors import PeerError
from les_hooks.members import Address
from les_hooks.wire import excerpt
from les_hooks.wire_original import REPLY_LIMIT, OriginalReply, decode_original

__all__ = ["is_refusal", "poll_original"]

# The original gives us as long.
_REPLY_SECONDS = 3.0


async def poll_original(
    session: aiohttp.ClientSession,
    address: Address,
    own: Address,
    *,
    context: Callable[[], ssl.SSLContext | None],
    loop_rate: float,
    report: Callable[[Message], None],
) -> str:
    """Poll the original at `address` until it fails or one of our nodes answers there; returns what happened.

    `context` is asked each time; with one it is polled over TLS, which something else must give it.
    """
    while True:
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                reply = await _ask(session, address, own, context())
        except (aiohttp.ClientError, PeerError, OSError, TimeoutError) as error:
            report(OriginalFailed(address=address, refused=is_refusal(error)))
            return excerpt(str(error)) or "did not answer in time"
        if reply.ours:
            return "runs les-hooks now"
        if reply.address not in (None, address):
            # It is a member under the name that it gives itself: that is what the others call it.
            report(Introduced(address=reply.address))
            report(DialFailed(address=address, refused=False))
            return f"is the original {reply.address}"
        report(
            OriginalAnswered(
                address=address,
                start_time=reply.start_time,
                leader=reply.leader,
                members=reply.members,
            )
        )
        await asyncio.sleep(loop_rate)


def is_refusal(error: BaseException) -> bool:
    """Whether the host itself said that nothing listens there; of a name with several addresses, each of them."""
    return isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == errno.ECONNREFUSED


async def _ask(
    session: aiohttp.ClientSession, address: Address, own: Address, context: ssl.SSLContext | None
) -> OriginalReply:
    scheme, how = ("http", True) if context is None else ("https", context)
    async with session.get(f"{scheme}://{address}/state/{own}", ssl=how, allow_redirects=False) as response:
        if response.status != 200:
            raise PeerError(address, f"answered with status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > REPLY_LIMIT:
                break
        return decode_original(bytes(body), address)
