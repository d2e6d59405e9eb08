"""The commands that plugins add. For `main`, when somebody asks for a command that is not ours."""

from collections.abc import Collection

import click

from les_hooks.cli.target import Target
from les_hooks.errors import ConfigError
from les_hooks.plugins import Registry
from les_hooks.text import printable

__all__ = ["add_plugin_commands", "why_not_there"]


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


def why_not_there(target: Target, word: str) -> str:
    """Why the command of an installed plugin is not there, empty where none has its name.

    Raises ConfigError where the file is to blame.
    """
    named, installed = word.replace("-", "_"), {info.name for info in Registry().infos()}
    # `webhook` calls its command `webhooks`.
    plugin = next((name for name in (named, named.removesuffix("s")) if name in installed), None)
    if plugin is None:
        return ""
    config = target.config()
    if why := config.unwanted.get(plugin):
        return f" It belongs to the plugin {plugin}, which is not loaded: {why}."
    if plugin in config.wanted:
        return f" The plugin {plugin} cannot be loaded, or has no such command: see `les plugins list`."
    where = f"which {config.source} does not name" if config.source else "and there is no configuration that names it"
    return f" It belongs to the plugin {plugin}, {where}; name another file with -c."
