"""Between pyroute2's messages and the values of `kernel`. For `netlink` alone."""

import errno
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWLINK

from les_plugins.vip.kernel import UNIT_LINES, Assigned, Change, Link, Placement

__all__ = [
    "LINK_KINDS",
    "ROUTE_PROTOCOL",
    "V6",
    "LinkMessage",
    "address_arguments",
    "read_assigned",
    "read_change",
    "read_link",
    "route_arguments",
    "words",
]

ROUTE_PROTOCOL: Final = 76
"""What marks a host route as ours, as /etc/iproute2/rt_protos marks those of routing daemons; free there."""

LINK_KINDS: Final = (RTM_NEWLINK, RTM_DELLINK)
"""The messages that are about interfaces."""

V6: Final = socket.AF_INET6
"""What pyroute2 must be told where an argument alone does not say it."""

_FOREVER = 0xFFFFFFFF
_ARPHRD_ETHER = 1
_IFF_UP, _IFF_LOOPBACK, _IFF_NOARP, _IFF_LOWER_UP = 0x1, 0x8, 0x80, 0x10000
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200

_WORDS: Final[Mapping[int, str]] = {
    errno.EPERM: f"the kernel refuses it without CAP_NET_ADMIN; put this into the unit: {UNIT_LINES}",
    errno.EACCES: "IPv6 is disabled on the interface; `les check` has the command that enables it",
    errno.ENODEV: "the interface is gone",
    errno.EAFNOSUPPORT: "netlink sockets are forbidden; add AF_NETLINK AF_PACKET to RestrictAddressFamilies= "
    "in the unit",
}


class LinkMessage(nlmsg):  # type: ignore[misc]  # untyped there
    """What is used of a link's message: to decode all of it would block the loop for milliseconds, for each link."""

    prefix = "IFLA_"
    fields = (("family", "B"), ("__align", "x"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
    nla_map = (
        ("IFLA_UNSPEC", "none"),
        ("IFLA_ADDRESS", "l2addr"),
        ("IFLA_BROADCAST", "none"),
        ("IFLA_IFNAME", "asciiz"),
    )


def words(code: int) -> str:
    """What an error of the kernel means, and what to do."""
    return _WORDS.get(code) or f"the kernel refuses it: {os.strerror(code)}"


def read_link(message: Any) -> Link:
    """An interface."""
    flags = int(message["flags"])
    mac = str(message.get_attr("IFLA_ADDRESS") or "")
    quiet = flags & (_IFF_LOOPBACK | _IFF_NOARP) or message["ifi_type"] != _ARPHRD_ETHER
    return Link(
        index=int(message["index"]),
        name=str(message.get_attr("IFLA_IFNAME")),
        mac=bytes.fromhex(mac.replace(":", "")) if len(mac) == 17 else bytes(6),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        speaks_arp=not quiet,
    )


def read_change(message: Any) -> Change:
    """What a notification tells."""
    event = str(message.get("event", ""))
    if message["header"]["type"] in LINK_KINDS:
        return Change(link=str(message.get_attr("IFLA_IFNAME") or ""), index=int(message["index"]))
    if event not in ("RTM_NEWADDR", "RTM_DELADDR"):
        return Change()
    return Change(
        ip=str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
        length=int(message["prefixlen"]),
        index=int(message["index"]),
        gone=event == "RTM_DELADDR",
    )


def read_assigned(message: Any) -> Assigned:
    """An address on an interface."""
    info = message.get_attr("IFA_CACHEINFO") or {}
    valid = int(info.get("ifa_valid", _FOREVER))
    return Assigned(
        index=int(message["index"]),
        # IFA_ADDRESS is the other end where there is one.
        ip=str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
        length=int(message["prefixlen"]),
        valid=None if valid == _FOREVER else valid,
    )


def address_arguments(placement: Placement) -> dict[str, object]:
    """What puts the address there."""
    arguments: dict[str, object] = {
        "index": placement.index,
        "address": placement.ip,
        "prefixlen": placement.length,
        "preferred": placement.seconds,
        "valid": placement.seconds,
    }
    if ":" in placement.ip:
        # Duplicate address detection takes a second, and would leave the address dead where two have it for a moment.
        arguments["flags"] = _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE
    elif placement.label is not None:
        arguments["label"] = placement.label
    return arguments


def route_arguments(placement: Placement) -> dict[str, object]:
    """What puts the host route there."""
    arguments: dict[str, object] = {
        "dst": f"{placement.ip}/{placement.length}",
        "oif": placement.index,
        "proto": ROUTE_PROTOCOL,
    }
    if ":" in placement.ip:
        # In bytes: pyroute2 does not know that it is a number.
        return arguments | {"family": V6, "expires": struct.pack("=I", placement.seconds)}
    # A route goes with the address that it prefers: so it has the same lease.
    return arguments | {"scope": 253, "prefsrc": placement.ip}
