"""What `[plugins.checks]` can hold, and what is wrong with it. Values only; private to `checks`."""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from les_hooks.config import Name, Seed, Written
from les_hooks.config.durations import DURATION_PATTERN, format_duration, parse_duration

__all__ = ["DEFAULT_GATEWAY", "Check", "ChecksConfig", "Kind", "Pace", "Statuses"]

DEFAULT_GATEWAY = "default"
"""The gateway of the default route, whichever that is when the check runs."""

# More would be another kind of program; and each is a task, and often a process, every other second.
_MOST_CHECKS = 64

_SHORTEST_SECONDS = 0.1
_LONGEST_SECONDS = 3600.0


class Kind(StrEnum):
    """What a check looks at; the word is the key that names what exactly."""

    TCP = "tcp"
    HTTP = "http"
    PROCESS = "process"
    UNIT = "unit"
    INTERFACE = "interface"
    GATEWAY = "gateway"
    SCRIPT = "script"


def _parse_pace(text: str) -> float:
    seconds = parse_duration(text)
    if not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        raise ValueError('is out of bounds; a check takes from "100ms" to "1h"')
    return seconds


def _parse_url(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no URL; escape what is not plain ASCII")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no URL of a web server")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user, which would be shown to whoever may see the status")
    if parts.port == 0:
        raise ValueError("has no port between 1 and 65535")
    return text


def _parse_statuses(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?", text)
    if match is None:
        raise ValueError('is no status; write one, such as "200", or a range, such as "200-299"')
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError("ends before it begins")
    return low, high


def _write_statuses(statuses: tuple[int, int]) -> str:
    low, high = statuses
    return str(low) if low == high else f"{low}-{high}"


def _parse_process(text: str) -> str:
    if "/" in text and not text.startswith("/"):
        raise ValueError("is neither the name of a program nor the whole path of one")
    return text


def _parse_gateway(text: str) -> str:
    if text == DEFAULT_GATEWAY:
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError('is no IP address; write one, or "default" for the gateway of the default route') from None
    if address.is_unspecified or address.is_multicast:
        raise ValueError("is not the address of one host")
    return text


def _word(what: str, pattern: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text) or text in (".", ".."):
            raise ValueError(f"is no {what}")
        return text

    return parse


_UNIT = r"[A-Za-z0-9:_.\\@-]{1,255}"
_INTERFACE = r"[^/\s\x00-\x1f]{1,15}"
_SCRIPT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"

Duration = Annotated[
    float,
    Written(what="a duration", example="2s", pattern=DURATION_PATTERN, parse=_parse_pace, write=format_duration),
]
Times = Annotated[int, Meta(ge=1, le=1000)]
Url = Annotated[str, Written(what="a URL", example="http://127.0.0.1/", pattern="^https?://", parse=_parse_url)]
Statuses = Annotated[
    tuple[int, int],
    Written(
        what="a status or a range",
        example="200-299",
        pattern="^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$",
        parse=_parse_statuses,
        write=_write_statuses,
    ),
]
Process = Annotated[str, Written(what="a program", example="nginx", pattern=".", parse=_parse_process)]
Unit = Annotated[
    str, Written(what="a unit", example="nginx.service", pattern=f"^{_UNIT}$", parse=_word("unit of systemd", _UNIT))
]
Interface = Annotated[
    str, Written(what="an interface", example="eth0", pattern=f"^{_INTERFACE}$", parse=_word("interface", _INTERFACE))
]
Gateway = Annotated[str, Written(what="a gateway", example=DEFAULT_GATEWAY, pattern=".", parse=_parse_gateway)]
Script = Annotated[
    str,
    Written(what="a script", example="disk", pattern=f"^{_SCRIPT}$", parse=_word("file that would be run", _SCRIPT)),
]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often a check runs and how long it may take, in seconds, and how many results in a row turn it."""

    interval: Duration = 2.0
    timeout: Duration = 1.0
    rise: Times = 2
    fall: Times = 3


class Check(Pace, frozen=True, kw_only=True):
    """One `[[plugins.checks.check]]`: exactly one key of a kind, and how to go about it."""

    name: Name | None = None
    tcp: Seed | None = None
    http: Url | None = None
    process: Process | None = None
    unit: Unit | None = None
    interface: Interface | None = None
    gateway: Gateway | None = None
    script: Script | None = None
    status: Statuses | None = None
    follow_redirects: bool | None = None

    def __post_init__(self) -> None:
        kinds = [kind for kind in Kind if getattr(self, kind) is not None]
        if len(kinds) != 1:
            has = f"has both {' and '.join(kinds)}" if kinds else "has nothing to check"
            raise ValueError(f"{has}; give it exactly one of {', '.join(Kind)}")
        for key in ("status", "follow_redirects"):
            if self.http is None and getattr(self, key) is not None:
                raise ValueError(f"has {key}, which is for http; a check with {kinds[0]} does not take it")

    @property
    def kind(self) -> Kind:
        """What it looks at."""
        return next(kind for kind in Kind if getattr(self, kind) is not None)

    @property
    def target(self) -> str:
        """What exactly."""
        return str(getattr(self, self.kind))

    @property
    def label(self) -> str:
        """What it is called: its name, or else what it looks at. A name has no blank, so the two never meet."""
        return self.name or f"{self.kind} {self.target}"


class ChecksConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.checks]`: `dir` is the folder of scripts, `scripts` their pace, `path` the PATH that they get."""

    dir: Path = Path("checks.d")
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    scripts: Pace = Pace()
    check: Annotated[tuple[Check, ...], Meta(max_length=_MOST_CHECKS)] = ()

    def __post_init__(self) -> None:
        twice = [label for label, count in Counter(check.label for check in self.check).items() if count > 1]
        files = Counter(check.script for check in self.check if check.script is not None)
        if twice:
            raise ValueError(f"has two checks called '{twice[0]}'; give each a name of its own")
        if again := [file for file, count in files.items() if count > 1]:
            raise ValueError(f"runs the script '{again[0]}' in two checks; copy or link it under another name")
