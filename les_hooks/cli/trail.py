"""Reading the audit of a node from its files, with or without a daemon. For `history` and `audit`."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from les_hooks.audit.files import Found, find
from les_hooks.audit.window import Flaw
from les_hooks.cli.output import note
from les_hooks.config.durations import parse_duration
from les_hooks.errors import StartError

__all__ = ["Complaints", "files_of", "moment", "readable", "time_options"]

# Who points this at something else than a trail need not see all of it.
_MOST_COMPLAINTS = 20

# Longer than any duration of a configuration.
_DAYS = re.compile(r"[0-9]{1,6}d")
_SECONDS_PER_DAY = 86400

_Command = TypeVar("_Command", bound=Callable[..., object])


def moment(text: str) -> float:
    """A moment in the past, as Unix seconds: `2026-03-01`, `2026-03-01T08:15`, or how long ago, `90s`, `2h`, `7d`."""
    if _DAYS.fullmatch(text):
        return max(0.0, time.time() - int(text[:-1]) * _SECONDS_PER_DAY)
    with contextlib.suppress(ValueError):
        return max(0.0, time.time() - parse_duration(text))
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, datetime.fromisoformat(text).astimezone().timestamp())
    raise click.BadParameter(f"{text!r} is neither a moment such as 2026-03-01T08:15 nor a time ago such as 2h or 7d")


def time_options(command: _Command) -> _Command:
    """`--since` and `--until`."""
    since = "From this moment on: 2026-03-01T08:15, or so long ago: 2h, 7d."
    until = "Up to this moment, told in the same way."
    command = click.option("--until", type=moment, metavar="TIME", help=until)(command)
    return click.option("--since", type=moment, metavar="TIME", help=since)(command)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Have what goes wrong with the trail at this path told as an error of this machine, a StartError."""
    try:
        yield
    except FileNotFoundError:
        raise StartError(
            f"audit trail {path}", "there is no such file", "name the node's configuration with -c; a node makes it"
        ) from None
    except OSError as error:
        raise StartError(
            f"audit trail {path}", f"cannot be read ({error.strerror})", "run this as its owner or as root"
        ) from error


def files_of(path: Path) -> Found:
    """The files of the trail; those that are left out are said. Raises StartError."""
    with readable(path):
        found = find(path)
    for skipped, why in found.skipped:
        note(f"les: {skipped}: {why}")
    return found


class Complaints:
    """Says what is no record, but not without end."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, flaw: Flaw) -> None:
        """Say it of one line."""
        self._told += 1
        if self._told <= _MOST_COMPLAINTS:
            place = f"{flaw.path}:{flaw.line}" if flaw.line else str(flaw.path)
            note(f"les: {place}: {flaw.why}{f': {flaw.text}' if flaw.text else ''}")

    def close(self) -> None:
        """Say how many were left out."""
        if self._told > _MOST_COMPLAINTS:
            note(f"les: {self._told - _MOST_COMPLAINTS} more lines are no records; `les audit verify` tells of all")
