"""`les plugins`: what is installed, what is loaded, and why not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import click

from les_hooks.cli.output import Cell, emit_json, note, table
from les_hooks.cli.target import Target, ask_options, json_option
from les_hooks.control.client import UNREACHABLE, call
from les_hooks.errors import ControlError
from les_hooks.plugins import Registry

__all__ = ["plugins"]

_COLOURS = {"loaded": "green", "failed": "red"}


@click.group
def plugins() -> None:
    """Look at plugins."""


@plugins.command("list")
@ask_options
@json_option
@click.pass_obj
def list_plugins(target: Target, as_json: bool) -> None:
    """List the plugins: loaded, available, disabled, or failed and why.

    The daemon tells what it has; where none answers, it is what one would load now.
    """
    found, from_daemon = _find(target)
    if as_json:
        emit_json({"daemon": from_daemon, "plugins": found})
        return
    if not from_daemon:
        note("les: no daemon answers; this is what one would load now")
    table(
        ("name", "distribution", "version", "state", "hooks", "why"),
        (
            (
                plugin["name"],
                plugin["distribution"] or "-",
                plugin["version"] or "-",
                Cell(plugin["state"], _COLOURS.get(plugin["state"], "")),
                _hooks(plugin["hooks"]),
                plugin["why"],
            )
            for plugin in found
        ),
    )


def _find(target: Target) -> tuple[Sequence[Mapping[str, Any]], bool]:
    try:
        return cast("list[Mapping[str, Any]]", call(target.socket, "plugins")), True
    except ControlError as error:
        if error.exit_code != UNREACHABLE:
            raise
    config = target.config()
    registry = Registry()
    registry.load(config.wanted, disabled=config.unwanted)
    return [asdict(info) for info in registry.infos()], False


def _hooks(names: Sequence[str]) -> str:
    """The hooks in a few words: a plugin like `scripts` has all there are."""
    events_first = sorted(names, key=lambda name: not name.startswith("on_"))
    shown = [name.removeprefix("on_") for name in events_first]
    return ", ".join(shown) if len(shown) <= 4 else f"{', '.join(shown[:3])} and {len(shown) - 3} more"
