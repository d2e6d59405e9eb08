"""Which gateway the default route leads to. Private to `checks`."""

import ipaddress
import socket
import struct
from pathlib import Path

__all__ = ["default_gateway"]

PROC_NET = Path("/proc/net")

_UP, _GATEWAY = 0x1, 0x2
_MOST_BYTES = 1024 * 1024
_EVERYTHING_4, _EVERYTHING_6 = "00000000", "0" * 32


def default_gateway(net: Path = PROC_NET) -> str:
    """The gateway of the default route with the lowest metric, of IPv4 if there is one, else of IPv6.

    Raises LookupError with the reason where there is none.
    """
    found = sorted(_routes_4(_lines(net / "route"))) or sorted(_routes_6(_lines(net / "ipv6_route")))
    if not found:
        raise LookupError("there is no default route with a gateway")
    return found[0][1]


def _routes_4(lines: list[list[str]]) -> list[tuple[int, str]]:
    found = []
    for words in lines:
        match words:
            case [_, destination, gateway, flags, _, _, metric, mask, *_] if destination == mask == _EVERYTHING_4:
                if int(flags, 16) & (_UP | _GATEWAY) == _UP | _GATEWAY:
                    # As it lies in memory: the kernel prints the bytes of the network as a number of the host.
                    found.append((int(metric), socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))))
    return found


def _routes_6(lines: list[list[str]]) -> list[tuple[int, str]]:
    found = []
    for words in lines:
        match words:
            case [destination, "00", _, _, gateway, metric, _, _, flags, interface] if destination == _EVERYTHING_6:
                if int(flags, 16) & (_UP | _GATEWAY) == _UP | _GATEWAY:
                    address = ipaddress.IPv6Address(int(gateway, 16))
                    scope = f"%{interface}" if address.is_link_local else ""
                    found.append((int(metric, 16), f"{address}{scope}"))
    return found


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return [line.split() for line in file.read(_MOST_BYTES).splitlines()]
    except OSError:  # a kernel without IPv6
        return []
