"""Names and addresses as an operator may write them in `les.toml`. For the configuration only.

Each parser returns the one spelling of what it reads, and raises ValueError with the reason.
"""

import ipaddress
import re

from les_hooks.members import NAME, Address, join_host_port, parse_address

__all__ = [
    "ADDRESS_PATTERN",
    "HTTP_LISTEN_PATTERN",
    "NAME_PATTERN",
    "UNIX",
    "is_loopback",
    "listen_address",
    "parse_advertise",
    "parse_http_listen",
    "parse_listen",
    "parse_name",
    "parse_seed",
    "valid_name",
]

NAME_PATTERN = f"^{NAME.pattern}$"
ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"
HTTP_LISTEN_PATTERN = rf"{ADDRESS_PATTERN}|^unix:/"
"""What names and addresses look like, for schemas; the parsers are the authority."""

UNIX = "unix:"
"""What an address begins with that is the path of a Unix socket."""

_LONGEST_NAME = 64


def valid_name(text: str) -> str:
    """Turn any text, such as a host name, into a valid name that resembles it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_LONGEST_NAME]
    return name or "node"


def parse_name(text: str) -> str:
    """Return the name unchanged. `.` and `..` are refused, for names become folders."""
    if not NAME.fullmatch(text) or text in {".", ".."}:
        advice = f'such as "{valid_name(text)}"'
        raise ValueError(f"is no name; use 1 to 64 of the characters A-Z a-z 0-9 . _ -, {advice}")
    return text


def listen_address(text: str) -> tuple[str, int]:
    """Take an address to listen on apart; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    if port == "0":
        return parse_address(f"{host}{colon}1")[0], 0
    return parse_address(text)


def parse_listen(text: str) -> Address:
    """Read an address to listen on, wildcards and port 0 included."""
    return join_host_port(*listen_address(text))


def parse_http_listen(text: str) -> str:
    """Read an address to listen on, or `unix:` and the absolute path of a socket."""
    if not text.startswith(UNIX):
        return parse_listen(text)
    if not text.startswith(f"{UNIX}/") or "\0" in text:
        raise ValueError("has no absolute path after unix:")
    return text


def parse_seed(text: str) -> Address:
    """Read the address of another node; host names are allowed."""
    host, port = parse_address(text)
    ip = _ip(host)
    if ip and (ip.is_unspecified or ip.is_multicast):
        raise ValueError("is not the address of one node")
    return join_host_port(host, port)


def parse_advertise(text: str) -> Address:
    """Read the address that names this node for all others, on any of their hosts."""
    return parse_seed(text)


def is_loopback(host: str) -> bool:
    """Say whether only this host reaches `host`; of names only `localhost` is taken to be so."""
    ip = _ip(host)
    return ip.is_loopback if ip else host.rstrip(".") == "localhost"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
