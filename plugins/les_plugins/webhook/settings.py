"""What `[plugins.webhook]` can hold, and what is wrong with it. Values only; private to `webhook`."""

import re
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from les_hooks import EventKind
from les_hooks.config import Duration, Interval, Name, Written

__all__ = ["Endpoint", "SendFrom", "WebhookConfig"]

# More would be another kind of program: each is a task, and each event a row for each.
_MOST_ENDPOINTS = 32
_MOST_HEADERS = 16
_MOST_HEADER_CHARACTERS = 4096
_MOST_PAUSES = 32
_SHORTEST_LAST_PAUSE = 0.001

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
# Those that the request makes itself, or that would let it mean something else on its way.
_OWN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)

_EVENTS = tuple(kind for kind in EventKind if kind is not EventKind.WHILE_LEADER)


class SendFrom(StrEnum):
    """Which node posts; without it that depends on the event, see `who`."""

    NODE = "node"
    """Each node posts what it is told."""
    LEADER = "leader"
    """Only the leader posts."""


def parse_url(text: str) -> str:
    """The URL. Raises ValueError where it is none, or holds what would not be sent as it is written."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        # Never the text itself: it may be a secret.
        raise ValueError("is no URL; escape what is not plain ASCII")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError('is no URL of a web server; it begins with "https://"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; put them into headers")
    if parts.fragment:
        raise ValueError("has a fragment (#...), which is never sent")
    return text


Url = Annotated[
    str,
    Written(what="a URL", example="https://hooks.example/les", pattern="^https?://", parse=parse_url, secret=True),
]

HeaderValue = Annotated[str, Written(what="a header", example="les", pattern="^[ -~]*$", parse=str, secret=True)]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[plugins.webhook.endpoints]]`. Durations in seconds.

    `secret_file` holds one secret a line, the newest first: each signs, so that a secret can be rotated. `retry` are
    the pauses before each attempt, the last one again and again, until the event is `retry_for` old.
    """

    name: Name
    url: Url | None = None
    url_file: Path | None = None
    events: Annotated[tuple[EventKind, ...], Meta(min_length=1)] = _EVENTS
    secret_file: Path | None = None
    format: Name = "cloudevents"
    headers: Annotated[dict[str, HeaderValue], Meta(max_length=_MOST_HEADERS)] = {}
    timeout: Interval = 15.0
    retry: Annotated[tuple[Duration, ...], Meta(min_length=1, max_length=_MOST_PAUSES)] = (
        *(0.0, 1.0, 5.0, 30.0),
        *(120.0, 600.0, 1800.0, 3600.0),
    )
    retry_for: Interval = 86400.0
    ca_file: Path | None = None
    allow_http: bool = False
    send_from: SendFrom | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.url_file is None):
            raise ValueError(f"{self.name}: give it exactly one of url and url_file")
        if self.url is not None and self.url.startswith("http:") and not self.allow_http:
            raise ValueError(f"{self.name}: url is not encrypted; use https, or allow_http = true")
        if EventKind.WHILE_LEADER in self.events:
            raise ValueError(f"{self.name}: events holds while-leader, which is no event; use elected and demoted")
        if self.retry[-1] < _SHORTEST_LAST_PAUSE:
            raise ValueError(f'{self.name}: retry ends with no pause, and so would never rest; "1ms" is the least')
        for header, value in self.headers.items():
            if why := _wrong_header(header, value):
                raise ValueError(f"{self.name}: headers has {header!r}, which {why}")

    def pause(self, failures: int) -> float:
        """Seconds at most before the next attempt, after so many that failed in a row."""
        return self.retry[min(failures, len(self.retry) - 1)]


def _wrong_header(header: str, value: str) -> str:
    if not _HEADER.fullmatch(header):
        return "is no name of a header"
    if header.lower() in _OWN_HEADERS:
        return "is written by les-hooks itself"
    if len(value) > _MOST_HEADER_CHARACTERS or not value.isascii() or not (value.isprintable() or not value):
        return "holds more than one line of plain ASCII"
    return ""


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.webhook]`: whom to tell, and how much may wait: rows, and bytes of events."""

    # After the plugins that act: an address is there before the world hears of it. Demotions go the other way round,
    # so that this one is called first, and then only writes a row.
    order: int = 100
    endpoints: Annotated[tuple[Endpoint, ...], Meta(max_length=_MOST_ENDPOINTS)] = ()
    max_rows: Annotated[int, Meta(ge=100, le=1_000_000)] = 10_000
    max_bytes: Annotated[int, Meta(ge=2**20, le=2**30)] = 64 * 2**20

    def __post_init__(self) -> None:
        counts = Counter(endpoint.name for endpoint in self.endpoints)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"has two endpoints called '{twice[0]}'; give each a name of its own")
