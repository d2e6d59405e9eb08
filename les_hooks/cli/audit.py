"""`les audit`: the trail of one node."""

import contextlib
from collections.abc import Iterator, Mapping
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

import click

from les_hooks.audit.actions import Outcome
from les_hooks.audit.follow import Follower
from les_hooks.audit.leaderships import unix
from les_hooks.audit.reader import Damage, parse
from les_hooks.audit.window import Flaw, forwards, last, younger
from les_hooks.cli.names import Names
from les_hooks.cli.output import Cell, beside, clock_time, emit_line, say
from les_hooks.cli.selection import Selection, term_range
from les_hooks.cli.story import sentence
from les_hooks.cli.target import Target, config_option
from les_hooks.cli.trail import Complaints, files_of, readable, time_options
from les_hooks.cli.verify import verify

__all__ = ["audit"]

Record = Mapping[str, Any]

_LAST_BEFORE_FOLLOWING: Final = 10
_MOST_LAST: Final = 100_000
_WHAT_WIDTH: Final = 14


@click.group
def audit() -> None:
    """Look at what this node decided, ran and was asked."""


audit.add_command(verify)


@audit.command
@time_options
@click.option("--action", "actions", multiple=True, metavar="PATTERN", help="Only these, such as 'leader.*'.")
@click.option("--event", metavar="ID", help="Only what belongs to this event.")
@click.option("--term", "terms", type=term_range, metavar="N", help="Only this term, or these: 5-7.")
@click.option("--member", metavar="NODE", help="Only what is about this member, by its name or address.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice([outcome.value for outcome in Outcome]),
    help="Only what ended so.",
)
@click.option("--plugin", metavar="NAME", help="Only what this plugin did.")
@click.option("--last", "most", type=click.IntRange(1, _MOST_LAST), metavar="N", help="Only the last N of them.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as they are, one a line.")
@config_option
@click.pass_obj
def show(
    target: Target, /, *, member: str | None, most: int | None, follow: bool, as_json: bool, **wanted: Any
) -> None:
    """Print the audit trail as a story; what is damaged in it is said on standard error.

    Files that were rotated away are read, too. With -f it begins with the last 10 records, unless more or others are
    asked for.
    """
    if follow and wanted["until"] is not None:
        raise click.UsageError("--follow goes on for ever, and --until ends: leave one of them out")
    config = target.config()
    names = Names(config.control.socket, {config.node.advertise: config.node.name}, patient=False)
    selection = Selection(members=names.alike(member) if member is not None else (), **wanted)
    if follow and most is None and selection.since is None:
        most = _LAST_BEFORE_FOLLOWING
    teller = _Teller(names, as_json=as_json, following=follow)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        follower = None
        if follow:
            # Before the files are read, so that nothing can come between.
            with readable(config.log.audit):
                follower = stack.enter_context(Follower(config.log.audit))
        for record in _stored(config.log.audit, selection, most):
            teller.tell(record)
        if follower is not None:
            told = teller.newest
            for record in dropwhile(lambda record: _number(record) <= told, _coming(follower, config.log.audit)):
                if selection.wants(record):
                    teller.tell(record)


def _stored(path: Path, selection: Selection, most: int | None) -> Iterator[Record]:
    files = younger(files_of(path).files, selection.since)
    complaints = Complaints()
    if most is not None:
        yield from last(files, selection.maybe, selection.wants, most, complaints)
    else:
        yield from filter(selection.wants, forwards(files, selection.maybe, complaints))
    complaints.close()


def _coming(follower: Follower, path: Path) -> Iterator[Record]:
    complain = Complaints()
    with readable(path):
        for line in follower.lines():
            item = parse(0, line)
            if isinstance(item, Damage):
                complain(Flaw(path=path, line=0, why=item.why, text=item.text))
            else:
                yield item.record


class _Teller:
    """Prints records; `newest` is the number of the last."""

    def __init__(self, names: Names, *, as_json: bool, following: bool) -> None:
        self.newest = 0
        self._names = names
        self._as_json = as_json
        self._following = following
        self._day = ""

    def tell(self, record: Record) -> None:
        """Print it; a story has a line with the day wherever another one begins."""
        self.newest = max(self.newest, _number(record))
        if self._as_json:
            emit_line(record, at_once=self._following)
            return
        day, _, moment = clock_time(unix(record)).partition(" ")
        if day != self._day:
            self._day = day
            say(day, "dim")
        told = sentence(record, self._names)
        what = Cell(told.what, told.colour or told.outcome)
        beside([(Cell(moment, "dim"), len(moment)), (what, _WHAT_WIDTH)], Cell(told.text, told.outcome))


def _number(record: Record) -> int:
    return record["seq"] if isinstance(record["seq"], int) else 0
