"""`les watch`: events as they happen."""

from collections.abc import Mapping
from typing import Any, Final, cast

import click

from les_hooks.cli.names import Names
from les_hooks.cli.output import clock_time, emit_line, note, paint
from les_hooks.cli.story import COLOURS
from les_hooks.cli.target import Target, ask_options
from les_hooks.control.client import UNREACHABLE, stream
from les_hooks.text import printable

__all__ = ["watch"]

_DOES: Final = {"leader": "leads", "follower": "follows", "candidate": "is a candidate"}


@click.command
@click.option("--all", "from_start", is_flag=True, help="Begin with the last events since the daemon started.")
@click.option("--json", "as_json", is_flag=True, help="Print one event a line, as scripts get it on standard input.")
@ask_options
@click.pass_obj
def watch(target: Target, from_start: bool, as_json: bool) -> None:
    """Show events as they happen, until Ctrl-C or until the daemon ends."""
    leaving = False
    names = Names(target.socket)
    try:
        for item in stream(target.socket, "watch", {"from_start": from_start}):
            event = cast("Mapping[str, Any]", item)
            if "kind" not in event:
                _begin(event, names, as_json)
                continue
            leaving = leaving or event["kind"] == "stopping"
            if as_json:
                emit_line(event)
            else:
                click.echo(_line(event, names))
    except KeyboardInterrupt:
        return
    if leaving:
        note("les: the daemon has left the cluster")
        return
    note("les: the daemon has ended without a word; `les history` and its log say more")
    click.get_current_context().exit(UNREACHABLE)


def _begin(stands: Mapping[str, Any], names: Names, as_json: bool) -> None:
    """Say what stands: from here on nothing is missed."""
    if not as_json:
        leader = names.both(stands["leader"]) if stands["leader"] else "nobody"
        does = _DOES.get(stands["role"], f"is {stands['role']}")
        note(f"les: watching; {leader} leads, term {stands['term']}; this node {does}")


def _line(event: Mapping[str, Any], names: Names) -> str:
    kind = event["kind"]
    address = event["member"] or event["leader"]
    if kind == "member-joined":
        names.forget(address)
    who = names.both(address) if address else "no leader"
    parts = [
        paint(clock_time(event["time"], date=False), "dim"),
        paint(kind.ljust(14), COLOURS.get(kind, "")),
        printable(who).ljust(22),
        f"term {event['term']}".ljust(8),
        printable(event["reason"]),
        "(told before)" if event["replay"] else "",
    ]
    return "  ".join(parts).rstrip()
