"""What the plugin wants of the kernel, and the values in which it speaks of links and addresses. For `vip`.

`netlink` does it for real.
"""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["UNIT_LINES", "Assigned", "Change", "Kernel", "KernelError", "Link", "Placement", "ReadOnly"]


UNIT_LINES = (
    "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW; AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW; PrivateUsers=no"
)
"""What grants the capabilities, each on a line of its own in an override of the unit; none of them is enough alone."""


class KernelError(Exception):
    """The kernel refused; `str` says what and what to do, as words that follow the name of an address or interface."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.code = code

    @property
    def silent(self) -> bool:
        """Whether the kernel did not answer in time, so that nobody knows what it did."""
        return self.code == errno.ETIMEDOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network interface. `speaks_arp` is false for loopback, tunnels and the like, where neighbours are not asked."""

    index: int
    name: str
    mac: bytes
    up: bool
    carrier: bool
    speaks_arp: bool

    @property
    def obstacle(self) -> str:
        """Why nobody can be reached over it, empty where that is not so."""
        if not self.up:
            return f"{self.name} is down; bring it up with: ip link set {self.name} up"
        return "" if self.carrier else f"{self.name} has no carrier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """An address that is on an interface; `valid` is how many seconds it has left, None for one that stays."""

    index: int
    ip: str
    length: int
    valid: int | None

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody removes it."""
        return self.valid is None

    @property
    def key(self) -> tuple[int, str, int]:
        """What tells it from every other address, however long it stays."""
        return (self.index, self.ip, self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An address that is to be on an interface for `seconds`, and a host route to it where `route` is set."""

    index: int
    ip: str
    length: int
    seconds: int
    label: str | None = None
    route: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The address `ip` of that `length` on the interface `index` came or went, or the interface `link` changed.

    Neither: who knows.
    """

    ip: str = ""
    length: int = 0
    link: str = ""
    index: int = 0
    gone: bool = False


class Kernel(Protocol):
    """Links and addresses of this host. Everything raises KernelError, within a few seconds."""

    async def links(self) -> Mapping[str, Link]:
        """Every interface, by name."""

    async def assigned(self) -> Sequence[Assigned]:
        """Every address of every interface."""

    async def put(self, placement: Placement) -> None:
        """Add the address, or have it stay as long from now on. Nothing is waited for before the kernel is asked."""

    async def remove(self, assigned: Assigned) -> bool:
        """Remove the address; returns whether it was there."""

    async def changes(self) -> Sequence[Change]:
        """Wait until links or addresses have changed, and tell what did since the last call."""

    def close(self) -> None:
        """Let go of the kernel."""


class ReadOnly:
    """Implements `Kernel`: another one, of which nothing may be changed."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def links(self) -> Mapping[str, Link]:
        """Every interface, by name."""
        return await self._kernel.links()

    async def assigned(self) -> Sequence[Assigned]:
        """Every address of every interface."""
        return await self._kernel.assigned()

    async def put(self, placement: Placement) -> None:
        """Nothing is put."""

    async def remove(self, assigned: Assigned) -> bool:
        """Nothing is removed."""
        return False

    async def changes(self) -> Sequence[Change]:
        """Wait until links or addresses have changed, and tell what did since the last call."""
        return await self._kernel.changes()

    def close(self) -> None:
        """Let go of the kernel."""
        self._kernel.close()
