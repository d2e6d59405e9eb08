"""What `[plugins.vip]` can hold, and what is wrong with it. Values only; private to `vip`."""

import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.config import Duration, Interval, Written
from les_hooks.config.durations import DURATION_PATTERN, format_duration, parse_duration

__all__ = ["Announce", "Mode", "Takeover", "VipConfig", "VirtualAddress", "parse_virtual_address"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# IFNAMSIZ is 16 with the final zero; a name is a path segment in /sys and takes no blank.
_INTERFACE = re.compile(r"[^\s/:]{1,15}")
_LABEL = re.compile(r"[\x21-\x7e]{1,15}")

# All of them are renewed and probed several times a second.
_MOST_ADDRESSES = 64

# All hosts of the network hear it.
_SHORTEST_REFRESH = 1.0

_SHORTEST_LIFETIME = 2
_LONGEST_LIFETIME = 3600


class Takeover(StrEnum):
    """What to do with an address that somebody answers for."""

    SAFE = "safe"
    """Wait until it is let go, or the kernel there must have let it go."""
    IMMEDIATE = "immediate"
    """Take it, and say so."""


class Mode(StrEnum):
    """What is put on the interface."""

    ADDRESS = "address"
    ROUTE = "route"
    """The address and a host route to it, for a routing daemon to announce; nobody is asked or told by ARP."""


class VirtualAddress(msgspec.Struct, frozen=True, order=True):
    """An address that moves: `ip` goes on as a host address, `prefix` says which subnet it should lie in.

    `interface` is its own, empty where the common one holds.
    """

    ip: str
    prefix: int
    interface: str = ""

    @property
    def address(self) -> IPAddress:
        """The address itself."""
        return ipaddress.ip_address(self.ip)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def subnet(self) -> IPNetwork:
        """The subnet that it was written with."""
        return ipaddress.ip_network(f"{self.ip}/{self.prefix}", strict=False)

    @property
    def length(self) -> int:
        """The prefix length that it goes on with: 32 or 128, for a longer list comes and goes with its neighbours."""
        return self.address.max_prefixlen


def parse_virtual_address(text: str) -> VirtualAddress:
    """Read `10.0.0.100/24`, or `10.0.0.100/24 dev eth1`; raises ValueError with the reason."""
    written, *rest = text.split() or [""]
    if not written or (rest and (len(rest) != 2 or rest[0] != "dev")):
        raise ValueError('is not an address and its prefix length, with "dev INTERFACE" after it or nothing')
    interface = rest[1] if rest else ""
    if interface:
        _parse_interface(interface)
    ip, slash, prefix = written.partition("/")
    if not slash:
        raise ValueError(f'has no prefix length; write the one of its subnet, such as "{written}/24"')
    try:
        interface_address = ipaddress.ip_interface(written)
    except ValueError:
        raise ValueError("is no IP address with a prefix length") from None
    address = interface_address.ip
    if "%" in ip:
        raise ValueError('has a zone; write the interface after it: "dev eth0"')
    if not prefix.isdigit():
        raise ValueError("is no IP address with a prefix length in bits")
    if int(prefix) == 0:
        raise ValueError("has the prefix length 0, which is every address there is; write that of its subnet")
    if address.is_multicast or address.is_unspecified or address.is_loopback or _is_special(address):
        raise ValueError("is no address that one host of a network can have")
    network = interface_address.network
    if network.prefixlen < address.max_prefixlen - 1 and address == network.network_address:
        raise ValueError("is the address of its subnet, and not of a host in it")
    if address.version == 4 and network.prefixlen < 31 and address == network.broadcast_address:
        raise ValueError("is the broadcast address of its subnet")
    return VirtualAddress(ip=str(address), prefix=int(prefix), interface=interface)


# This network, and everybody on it; IPv4 addresses in the clothes of IPv6, whose text the kernel writes in another way.
_SPECIAL = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "255.255.255.255/32", "::/96", "::ffff:0:0/96")))


def _is_special(address: IPAddress) -> bool:
    return any(address in network for network in _SPECIAL)


def _write(address: VirtualAddress) -> str:
    return f"{address.ip}/{address.prefix}" + (f" dev {address.interface}" if address.interface else "")


def _parse_lifetime(text: str) -> int:
    seconds = parse_duration(text)
    if not _SHORTEST_LIFETIME <= seconds <= _LONGEST_LIFETIME or seconds != int(seconds):
        raise ValueError('is no lifetime; the kernel counts whole seconds, and takes "2s" to "1h" here')
    return int(seconds)


def _parse_interface(text: str) -> str:
    if not _INTERFACE.fullmatch(text) or text in (".", ".."):
        raise ValueError("names no interface that there can be")
    return text


def _parse_label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("is no label; it has 1 to 15 printable characters, and starts with the interface's name")
    return text


Moved = Annotated[
    VirtualAddress,
    Written(
        what="an address",
        example="10.0.0.100/24",
        pattern=r"^[0-9A-Fa-f.:]+/[0-9]{1,3}( dev [^\s/:]{1,15})?$",
        parse=parse_virtual_address,
        write=_write,
    ),
]

Interface = Annotated[
    str, Written(what="an interface", example="eth0", pattern=r"^[^\s/:]{1,15}$", parse=_parse_interface)
]

Label = Annotated[str, Written(what="a label", example="eth0:les", pattern=r"^[\x21-\x7e]{1,15}$", parse=_parse_label)]

Lifetime = Annotated[
    int,
    Written(
        what="a duration of whole seconds",
        example="2s",
        pattern=DURATION_PATTERN,
        parse=_parse_lifetime,
        write=format_duration,
    ),
]


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """How loudly an address is announced: `count` times from `interval` on, each pause twice the one before."""

    count: Annotated[int, Meta(ge=1, le=20, description="How often an address is announced when it is taken.")] = 5
    interval: Annotated[
        Interval, Meta(description="The pause after the first announcement; each is twice the one before.")
    ] = 0.1
    refresh: Annotated[
        Duration, Meta(description='How often it is announced while it is held, at most each second; `"0s"` is never.')
    ] = 60.0

    def __post_init__(self) -> None:
        if 0.0 < self.refresh < _SHORTEST_REFRESH:
            raise ValueError('refresh is too short; "1s" is the least, and "0s" is never')


class VipConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.vip]`."""

    addresses: Annotated[
        tuple[Moved, ...],
        Meta(
            min_length=1,
            max_length=_MOST_ADDRESSES,
            description="The addresses that move, each with the prefix length of its subnet; "
            '`"10.0.0.101/24 dev eth1"` is on an interface of its own.',
        ),
    ]
    interface: Annotated[
        Interface | None, Meta(description="The interface of all addresses that do not name their own.")
    ] = None
    lifetime: Annotated[
        Lifetime,
        Meta(description="How long the kernel keeps an address that is not renewed; whole seconds, at least 2."),
    ] = 2
    announce: Announce = Announce()
    probe: Annotated[bool, Meta(description="Ask whether somebody has an address before taking it.")] = True
    takeover: Annotated[
        Takeover,
        Meta(
            description='What to do where somebody has: `"safe"` waits until the kernel there must have let it go, '
            '`"immediate"` takes it.'
        ),
    ] = Takeover.SAFE
    label: Annotated[Label | None, Meta(description="The label of IPv4 addresses, such as `eth0:les`.")] = None
    mode: Annotated[
        Mode,
        Meta(description='`"address"`, or `"route"` for a host route beside it, which a routing daemon announces.'),
    ] = Mode.ADDRESS
    critical: Annotated[
        bool, Meta(description="Step down when an address cannot be taken, so that the next in line tries.")
    ] = True
    order: Annotated[int, Meta(ge=-(10**6), le=10**6, description="Before all others, and let go after them.")] = -100

    def __post_init__(self) -> None:
        twice = [ip for ip, count in Counter(each.ip for each in self.addresses).items() if count > 1]
        if twice:
            raise ValueError(f"lists {twice[0]} twice; an address is on one interface of the leader")
        homeless = [_write(each) for each in self.addresses if not each.interface]
        if homeless and self.interface is None:
            raise ValueError(f"has no interface for {homeless[0]}; set interface, or write '{homeless[0]} dev eth0'")

        if self.mode is Mode.ROUTE:
            stuck = [each.ip for each in self.addresses if each.version == 6 and self.interface_of(each) == "lo"]
            if stuck:
                raise ValueError(
                    f"wants an IPv6 route to {stuck[0]} on lo, where routes have no lifetime and outlive the daemon; "
                    "take an interface made for it: ip link add les0 type dummy"
                )

    @property
    def claims(self) -> Sequence[str]:
        """What no other plugin may move."""
        return [f"address {each.ip}" for each in self.addresses]

    @property
    def needs(self) -> Sequence[str]:
        """What the process must be allowed to: change addresses, speak ARP, see whether the host is a router."""
        return ("CAP_NET_ADMIN", "CAP_NET_RAW", "AF_NETLINK", "AF_PACKET", "/proc/sys")

    def interface_of(self, address: VirtualAddress) -> str:
        """The name of the interface that the address belongs on."""
        return address.interface or self.interface or ""
