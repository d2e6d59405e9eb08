"""What the kernel is set to, as far as addresses go: read from /proc/sys/net. For `vip`."""

from pathlib import Path
from typing import Final

__all__ = ["SYSCTLS", "no_ipv6", "setting"]

SYSCTLS: Final = Path("/proc/sys/net")
"""The folder of the network namespace that the reader is in; a unit may hide it."""


def setting(path: str, sysctls: Path = SYSCTLS) -> int | None:
    """A number that the kernel is set to, None where it cannot be seen."""
    try:
        return int((sysctls / path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def no_ipv6(interface: str, sysctls: Path = SYSCTLS) -> str:
    """Why the interface can have no IPv6 address, empty where it can or nobody can tell."""
    if sysctls.is_dir() and not (sysctls / "ipv6").is_dir():
        return "this kernel runs without IPv6; take ipv6.disable=1 from its command line, or the address from here"
    if setting(f"ipv6/conf/{interface}/disable_ipv6", sysctls) == 1:
        return f"IPv6 is disabled on {interface}; run: sysctl -w net/ipv6/conf/{interface}/disable_ipv6=0"
    return ""
