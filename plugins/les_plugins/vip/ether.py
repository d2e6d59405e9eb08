"""Packet sockets: asking and announcing on a link, and hearing what others claim. For `vip`."""

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from les_plugins.vip.frames import IPAddress, filter_for, read_claim
from les_plugins.vip.kernel import UNIT_LINES, KernelError, Link

__all__ = ["Ether", "Open", "open_ether"]

_ETH_ARP = 0x0806
_ETH_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26

# What is read before the loop goes on to other things, and of each frame: an advertisement has fewer than 200 bytes.
_MOST_FRAMES = 64
_MOST_BYTES = 512

OnClaim = Callable[[bytes], None]
"""Somebody with this hardware address has claimed the address."""


class Ether(Protocol):
    """A link, as far as one address is concerned."""

    def send(self, frame: bytes) -> bool:
        """Send a whole frame; returns whether the link took it."""

    def close(self) -> None:
        """Hear nothing more."""


Open = Callable[[Link, IPAddress, OnClaim], Ether]
"""Opens a link for one address; raises KernelError."""


def open_ether(link: Link, address: IPAddress, on_claim: OnClaim) -> Ether:
    """Open a packet socket that hears who claims the address; to be called in the loop. Raises KernelError."""
    protocol = _ETH_ARP if address.version == 4 else _ETH_IPV6
    try:
        # Bound to no protocol until the filter is in place: what came in between would be anybody's.
        channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except OSError as error:
        raise KernelError(_words(error), error.errno or 0) from error
    try:
        _attach(channel, filter_for(address))
        channel.bind((link.name, protocol))
    except OSError as error:
        channel.close()
        raise KernelError(_words(error), error.errno or 0) from error
    return _PacketSocket(channel, address, on_claim)


class _PacketSocket:
    """Implements `Ether`."""

    def __init__(self, channel: socket.socket, address: IPAddress, on_claim: OnClaim) -> None:
        self._channel = channel
        self._address = address
        self._on_claim = on_claim
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._read)

    def send(self, frame: bytes) -> bool:
        """Send a whole frame; returns whether the link took it."""
        with contextlib.suppress(OSError):
            return self._channel.send(frame) == len(frame)
        return False

    def _read(self) -> None:
        for _ in range(_MOST_FRAMES):
            try:
                frame = self._channel.recv(_MOST_BYTES)
            except BlockingIOError:
                return
            except OSError:  # the link went down, which netlink tells too
                return
            if (claim := read_claim(frame, self._address)) is not None:
                self._on_claim(claim.mac)

    def close(self) -> None:
        """Hear nothing more."""
        self._loop.remove_reader(self._channel)
        self._channel.close()


def _attach(channel: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    instructions = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(instructions, len(instructions))
    channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(memory)))


def _words(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"asking who has an address wants CAP_NET_RAW; put this into the unit: {UNIT_LINES}"
    if error.errno == errno.EAFNOSUPPORT:
        return "packet sockets are forbidden; add AF_PACKET AF_NETLINK to RestrictAddressFamilies= in the unit"
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return "the interface is gone"
    return f"no packet socket can be had: {os.strerror(error.errno or 0)}"
