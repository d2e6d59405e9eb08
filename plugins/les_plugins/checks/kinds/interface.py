"""Whether a network interface is up. Private to `checks`."""

from pathlib import Path

__all__ = ["look_at", "no_interface"]

NET = Path("/sys/class/net")


def no_interface(name: str, net: Path = NET) -> str:
    """Say that there is none of this name at present; empty where there is."""
    return "" if (net / name).is_dir() else "there is no such interface"


def look_at(name: str, net: Path = NET) -> str:
    """Read what the kernel says of the interface."""
    folder = net / name
    if why := no_interface(name, net):
        return why
    state = _read(folder / "operstate")
    if state == "up":
        return ""
    # Loopback, tunnels and some drivers never tell more than `unknown`; what they carry shows that they are up.
    if state == "unknown" and _read(folder / "carrier") == "1":
        return ""
    if state == "lowerlayerdown":
        return "is down: the interface below it is"
    return f"is {state or 'unknown'}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()[:32]
    except OSError:  # carrier cannot be read of one that is switched off
        return ""
