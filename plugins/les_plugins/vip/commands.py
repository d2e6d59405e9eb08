"""`les vip`: where the addresses are. Runs in the operator's process; private to `vip`."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from les_hooks import plugin_call
from les_hooks.cli.output import Cell, ago, emit_json, fields, say, seconds, table
from les_hooks.cli.target import ask_options, json_option

__all__ = ["add"]

_NAME = "vip"


def add(cli: click.Group) -> None:
    """Add the group `vip`."""

    @cli.group(_NAME)
    def vip() -> None:
        """Show where the virtual addresses are."""

    @vip.command("status")
    @json_option
    @ask_options
    @click.pass_context
    def status(context: click.Context, as_json: bool) -> None:
        """Show for each address whether this node has it, for how long, and who answers for it.

        Asks the network who has those that are not here, unless `probe` is off.
        """
        answer: Any = plugin_call(context, _NAME, "status")
        if as_json:
            emit_json(answer)
        else:
            _show(answer)


def _show(answer: Mapping[str, Any]) -> None:
    table(
        ("address", "interface", "here", "lease", "announced", "answered by"),
        (
            (
                f"{each['address']}/{each['prefix']}",
                each["interface"],
                _here(each),
                "-" if each["lifetime_left"] is None else seconds(each["lifetime_left"]),
                ago(each["announced"]),
                _answered(each),
            )
            for each in answer["addresses"]
        ),
    )
    if lines := list(_below(answer)):
        say()
        fields(lines, wrap=True)


def _here(each: Mapping[str, Any]) -> Cell:
    return Cell(f"since {ago(each['since']).removesuffix(' ago')}", "green") if each["held"] else Cell("no")


def _answered(each: Mapping[str, Any]) -> str | Cell:
    """Who else says that it has the address: the holder where it is not here, a rival where it is."""
    if each["held"]:
        return Cell("contended", "red") if each["claimed_by"] else "this node"
    return _who(each["claimed_by"][0]) if each["claimed_by"] else Cell("nobody", "yellow")


def _who(claim: Mapping[str, Any]) -> str:
    past = claim["seconds_ago"]
    return f"{claim['mac']}, {'now' if past < 1.0 else f'{seconds(past)} ago'}"


def _below(answer: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """What is wrong, and which other hosts have claimed an address than the row says."""
    for problem in answer["problems"]:
        yield "problem", Cell(problem, "yellow")
    for each in answer["addresses"]:
        for claim in each["claimed_by"][0 if each["held"] else 1 :]:
            if each["held"]:
                yield "conflict", Cell(f"{each['address']} is claimed by {_who(claim)}, too", "red")
            else:
                yield "before", Cell(f"{each['address']} was claimed by {_who(claim)}")
