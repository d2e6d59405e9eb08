"""Values that are written as strings and read as something else, such as durations. Plugins use them too.

A field `pause: Duration` of a plugin's `config_type` is written `pause = "30s"` and read as 30.0. Fields of the type
`Path` are absolute once read, relative ones taken from the folder of the file, defaults too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from les_hooks.config.addresses import (
    ADDRESS_PATTERN,
    HTTP_LISTEN_PATTERN,
    NAME_PATTERN,
    parse_advertise,
    parse_http_listen,
    parse_listen,
    parse_name,
    parse_seed,
)
from les_hooks.config.durations import (
    DURATION_PATTERN,
    WAIT_PATTERN,
    format_duration,
    format_wait,
    parse_duration,
    parse_interval,
    parse_wait,
)
from les_hooks.config.sizes import SIZE_PATTERN, format_size, parse_size
from les_hooks.members import Address

__all__ = [
    "Advertise",
    "Derived",
    "Duration",
    "HttpListen",
    "Interval",
    "Listen",
    "Name",
    "Seed",
    "Size",
    "Wait",
    "Written",
    "parse_path",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a field is written in TOML; stands in the field's `Annotated`.

    `parse` returns what the field holds, or raises ValueError with a reason that continues the sentence which the
    value begins; `write` is its inverse. `what` and `example` are for messages, `pattern` is for schemas. What is
    `secret` is in no message, and `les config show` hides it.
    """

    what: str
    example: str
    pattern: str
    parse: Callable[[str], object]
    write: Callable[[Any], str] = str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """The default of a field that is worked out when the file is read, in words."""

    words: str


Duration = Annotated[
    float,
    Written(what="a duration", example="30s", pattern=DURATION_PATTERN, parse=parse_duration, write=format_duration),
]
"""Seconds, 0.0 included."""

Interval = Annotated[
    float,
    Written(what="a duration", example="30s", pattern=DURATION_PATTERN, parse=parse_interval, write=format_duration),
]
"""Seconds, more than none."""

Wait = Annotated[
    float,
    Written(what='a duration or "never"', example="60s", pattern=WAIT_PATTERN, parse=parse_wait, write=format_wait),
]
"""Seconds, infinitely many included."""

Name = Annotated[str, Written(what="a name", example="web-1", pattern=NAME_PATTERN, parse=parse_name)]
"""A name that is safe in a path, a variable and a terminal."""

Listen = Annotated[
    Address, Written(what="an address", example="0.0.0.0:4000", pattern=ADDRESS_PATTERN, parse=parse_listen)
]
"""An address to listen on."""

HttpListen = Annotated[
    str,
    Written(what="an address", example="127.0.0.1:4080", pattern=HTTP_LISTEN_PATTERN, parse=parse_http_listen),
]
"""An address to listen on, or `unix:` and a path."""

Advertise = Annotated[
    Address, Written(what="an address", example="10.0.0.1:4000", pattern=ADDRESS_PATTERN, parse=parse_advertise)
]
"""The address that names a node."""

Seed = Annotated[
    Address, Written(what="an address", example="10.0.0.1:4000", pattern=ADDRESS_PATTERN, parse=parse_seed)
]
"""The address of another node."""

Size = Annotated[
    int, Written(what="a size", example="512MiB", pattern=SIZE_PATTERN, parse=parse_size, write=format_size)
]
"""Bytes."""


def parse_path(text: str, base: Path) -> Path:
    """Return the absolute path that `text` means in the folder `base`."""
    if not text or "\0" in text:
        raise ValueError("is no path")
    if text.startswith("~"):
        raise ValueError("starts with ~, which only a shell understands; write the whole path")
    return base / text
