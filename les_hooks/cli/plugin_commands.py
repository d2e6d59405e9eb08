"""The commands that plugins add. For `main`, when somebody asks for a command that is not ours."""

from collections.abc import Collection

import click

from les_hooks.cli.target import Target
from les_hooks.errors import ConfigError
from les_hooks.plugins import Registry
from les_hooks.text import printable

__all__ = ["add_plugin_commands"]


def add_plugin_commands(cli: click.Group, target: Target, reserved: Collection[str]) -> None:
    """Load the plugins that the configuration names and let them add commands, none under a `reserved` name.

    What fails is said and left out: a broken plugin must not take `les` away from the operator.
    """
    try:
        config = target.config()
    except ConfigError:
        return  # whatever command needs the file says what is wrong with it
    registry = Registry()
    registry.load(config.wanted)
    for found in registry.implementations("commands"):
        own = click.Group()
        try:
            found.function(cli=own)
        except (Exception, SystemExit) as error:
            click.echo(printable(f"les: the commands of plugin {found.plugin} cannot be loaded: {error!r}"), err=True)
            continue
        for name, command in own.commands.items():
            if name not in reserved:
                cli.add_command(command, name)
