"""`les audit`: the trail of one node."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

import click
import msgspec

from les_hooks.audit.actions import CORE_FIELDS
from les_hooks.audit.leaderships import unix
from les_hooks.cli.output import clock_time, emit_line, paint
from les_hooks.cli.target import Target, config_option
from les_hooks.cli.trail import moment, records
from les_hooks.cli.verify import verify
from les_hooks.text import printable

__all__ = ["audit"]

# In each line already, or of no use without the rest of the event.
_LEFT_OUT: Final = frozenset({*CORE_FIELDS, "event_seq"})

_COLOURS: Final = {"failure": "red", "timeout": "red", "unstarted": "red", "superseded": "yellow", "dropped": "yellow"}


@click.group
def audit() -> None:
    """Look at what this node decided, ran and was asked."""


audit.add_command(verify)


@audit.command
@click.option("--since", type=moment, metavar="TIME", help="From this moment on: 2026-03-01T08:15, or 2h ago.")
@click.option("--action", "actions", multiple=True, metavar="PATTERN", help="Only these, such as 'leader.*'.")
@click.option("--event", metavar="ID", help="Only what belongs to this event.")
@click.option("--last", type=click.IntRange(min=1, max=1_000_000), metavar="N", help="Only the last N of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as they are, one a line.")
@config_option
@click.pass_obj
def show(
    target: Target, since: float | None, actions: tuple[str, ...], event: str | None, last: int | None, as_json: bool
) -> None:
    """Print the audit trail; what is damaged in it is said on standard error."""
    wanted: Iterable[Mapping[str, Any]] = _select(records(target.config().log.audit), since, actions, event)
    if last is not None:
        wanted = deque(wanted, maxlen=last)
    for record in wanted:
        if as_json:
            emit_line(record)
        else:
            click.echo(_line(record))


def _select(
    found: Iterable[Mapping[str, Any]], since: float | None, actions: tuple[str, ...], event: str | None
) -> Iterator[Mapping[str, Any]]:
    for record in found:
        if since is not None and unix(record) < since:
            continue
        if actions and not any(fnmatchcase(str(record["action"]), pattern) for pattern in actions):
            continue
        if event is None or record["event_id"] == event:
            yield record


def _line(record: Mapping[str, Any]) -> str:
    outcome = str(record["outcome"])
    parts = [
        paint(clock_time(unix(record)), "dim"),
        paint(f"#{record['seq']}".rjust(6), "dim"),
        printable(str(record["action"])).ljust(16),
        "" if outcome == "success" else paint(printable(outcome), _COLOURS.get(outcome, "")),
        "" if record["term"] is None else f"term {record['term']}",
        printable(str(record["reason"] or "")),
        *(f"{paint(printable(key), 'dim')}={_value(value)}" for key, value in _free(record)),
    ]
    return "  ".join(part for part in parts if part)


def _free(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    shown = [("leader", record["leader"]), ("event_id", record["event_id"])]
    yield from ((key, value) for key, value in shown if value is not None)
    for key, value in record.items():
        # 0 is worth a word, unlike what says that there is nothing.
        if key not in _LEFT_OUT and value is not None and value is not False and value not in ("", [], {}):
            yield key, value


def _value(value: Any) -> str:
    return printable(value if isinstance(value, str) else msgspec.json.encode(value).decode())
