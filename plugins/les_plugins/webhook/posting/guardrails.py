"""Addresses that no webhook is posted to: those where clouds tell a host its secrets, and those of no one host.

Private to `webhook`. The check stands where sockets are made, on the very address that is connected to: a name that
means something else a moment later, and a number that only the system takes for an address, get no further.
"""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

__all__ = ["AddressRefused", "guarded_socket", "why_refused"]

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's WireServer; its metadata service is link-local
            "192.0.0.192/32",  # Oracle, before it went link-local
            "fd00:ec2::/32",  # AWS: ::254, and ::23 with the credentials of EKS
            "fd00:c1::a9fe:a9fe/128",  # Oracle
            "fd00:42::42/128",  # Scaleway
            "fd20:ce::254/128",  # Google
        ),
    )
)
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_COMPATIBLE = ipaddress.ip_network("::/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")


class AddressRefused(OSError):  # noqa: N818  (it is the address that is at fault)
    """This address is not connected to; its message says which and why."""


def guarded_socket(info: _AddressInfo) -> socket.socket:
    """Make the socket for an address that is about to be connected to. Raises AddressRefused."""
    family, kind, proto, _, address = info
    if why := why_refused(str(address[0])):
        raise AddressRefused(f"{address[0]} {why}; no webhook is posted there")
    return socket.socket(family, kind, proto)


def why_refused(address: str) -> str:
    """Say why no webhook goes to this IP address, or nothing where one may. Raises ValueError for what is none.

    The addresses of private networks and of this host may: receivers stand there.
    """
    return next(filter(None, map(_why, _meanings(ipaddress.ip_address(address)))), "")


def _why(ip: _Ip) -> str:
    if ip.is_link_local:
        return "is link-local, where clouds tell a host its secrets"
    if any(ip in network for network in _METADATA):
        return "is where a cloud tells a host its secrets"
    if ip.is_unspecified or ip in _THIS_NETWORK or ip.is_multicast or ip == _BROADCAST:
        return "is not the address of one host"
    return ""


def _meanings(ip: _Ip) -> Iterator[_Ip]:
    """The address, and the IPv4 addresses that a translator or a tunnel may make of it."""
    yield ip
    if not isinstance(ip, ipaddress.IPv6Address):
        return
    number = int(ip)
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if ip in _NAT64 or ip in _LOCAL_NAT64 or (ip in _COMPATIBLE and number > 1):
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if ip in _LOCAL_NAT64:
        # With a prefix of 48, 56 or 64 bits; bits 64 to 71 are never part of the address (RFC 6052, 2.2).
        packed = ip.packed
        for start in (6, 7, 8):
            octets = [octet for place, octet in enumerate(packed) if place >= start and place != 8]
            yield ipaddress.IPv4Address(bytes(octets[:4]))
