"""`les floating-ip`: who holds which address. Runs in the operator's process; private to `floating_ip`."""

import time
from collections.abc import Mapping
from typing import Any

import click

from les_hooks import plugin_call
from les_hooks.cli.output import emit_json
from les_hooks.cli.target import ask_options, json_option
from les_hooks.text import printable

__all__ = ["add"]

_NAME = "floating_ip"


def add(cli: click.Group) -> None:
    """Add the group `floating-ip`."""

    @cli.group("floating-ip")
    def floating_ip() -> None:
        """Show who holds the addresses that a cloud delivers."""

    @floating_ip.command("status")
    @json_option
    @ask_options
    @click.pass_context
    def status(context: click.Context, as_json: bool) -> None:
        """Show what this node knows of each address, without asking the provider."""
        _show(_rows(plugin_call(context, _NAME, "status")), as_json)

    @floating_ip.command("check")
    @json_option
    @ask_options
    @click.pass_context
    def check(context: click.Context, as_json: bool) -> None:
        """Ask the provider now, and show the call with which a leader would get each address.

        Nothing is changed. Exits with 1 where it is not known who holds an address.
        """
        rows = _rows(plugin_call(context, _NAME, "check"))
        _show(rows, as_json)
        if any(row["error"] for row in rows):
            context.exit(1)


def _show(rows: list[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        click.echo(printable(_line(row, time.time())))
        if row.get("call"):
            click.echo(printable(f"    a leader without it calls {row['call']}"))


def _rows(answer: object) -> list[Mapping[str, Any]]:
    return answer if isinstance(answer, list) else []


def _line(row: Mapping[str, Any], now: float) -> str:
    whose = f" {row['holder_id']}" if row["holder_id"] else ""
    words = [f"{row['address']}  {row['provider']}  {row['holder']}{whose}"]
    if row["since"] is not None:
        words.append(f"for {_ago(row['since'], now)}")
    if row["looked_at"] is not None:
        words.append(f"looked {_ago(row['looked_at'], now)} ago")
    words.append(f"{row['calls_left']} of {row['calls_per_hour']} calls left")
    if row["error"]:
        words.append(row["error"])
    return ", ".join(words)


def _ago(then: float, now: float) -> str:
    seconds = max(0.0, now - then)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
