"""Sockets for a host and a port, bound and not listening yet. For `door` only."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
from typing import Any

__all__ = ["bound"]


async def bound(host: str, port: int) -> list[socket.socket]:
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
