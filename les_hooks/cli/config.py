"""`les config`: what is in force, and the schema of the file."""

import click

from les_hooks.cli.flags import read_config
from les_hooks.cli.output import emit_json, say, table
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.config import schema, show
from les_hooks.plugins import Registry

__all__ = ["config"]


@click.group
def config() -> None:
    """Look at the configuration."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@config_option
@json_option
@click.pass_obj
def show_config(target: Target, origin: bool, as_json: bool) -> None:
    """Print every value that a node would start with, defaults included."""
    settings = show(read_config(target, {}))
    if as_json:
        emit_json([{"key": item.key, "value": item.value, "origin": item.origin} for item in settings])
    elif origin:
        table(("key", "value", "from"), ((item.key, item.value, item.origin) for item in settings))
    else:
        for item in settings:
            say(f"{item.key} = {item.value}")


@config.command("schema")
def show_schema() -> None:
    """Print a JSON Schema of les.toml, for editors."""
    registry = Registry()
    emit_json(schema(registry.config_types([info.name for info in registry.infos()])))
