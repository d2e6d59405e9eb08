"""What a process may do: the rights that a plugin says it needs, in the words of systemd, and which are lacking.

A plugin's `config_type` says so in a property `needs`; `docs/plugins.md` tells authors of it.
"""

import errno
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

__all__ = ["PROC_SYS", "is_capability", "is_family", "lacking"]

PROC_SYS: Final = "/proc/sys"
"""The one need that is neither a capability nor a family: reading what the kernel is set to."""

# Numbers of linux/capability.h, which never change: what a plugin may well need. Of others nothing can be told.
_CAPABILITIES: Final[Mapping[str, int]] = {
    "CAP_CHOWN": 0,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SETPCAP": 8,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_BROADCAST": 11,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
}

_STATUS: Final = Path("/proc/self/status")


def is_capability(need: str) -> bool:
    """Whether the need is one of CAP_..."""
    return need.startswith("CAP_")


def is_family(need: str) -> bool:
    """Whether the need is an address family, AF_..."""
    return need.startswith("AF_")


def lacking(needs: Iterable[str], *, status: Path = _STATUS) -> list[str]:
    """Return those of the needs that this process does not have; what cannot be found out is not among them."""
    held = _held(status)
    return [
        need
        for need in needs
        if (need in _CAPABILITIES and held is not None and not held >> _CAPABILITIES[need] & 1)
        or (is_family(need) and _forbidden(need))
        or (need == PROC_SYS and not Path(PROC_SYS).is_dir())
    ]


def _held(status: Path) -> int | None:
    """The effective capabilities as bits, None where the kernel does not tell."""
    try:
        text = status.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", text, re.MULTILINE)
    return int(found[1], 16) if found else None


def _forbidden(family: str) -> bool:
    """Whether a filter of system calls refuses sockets of the family; a capability that lacks is something else."""
    number = getattr(socket, family, None)
    if number is None:
        return False
    try:
        socket.socket(number, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return error.errno == errno.EAFNOSUPPORT
    return False
