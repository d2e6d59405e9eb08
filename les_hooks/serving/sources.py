"""Who is let in: limits for each source address, and for all of them together. Pure; for `door` only.

A guest that has not proven itself is a stranger. Where there are too many of them the one goes that has waited longest,
of the source that has the most, and not the new one: who means well has proven itself long before, so that connections
which are merely held keep nobody out. What is turned away is who comes too often.
"""

import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from les_hooks.serving.bucket import Bucket, Rate

__all__ = ["LOCAL", "Limits", "Refusal", "Sources", "source_of"]

G = TypeVar("G")

LOCAL: Final = "local"
"""The source of all that comes through a Unix socket."""

# Some 0.3 KB each. What falls out is a source that has no stranger here, and it loses the memory of how often it came:
# with that many addresses the rate of all together is what counts.
_MOST_REMEMBERED: Final = 4096
_V6_NETWORK_BYTES: Final = 8
_V4_IN_V6: Final = b"\0" * 10 + b"\xff\xff"


class Refusal(StrEnum):
    """Why somebody is not let in."""

    FULL = "too many connections"
    SOURCE = "too many new connections from there"
    ALL = "too many new connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one door: `connections` in all, and of strangers in all and `at_once` from one source.

    `source` is how often one source may come, `everybody` how often all of them.
    """

    connections: int
    strangers: int
    at_once: int
    source: Rate
    everybody: Rate


def source_of(family: int, address: object) -> str:
    """Whose connection this is: an IPv4 address, the /64 of an IPv6 one (what a single host has at will), or LOCAL."""
    if not isinstance(address, tuple):
        return LOCAL
    host = str(address[0])
    if family != socket.AF_INET6:
        return host
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if packed.startswith(_V4_IN_V6):
        return str(ipaddress.IPv4Address(packed[len(_V4_IN_V6) :]))
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:_V6_NETWORK_BYTES].ljust(16, bytes(1)))}/64"


class Sources(Generic[G]):
    """Keeps the strangers of one door apart by their sources."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._everybody = limits.everybody.bucket(clock)
        # Who came last is at the end; each has the rate at which it may come.
        self._rates: OrderedDict[str, Bucket] = OrderedDict()
        # Only those that have strangers here, the oldest first. So there are no more of them than strangers.
        self._strangers: dict[str, dict[G, None]] = {}
        self._source: dict[G, str] = {}

    def refusal(self, source: str) -> Refusal | None:
        """Why nobody from there may come in now; None where somebody may, who is to `enter` then."""
        if not self._rate(source).take():
            return Refusal.SOURCE
        # Second, so that who comes too often uses up nothing of what is everybody's.
        return None if self._everybody.take() else Refusal.ALL

    def enter(self, source: str, guest: G) -> G | None:
        """Let a stranger in; returns the one that has to go for it."""
        leaver = None
        if self._count(source) >= self._limits.at_once:
            leaver = next(iter(self._strangers[source]))
        elif len(self._source) >= self._limits.strangers:
            leaver = next(iter(self._strangers[max(self._strangers, key=self._count)]))
        if leaver is not None:
            self.leave(leaver)
        self._strangers.setdefault(source, {})[guest] = None
        self._source[guest] = source
        return leaver

    def leave(self, guest: G) -> None:
        """It is no stranger any more, or not here; who is neither is left as it is."""
        source = self._source.pop(guest, None)
        if source is None:
            return
        del self._strangers[source][guest]
        if not self._strangers[source]:
            del self._strangers[source]

    def _count(self, source: str) -> int:
        return len(self._strangers.get(source, ()))

    def _rate(self, source: str) -> Bucket:
        bucket = self._rates.get(source)
        if bucket is not None:
            self._rates.move_to_end(source)
            return bucket
        if len(self._rates) >= _MOST_REMEMBERED:
            self._rates.popitem(last=False)
        bucket = self._rates[source] = self._limits.source.bucket(self._clock)
        return bucket
