"""Looking names of hosts up without piling threads up: a lookup cannot be ended.

`checks`, `floating_ip` and `webhook` share this; it is no plugin.
"""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Lookup", "Resolver", "os_words"]

Found = list[tuple[int, int, int, str, tuple[Any, ...]]]

# Threads of our own: those of the loop read configurations and other things, and a dead name server holds a thread
# for half a minute.
_THREADS = ThreadPoolExecutor(4, "lookup")


class Lookup:
    """Looks up for one user of it; who asks again before there is an answer waits for that one."""

    def __init__(self, threads: ThreadPoolExecutor = _THREADS) -> None:
        """`threads` of its own are for who must not be in anybody's way."""
        self._threads = threads
        self._running: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def find(self, host: str, port: int) -> Found:
        """Return what `getaddrinfo` does for a stream; raises OSError."""
        key = (host, port)
        if key not in self._running:
            loop = asyncio.get_running_loop()
            found = self._running[key] = loop.run_in_executor(self._threads, _find, host, port)
            found.add_done_callback(lambda found: self._forget(key, found))
        return await asyncio.shield(self._running[key])

    def _forget(self, key: tuple[str, int], found: "asyncio.Future[Found]") -> None:
        self._running.pop(key, None)
        if not found.cancelled():
            found.exception()  # nobody may be waiting any more


def _find(host: str, port: int) -> Found:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]  # no raw families
    except UnicodeError:  # "a..example", and labels of more than 63 characters
        raise socket.gaierror(socket.EAI_NONAME, "no name of a host") from None


class Resolver(AbstractResolver):
    """The same for aiohttp."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of the host, of whatever family; raises OSError."""
        found = await self._lookup.find(host, port)
        return [
            ResolveResult(
                hostname=host, host=address[0], port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def os_words(error: OSError) -> str:
    """Why the system refused, in its own few words."""
    if isinstance(error, socket.gaierror):
        return f"its name cannot be looked up ({error.strerror})"
    # asyncio puts addresses and calls into the message; which address it is stands beside it already.
    # It has no words at all for a connection that ends in the middle of TLS.
    words = os.strerror(error.errno) if error.errno else str(error) or "the connection broke"
    return words[:1].lower() + words[1:]
