"""Whether a network interface is up. Private to `checks`."""

from pathlib import Path

__all__ = ["look_at"]

NET = Path("/sys/class/net")


def look_at(name: str, net: Path = NET) -> str:
    """Read what the kernel says of the interface."""
    folder = net / name
    if not folder.is_dir():
        return "there is no such interface"
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
