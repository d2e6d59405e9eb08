"""What `[plugins.etcd]` can hold, and what is wrong with it. Values only; private to `etcd`."""

import contextlib
import math
import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from les_hooks.config import Interval, Written

__all__ = ["EtcdConfig"]

_MOST_ENDPOINTS = 16
# etcd gives no less than one and a half election timeouts, two seconds as it comes.
_SHORTEST_TTL_SECONDS = 2.0
_LONGEST_TTL_SECONDS = 3600.0
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?")


def _parse_endpoint(text: str) -> str:
    """The base URL of an endpoint, without a slash at its end. Raises ValueError."""
    try:
        url = urlsplit(text)
    except ValueError:  # brackets around what is no IPv6 address
        raise ValueError("is no URL such as http://10.0.0.1:2379") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("is no URL such as http://10.0.0.1:2379")
    if url.username is not None or url.password is not None:
        raise ValueError("holds a user or a password: set username and password_file")
    if url.path.strip("/") or url.query or url.fragment:
        raise ValueError("has a path: write scheme, host and port alone")
    try:
        port = url.port
    except ValueError:
        port = 0
    if port is None:
        raise ValueError("has no port: etcd listens on 2379 as a rule")
    if port == 0:
        raise ValueError("has no port between 1 and 65535")
    return f"{url.scheme}://{_parse_host(url.hostname)}:{port}"


def _parse_host(host: str) -> str:
    """As it stands in a URL. Raises ValueError."""
    if ":" in host:
        # No zone: what stands behind its percent sign would have to be escaped, and names an interface of one host.
        if "%" not in host:
            with contextlib.suppress(ValueError):
                return f"[{IPv6Address(host)}]"
    elif _HOST.fullmatch(host):
        return host
    raise ValueError("has no host: write a name or an IP address")


def _parse_prefix(text: str) -> str:
    """The prefix without the slashes at its end. Raises ValueError."""
    bare = text.rstrip("/")
    if not bare or len(bare) > 256 or not bare.isprintable() or not bare.isascii() or " " in bare:
        raise ValueError("is no prefix of keys: 1 to 256 printable ASCII characters without a space")
    return bare


Endpoint = Annotated[
    str, Written(what="a URL", example="http://10.0.0.1:2379", pattern="^https?://", parse=_parse_endpoint)
]
User = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x20\x7f]+$")]
Prefix = Annotated[str, Written(what="a prefix of keys", example="/les-hooks", pattern="^[!-~]+$", parse=_parse_prefix)]


class EtcdConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.etcd]`.

    `endpoints` are tried in turn. Keys stand under `prefix`, then the cluster's name: two clusters share an etcd.
    `ttl`, in seconds, is for how long etcd keeps the key of a node that is not heard: whole seconds, at least 2.
    The password of `username` stands in `password_file`. `ca_file` is who vouches for etcd's certificate,
    `cert_file` and `key_file` are what this node shows it.
    """

    endpoints: Annotated[tuple[Endpoint, ...], Meta(min_length=1, max_length=_MOST_ENDPOINTS)]
    prefix: Prefix = "/les-hooks"
    ttl: Interval = 5.0
    username: User | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what goes together with nothing else that is there."""
        if len(set(self.endpoints)) < len(self.endpoints):
            raise ValueError("endpoints: one is listed twice")
        if not _SHORTEST_TTL_SECONDS <= self.ttl <= _LONGEST_TTL_SECONDS or self.ttl != math.floor(self.ttl):
            raise ValueError('ttl: is not a number of whole seconds from "2s" to "1h", which is what etcd counts in')
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username: goes with password_file, and that with it")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file: goes with key_file, and that with it")
        tls = (self.ca_file, self.cert_file)
        if any(tls) and any(url.startswith("http:") for url in self.endpoints):
            raise ValueError("endpoints: one begins with http: and certificates are set; write https:")

    @property
    def has_files(self) -> bool:
        """Whether there is something to be read before etcd can be asked."""
        return any((self.password_file, self.ca_file, self.cert_file))
