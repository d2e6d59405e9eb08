"""`les checks`: what each check says, and one of them now. Runs in the operator's process; private to `checks`."""

from collections.abc import Mapping
from typing import Any

import click

from les_hooks import plugin_call
from les_hooks.cli.output import emit_json
from les_hooks.cli.target import ask_options, json_option
from les_hooks.text import printable

__all__ = ["add"]

_NAME = "checks"


def add(cli: click.Group) -> None:
    """Add the group `checks`."""

    @cli.group(_NAME)
    def checks() -> None:
        """Show what keeps this node from leading, or check something now."""

    @checks.command("list")
    @json_option
    @ask_options
    @click.pass_context
    def list_all(context: click.Context, as_json: bool) -> None:
        """Show every check with its state, and why it is so."""
        rows = _rows(plugin_call(context, _NAME, "list"))
        if as_json:
            emit_json(rows)
            return
        for each in rows:
            click.echo(printable(f"{each['state']:8}{each['name']}{_why(each)}"))

    @checks.command("run")
    @click.argument("name")
    @json_option
    @ask_options
    @click.pass_context
    def run(context: click.Context, name: str, as_json: bool) -> None:
        """Run the check NAME now, and tell what comes of it; it counts for nothing. Exits with 1 where it fails."""
        results = _rows(plugin_call(context, _NAME, "run", name=name))
        if as_json:
            emit_json(results)
        for each in [] if as_json else results:
            click.echo(printable(f"{each['state']:8}{each['name']}{_why(each)} ({each['seconds']:.3f} s)"))
        if any(each["reason"] for each in results):
            context.exit(1)


def _rows(answer: object) -> list[Mapping[str, Any]]:
    return answer if isinstance(answer, list) else []


def _why(row: Mapping[str, Any]) -> str:
    return f": {row['reason']}" if row["reason"] else ""
