"""The bytes of ARP and IPv6 neighbour discovery: what is sent, and what is read of what others say. Pure; for `vip`.

RFC 826 and 5227 for ARP, RFC 4861 and 4862 for neighbour discovery.
"""

import ipaddress
import struct
from dataclasses import dataclass

__all__ = ["Claim", "announcements", "filter_for", "mac_text", "probe", "read_claim"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET = struct.Struct("!6s6sH")
_IPV6 = struct.Struct("!IHBB16s16s")
_ETH_ARP = 0x0806
_ETH_IPV6 = 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000
_ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_UNSPECIFIED = bytes(16)


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that an address is theirs: `mac` is who, six bytes."""

    mac: bytes


def mac_text(mac: bytes) -> str:
    """Write a hardware address as people do."""
    return mac.hex(":")


def probe(address: IPAddress, mac: bytes, to: bytes | None = None) -> bytes:
    """Ask who has the address, in a way that changes nobody's cache; `to` asks one host alone."""
    if isinstance(address, ipaddress.IPv4Address):
        # The sender's address is zero: RFC 5227, section 2.1.1.
        return _arp(to or _BROADCAST, _REQUEST, mac, bytes(4), bytes(6), address.packed)
    group = b"\xff\x02" + bytes(9) + b"\x01\xff" + address.packed[-3:]
    body = struct.pack("!I16s", 0, address.packed)
    # As in duplicate address detection: from nobody, so that all hear the answer. RFC 4862, section 5.4.2.
    return _icmp(to or b"\x33\x33" + group[-4:], mac, _UNSPECIFIED, group, _SOLICITATION, body)


def announcements(address: IPAddress, mac: bytes, *, router: bool) -> tuple[bytes, ...]:
    """What tells everybody on the link that the address is at this hardware address now.

    `router` is whether this host forwards: one that says otherwise is struck off the list of routers.
    """
    if isinstance(address, ipaddress.IPv4Address):
        # Some heed requests only, some replies only. Linux takes a reply for gratuitous only with both the same.
        return (
            _arp(_BROADCAST, _REQUEST, mac, address.packed, bytes(6), address.packed),
            _arp(_BROADCAST, _REPLY, mac, address.packed, mac, address.packed),
        )
    flags = _OVERRIDE | (_ROUTER if router else 0)
    body = struct.pack("!I16sBB6s", flags, address.packed, 2, 1, mac)
    return (_icmp(b"\x33\x33" + _ALL_NODES[-4:], mac, address.packed, _ALL_NODES, _ADVERTISEMENT, body),)


def read_claim(frame: bytes, address: IPAddress) -> Claim | None:
    """Read a frame that came in; None where nobody claims the address with it, whatever else it is."""
    if len(frame) < _ETHERNET.size:
        return None
    _, source, kind = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    if isinstance(address, ipaddress.IPv4Address):
        return _arp_claim(body, address) if kind == _ETH_ARP else None
    return _advertised(body, source, address) if kind == _ETH_IPV6 else None


def _arp_claim(body: bytes, address: ipaddress.IPv4Address) -> Claim | None:
    if len(body) < _ARP.size:
        return None
    hardware, protocol, mac_size, ip_size, _, mac, ip, _, _ = _ARP.unpack_from(body)
    if (hardware, protocol, mac_size, ip_size) != (1, 0x0800, 6, 4) or ip != address.packed:
        return None
    return Claim(mac)


def _advertised(body: bytes, source: bytes, address: ipaddress.IPv6Address) -> Claim | None:
    if len(body) < _IPV6.size + 24:
        return None
    _, size, kind, hops, _, _ = _IPV6.unpack_from(body)
    message = body[_IPV6.size : _IPV6.size + size]
    # A router lowers the hops: what has 255 of them came from this link. RFC 4861, section 7.1.2.
    if kind != _ICMPV6 or hops != 255 or len(message) < 24 or message[0] != _ADVERTISEMENT or message[1] != 0:
        return None
    if message[8:24] != address.packed:
        return None
    return Claim(_target_mac(message[24:]) or source)


def _target_mac(options: bytes) -> bytes | None:
    while len(options) >= 8:
        kind, units = options[0], options[1]
        if units == 0:
            return None
        if kind == 2 and units == 1:
            return options[2:8]
        options = options[units * 8 :]
    return None


def _arp(to: bytes, operation: int, mac: bytes, ip: bytes, target_mac: bytes, target: bytes) -> bytes:
    return _ETHERNET.pack(to, mac, _ETH_ARP) + _ARP.pack(1, 0x0800, 6, 4, operation, mac, ip, target_mac, target)


def _icmp(to: bytes, mac: bytes, source: bytes, target: bytes, kind: int, body: bytes) -> bytes:
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = source + target + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = _IPV6.pack(6 << 28, len(message), _ICMPV6, 255, source, target)
    return _ETHERNET.pack(to, mac, _ETH_IPV6) + head + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def filter_for(address: IPAddress) -> list[tuple[int, int, int, int]]:
    """Return the classic BPF program that lets only claims of the address through: code, jump true, jump false, k.

    It runs in the kernel, so that a network full of ARP requests does not wake this process.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return _compare([(_WORD, 28, int(address))])
    words = struct.unpack("!4I", address.packed)
    checks = [(_BYTE, 20, _ICMPV6), (_BYTE, 54, _ADVERTISEMENT)]
    return _compare([*checks, *((_WORD, 62 + 4 * index, word) for index, word in enumerate(words))])


_WORD, _BYTE = 0x20, 0x30  # BPF_LD | BPF_ABS, and of which size
_JUMP_EQUAL, _RETURN = 0x15, 0x06


def _compare(checks: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    program = []
    for index, (size, offset, value) in enumerate(checks):
        left = 2 * (len(checks) - index) - 1
        program += [(size, 0, 0, offset), (_JUMP_EQUAL, 0, left, value)]
    return [*program, (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)]
