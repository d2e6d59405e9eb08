"""What the tables of addresses have in common. Values only; private to `floating_ip`."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from les_hooks.config import Name, Written
from les_hooks.hookspecs import Note
from les_hooks.security import exposed
from les_plugins.floating_ip.tokens import Bearer, read_secret, secret_path
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["METADATA", "AddressTable", "ApiTable", "Id", "Ip", "Ipv4", "Url", "check_same", "parse_url"]

METADATA = "http://169.254.169.254"
"""Where clouds answer a host's questions about itself: a link-local address, the same for all of them here."""


def _parse_ip(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("is no IP address; write it without a prefix length") from None
    if address.is_unspecified or address.is_multicast or address.is_loopback or "%" in text:
        raise ValueError("is no address that can move between hosts")
    return str(address)


def _parse_ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError("is no IPv4 address; write it without a prefix length") from None


def parse_url(text: str) -> str:
    """The URL without a slash at its end. Raises ValueError where a token must not be sent there."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no URL; escape what is not plain ASCII")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:  # UnicodeError too, which the codec raises for labels that are empty or too long
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("is no URL of a web server")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than a host and a path")
    if parts.scheme == "http" and not _is_near(host):
        raise ValueError("would carry the token in the clear; use https")
    return text.rstrip("/")


def _is_near(host: str) -> bool:
    """Whether what is sent there does not leave the host, or its link."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local


Ip = Annotated[str, Written(what="an IP address", example="203.0.113.7", pattern=".", parse=_parse_ip)]
Ipv4 = Annotated[str, Written(what="an IPv4 address", example="10.0.1.7", pattern=".", parse=_parse_ipv4)]
Url = Annotated[str, Written(what="a URL", example="https://api.example", pattern="^https?://", parse=parse_url)]
Id = Annotated[int, Meta(ge=1)]


def check_same(found: str, address: str) -> None:
    """Make sure that an answer is about the address; `found` may be the network that a provider gives out as one.

    Raises Trouble where it is about another one.
    """
    try:
        same = ipaddress.ip_address(address) in ipaddress.ip_network(found, strict=False)
    except ValueError:
        same = False
    if not same:
        raise Trouble(Fault.MALFORMED, f"an answer about {found[:64]!r}, and not about {address}")


class AddressTable(msgspec.Struct, frozen=True, kw_only=True):
    """One address. `calls_per_hour` bounds what its provider is asked; the default is far below all limits."""

    address: Ip
    calls_per_hour: Annotated[int, Meta(ge=20, le=100_000)] = 600

    def problems(self, environ: Mapping[str, str]) -> list[str]:
        """What is wrong with it on this host, without asking anybody."""
        return []

    @property
    def programs(self) -> tuple[Path, ...]:
        """The programs that it has run."""
        return ()


class ApiTable(AddressTable, frozen=True, kw_only=True):
    """One address behind an API with a token, which stands in `token_file`, or is the `credential` of that name."""

    token_file: Path | None = None
    credential: Name | None = None
    metadata_url: Url = METADATA

    def __post_init__(self) -> None:
        if (self.token_file is None) == (self.credential is None):
            raise ValueError("needs a token: give it exactly one of token_file and credential")

    def problems(self, environ: Mapping[str, str]) -> list[str]:
        """A token that is not there, or that others could have."""
        if self.token_file is None and "CREDENTIALS_DIRECTORY" not in environ:
            # Who calls `les check` by hand has not what systemd gives to the daemon.
            return [Note(f"the credential {self.credential} was not looked at: only systemd's unit has it")]
        try:
            path = secret_path(self.token_file, self.credential, environ)
            read_secret(path)
            # systemd's own are read-only copies in memory, which it keeps from others by the folder.
            unsafe = exposed(path) if self.token_file is not None else ""
        except Trouble as trouble:
            return [trouble.why]
        except OSError as error:
            return [str(error)]
        return [unsafe] if unsafe else []

    def bearer(self, environ: Mapping[str, str]) -> Bearer:
        """What puts the token into requests."""
        return Bearer(self.token_file, self.credential, environ)
