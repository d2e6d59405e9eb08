"""Reading the audit of a node from its file, with or without a daemon. For `history` and `audit`."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from les_hooks.audit.reader import Damage, read
from les_hooks.cli.output import note
from les_hooks.config.durations import parse_duration
from les_hooks.errors import StartError

__all__ = ["moment", "records"]


def moment(text: str) -> float:
    """A moment in the past, as Unix seconds: `2026-03-01`, `2026-03-01T08:15`, or how long ago, `90s`, `2h`."""
    with contextlib.suppress(ValueError):
        return time.time() - parse_duration(text)
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text).astimezone().timestamp()
    raise click.BadParameter(f"{text!r} is neither a moment such as 2026-03-01T08:15 nor a duration such as 2h")


def records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of the file in their order; what is damaged is said on standard error and left out.

    Raises StartError where the file cannot be read.
    """
    try:
        for item in read(path):
            if isinstance(item, Damage):
                note(f"les: {path}:{item.line}: {item.why}: {item.text}")
            else:
                yield item.record
    except FileNotFoundError:
        raise StartError(
            f"audit trail {path}", "there is no such file", "name the node's configuration with -c; a node makes it"
        ) from None
    except OSError as error:
        raise StartError(
            f"audit trail {path}", f"cannot be read ({error.strerror})", "run this as its owner or as root"
        ) from error
