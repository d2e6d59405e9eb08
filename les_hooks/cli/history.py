"""`les history`: who led, from when to when, and how each leadership ended, as this node saw it."""

from dataclasses import asdict

import click

from les_hooks.audit.leaderships import Leadership, leaderships
from les_hooks.cli.names import Names
from les_hooks.cli.output import Cell, clock_time, emit_json, say, seconds, table
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.cli.trail import moment, records

__all__ = ["history"]


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
