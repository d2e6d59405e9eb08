"""`les history`: who led, from when to when, and how each leadership ended, as this node saw it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from les_hooks.audit.files import TrailFile
from les_hooks.audit.leaderships import Leadership, Leaderships
from les_hooks.audit.past import read_all
from les_hooks.audit.window import Flaw
from les_hooks.cli.names import Names
from les_hooks.cli.output import Cell, clock_time, emit_json, length, say, seconds, table
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.cli.trail import Complaints, files_of, time_options
from les_hooks.control.client import call
from les_hooks.errors import ControlError

__all__ = ["history"]

_ASK_SECONDS = 2.0
_HEADERS = ("name", "leader", "term", "from", "hand-over", "to", "for", "ended")


@click.command
@time_options
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N leaderships.")
@config_option
@json_option
@click.pass_obj
def history(target: Target, since: float | None, until: float | None, last: int | None, as_json: bool) -> None:
    """Show who led, from when to when, how it ended, and how long the hand-over took.

    It is read from this node's audit trail, files that were rotated away included, so it tells what this node saw.
    """
    config = target.config()
    rows = [row for row in _rows(files_of(config.log.audit).files) if _is_in(row, since, until)][-(last or 0) :]
    if as_json:
        emit_json([asdict(row) for row in rows])
    elif not rows:
        say("nobody has led yet, as far as this node saw")
    else:
        names = Names(config.control.socket, {config.node.advertise: config.node.name}, patient=False)
        table(_HEADERS, (_row(row, names, config.control.socket) for row in rows))


def _rows(files: Sequence[TrailFile]) -> Sequence[Leadership]:
    complain = Complaints()
    known = Leaderships()

    def failed(file: TrailFile, error: OSError) -> None:
        complain(Flaw(path=file.path, line=0, why=f"cannot be read to its end ({error.strerror or error})"))

    read_all(files, known, failed)
    return known.rows


def _is_in(row: Leadership, since: float | None, until: float | None) -> bool:
    """Whether it lasted at any moment of that time."""
    return (since is None or row.until is None or row.until >= since) and (until is None or row.since <= until)


def _row(row: Leadership, names: Names, socket: Path) -> tuple[str | Cell, ...]:
    begun = clock_time(row.since, exact=False)
    gap = "" if row.vacant is None else length(row.vacant * 1000)
    who = (row.name or names.of(row.leader) or "-", row.leader, str(row.term), begun, gap)
    if row.until is None:
        return *who, Cell("leads now", "green") if _is_watching(socket) else "led last", "", ""
    ended = clock_time(row.until, exact=False)
    # The day is told where it is another one.
    day, _, at = ended.partition(" ")
    return *who, at if begun.startswith(day) else ended, seconds(row.until - row.since), row.ended or ""


def _is_watching(socket: Path) -> bool:
    """Whether the daemon runs, and so would know if somebody else led."""
    try:
        call(socket, "leader", timeout=_ASK_SECONDS)
    except ControlError:
        return False
    return True
