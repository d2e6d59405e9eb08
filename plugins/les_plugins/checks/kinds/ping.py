"""Whether a host answers an echo request, without a program and, where the kernel allows it, without rights.

Private to `checks`.
"""

import asyncio
import ipaddress
import secrets
import socket
import struct

from les_plugins.lookup import os_words

__all__ = ["cannot_ping", "ping"]

_REQUEST_4, _REPLY_4 = 8, 0
_REQUEST_6, _REPLY_6 = 128, 129
_TOKEN_BYTES = 16
_MOST_BYTES = 2048

_ADVICE = (
    "may not send an echo request; put the daemon's group into the sysctl net.ipv4.ping_group_range, or give the "
    "daemon CAP_NET_RAW"
)


async def ping(host: str) -> str:
    """Send one echo request to an IP address and wait for its answer: for ever, so limit it."""
    loop = asyncio.get_running_loop()
    six = ipaddress.ip_address(host).version == 6
    try:
        echo = _open(six=six)
    except PermissionError:
        return _ADVICE
    except OSError as error:
        return os_words(error)
    with echo:
        echo.setblocking(False)
        # The answer is known by what it carries: the kernel sets the number of an unprivileged socket itself, and a
        # raw one hears everybody's answers.
        token = secrets.token_bytes(_TOKEN_BYTES)
        try:
            [(*_, target), *_] = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
            # Not the loop's: it would look the address up in a thread, and this one never waits.
            echo.connect(target)
            await loop.sock_sendall(echo, _request(token, six=six))
            while not _answers(await loop.sock_recv(echo, _MOST_BYTES), token, six=six):
                pass
        except OSError as error:
            return os_words(error)
    return ""


def cannot_ping(host: str) -> str:
    """Say why this process could not ping such a host at all; empty where it could."""
    try:
        _open(six=":" in host).close()
    except PermissionError:
        return _ADVICE
    except OSError as error:
        return os_words(error)
    return ""


def _open(*, six: bool) -> socket.socket:
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, protocol)


def _request(token: bytes, *, six: bool) -> bytes:
    number, sequence = struct.unpack("!HH", token[:4])
    kind = _REQUEST_6 if six else _REQUEST_4
    head = struct.pack("!BBHHH", kind, 0, 0, number, sequence)
    # Of ICMPv6 the kernel fills the checksum in, and of ICMP where the socket is not raw: there it must be right.
    return struct.pack("!BBHHH", kind, 0, _checksum(head + token), number, sequence) + token


def _answers(packet: bytes, token: bytes, *, six: bool) -> bool:
    if not six and packet[:1] and packet[0] >> 4 == 4:
        packet = packet[(packet[0] & 15) * 4 :]  # a raw socket hands the header of IP over, too
    return packet[:1] == bytes([_REPLY_6 if six else _REPLY_4]) and packet.endswith(token)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
