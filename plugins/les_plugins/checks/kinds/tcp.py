"""Whether something accepts connections. Private to `checks`."""

import asyncio
import socket

from les_hooks.members import parse_address
from les_plugins.lookup import Lookup, os_words

__all__ = ["connect"]


async def connect(address: str, lookup: Lookup) -> str:
    """Connect and hang up; each address of a name is tried in turn."""
    host, port = parse_address(address)
    loop = asyncio.get_running_loop()
    why = "its name has no address"
    try:
        found = await lookup.find(host, port)
    except OSError as error:
        return os_words(error)
    for family, kind, proto, _, target in found:
        try:
            with socket.socket(family, kind, proto) as attempt:
                attempt.setblocking(False)
                await loop.sock_connect(attempt, target)
        except OSError as error:
            why = os_words(error)
        else:
            return ""
    return why
