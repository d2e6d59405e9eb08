"""`les history`: who led, from when to when, and how each leadership ended, as this node saw it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from les_hooks.cli.names import Names
from les_hooks.cli.output import Cell, clock_time, emit_json, say, seconds, table
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.cli.trail import moment, records, unix

__all__ = ["Leadership", "history", "leaderships"]

_AWAY = "this node stopped watching"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """One row: `until` and `ended` are None while it lasts. Times are Unix seconds."""

    leader: str
    term: int
    since: float
    until: float | None = None
    ended: str | None = None


def leaderships(found: Iterable[Mapping[str, Any]]) -> list[Leadership]:
    """What the records of a trail say of leaderships, the oldest first."""
    rows: list[Leadership] = []
    latest = 0.0
    away: float | None = None
    for record in found:
        action, now = record["action"], unix(record)
        if action == "node.started":
            away = latest or None
        elif action in ("leader.changed", "leader.reasserted"):
            _turn(rows, record, now, away)
            away = None
        latest = now
    return rows


def _turn(rows: list[Leadership], record: Mapping[str, Any], now: float, away: float | None) -> None:
    """Take in that this leader leads now; `away` is when this node stopped watching, if it just came back."""
    leader, term = record["leader"], record["term"]
    sitting = rows[-1] if rows and rows[-1].until is None else None
    if sitting is not None and (sitting.leader, sitting.term) == (leader, term):
        return
    if sitting is not None:
        ended = (now, str(record["reason"])) if away is None else (away, _AWAY)
        rows[-1] = replace(sitting, until=ended[0], ended=ended[1])
    if leader is not None:
        rows.append(Leadership(leader=leader, term=term, since=now))


@click.command
@click.option("--since", type=moment, metavar="TIME", help="From this moment on: 2026-03-01T08:15, or 2h ago.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N leaderships.")
@config_option
@json_option
@click.pass_obj
def history(target: Target, since: float | None, last: int | None, as_json: bool) -> None:
    """Show who led, from when to when, and how it ended.

    It is read from this node's audit trail, so it tells what this node saw.
    """
    config = target.config()
    rows = leaderships(records(config.log.audit))
    rows = [row for row in rows if since is None or row.until is None or row.until >= since][-(last or 0) :]
    if as_json:
        emit_json([asdict(row) for row in rows])
    elif not rows:
        say("nobody has led yet, as far as this node saw")
    else:
        names = Names(config.control.socket, {config.node.advertise: config.node.name})
        table(("name", "leader", "term", "from", "to", "for", "ended"), (_row(row, names) for row in rows))


def _row(row: Leadership, names: Names) -> tuple[str | Cell, ...]:
    begun = clock_time(row.since, exact=False)
    who = (names.of(row.leader) or "-", row.leader, str(row.term), begun)
    if row.until is None:
        return *who, Cell("leads now", "green"), "", ""
    ended = clock_time(row.until, exact=False)
    # The day is told where it is another one.
    day, _, at = ended.partition(" ")
    return *who, at if begun.startswith(day) else ended, seconds(row.until - row.since), row.ended or ""
