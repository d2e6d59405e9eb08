"""What a certificate says, as `ssl` decodes one whose chain holds: whom it names, and until when.

Imported through the package.
"""

import ipaddress
import ssl
from collections.abc import Mapping
from typing import Any, Final

from les_hooks.members import parse_address
from les_hooks.text import printable

__all__ = ["WARN_SECONDS", "Decoded", "Subject", "expiry", "expiry_warning", "hosts", "mismatch", "names"]

Decoded = Mapping[str, Any]
"""What `ssl.SSLObject.getpeercert` returns; empty where the other end showed none."""

Subject = tuple[tuple[tuple[str, str], ...], ...]
"""A name of X.500, as `ssl` decodes it."""

WARN_SECONDS: Final = 30 * 86400.0
"""How long before its end a certificate is warned of: time for a holiday, and for two nodes a week apart."""

_DAY_SECONDS: Final = 86400.0
_KINDS: Final = ("DNS", "IP Address")
_MOST_SHOWN: Final = 3


def hosts(certificate: Decoded) -> tuple[str, ...]:
    """The addresses and host names in it, in its order; IP addresses in their shortest form, names in lower case.

    Only the subjectAltName counts: what stands in the common name is a name for people.
    """
    entries = certificate.get("subjectAltName", ())
    return tuple(_spelt(value) for kind, value in entries if kind in _KINDS and _is_of(kind, value))


def names(certificate: Decoded, host: str) -> bool:
    """Whether it names exactly this host, that of a member's address.

    A wildcard names nobody here: each member has an address of its own to prove, and whoever has the key of
    `*.example.org` could else be any of them.
    """
    return _spelt(host) in hosts(certificate)


def mismatch(certificate: Decoded, address: str) -> str:
    """Say that who goes by this address has a certificate for others; empty where it names the address's host.

    Raises ValueError for what is no address.
    """
    if names(certificate, parse_address(address)[0]):
        return ""
    named = hosts(certificate)
    shown = printable(", ".join(named[:_MOST_SHOWN])) or "no address"
    more = f" and {len(named) - _MOST_SHOWN} more" if len(named) > _MOST_SHOWN else ""
    return f"goes by {address}, and its certificate names {shown}{more}"


def expiry(certificate: Decoded) -> float:
    """When it ends, in Unix seconds."""
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def expiry_warning(expires: float, now: float) -> str:
    """What to say of a certificate of this node's that ends at `expires`; empty while that is WARN_SECONDS away."""
    left = expires - now
    if left > WARN_SECONDS:
        return ""
    if left <= 0.0:
        return (
            "THE CERTIFICATE OF THIS NODE HAS EXPIRED: links that stand go on, and no new one is made; put a new one "
            "in the place of cert_file, no restart is needed"
        )
    days = int(left // _DAY_SECONDS)
    when = "in less than a day" if days == 0 else "in 1 day" if days == 1 else f"in {days} days"
    return f"the certificate of this node expires {when}; put a new one in the place of cert_file, no restart is needed"


def _is_of(kind: str, value: str) -> bool:
    """Whether it is what its kind says: no address as a name, nor letters that are others once they are small."""
    try:
        ipaddress.ip_address(value.strip())
    except ValueError:
        return kind == "DNS" and value.isascii()
    return kind == "IP Address"


def _spelt(host: str) -> str:
    try:
        # `ssl` writes IPv6 addresses in full, in capitals, and some versions with a line's end.
        return str(ipaddress.ip_address(host.strip()))
    except ValueError:
        return host.lower().removesuffix(".")
