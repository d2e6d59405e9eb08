"""A network of hosts between which packets travel slowly: a switch in user space instead of a bridge.

The interface of each host is a tunnel (`/dev/net/tun`) that ends here. Every packet is held for the delay, and those
between hosts that are cut off are dropped: connections, refusals and what is sent again are the kernel's own.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import threading
from typing import Self

from tests.network.lan import Host, Lan, ip

__all__ = ["SlowLan"]

_TUNNEL = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_PACKETS_WITHOUT_HEADER = 0x0001 | 0x1000
_LARGEST_PACKET = 65536
_IPV4 = 4
# Where the addresses end in a packet; the last number of a host's address is its own.
_SOURCE, _TARGET = 15, 19


class SlowLan(Lan):
    """A Lan whose packets take `delay_seconds` from any host to any other; only whole links can be cut."""

    def __init__(self, count: int, delay_seconds: float) -> None:
        super().__init__(count)
        self._delay = delay_seconds
        self._tunnels: dict[int, int] = {}
        self._cut: set[tuple[int, int]] = set()
        self._loop = asyncio.new_event_loop()
        self._switch = threading.Thread(target=self._loop.run_forever, name="switch", daemon=True)

    def attach(self, namespace: str, port: str, mac: str) -> None:
        """Make a namespace whose `eth0` ends here."""
        self._add(namespace)
        number = int(namespace.rpartition("-")[2])
        self._cut -= {(number, number)}
        tunnel = os.open(_TUNNEL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._tunnels[number] = tunnel
        name = f"les{os.getpid()}-{number}"
        fcntl.ioctl(tunnel, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _PACKETS_WITHOUT_HEADER))
        ip("link", "set", name, "netns", namespace, "name", "eth0", "up")
        ip("-n", namespace, "link", "set", "lo", "up")
        self._loop.call_soon_threadsafe(self._loop.add_reader, tunnel, self._carry, tunnel)

    def detach(self, namespace: str, port: str) -> None:
        """Remove what `attach` made; what was under way is gone."""
        tunnel = self._tunnels.pop(int(namespace.rpartition("-")[2]))
        asyncio.run_coroutine_threadsafe(self._pull(tunnel), self._loop).result(10)
        self._remove(namespace)

    def plug(self, host: Host) -> None:
        """Let its packets through again."""
        self._cut -= {(host.number, host.number)}

    def unplug(self, host: Host) -> None:
        """Drop all its packets."""
        self._cut |= {(host.number, host.number)}

    def cut(self, one: Host, other: Host) -> None:
        """Let nothing through between the two."""
        self._cut |= {(one.number, other.number), (other.number, one.number)}

    def mend(self) -> None:
        """Let everything through again."""
        self._cut = set()

    async def _pull(self, tunnel: int) -> None:
        self._loop.remove_reader(tunnel)
        os.close(tunnel)

    def _carry(self, tunnel: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while packet := os.read(tunnel, _LARGEST_PACKET):
                if packet[0] >> 4 == _IPV4:
                    self._loop.call_later(self._delay, self._deliver, packet)

    def _deliver(self, packet: bytes) -> None:
        source, target = packet[_SOURCE], packet[_TARGET]
        if self._cut.isdisjoint([(source, target), (source, source), (target, target)]) and target in self._tunnels:
            # A full queue loses a packet, as any switch does.
            with contextlib.suppress(OSError):
                os.write(self._tunnels[target], packet)

    def __enter__(self) -> Self:
        self._switch.start()
        return super().__enter__()

    def close(self) -> None:
        """Remove everything; may be called at any time."""
        super().close()
        if self._switch.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._switch.join(10)
            self._loop.close()
