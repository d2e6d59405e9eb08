"""`les vip`: where the addresses are. Runs in the operator's process; private to `vip`."""

import click

from les_hooks import plugin_call

__all__ = ["add"]

_NAME = "vip"


def add(cli: click.Group) -> None:
    """Add the group `vip`."""

    @cli.group(_NAME)
    def vip() -> None:
        """Show where the virtual addresses are."""

    @vip.command("status")
    @click.pass_context
    def status(context: click.Context) -> None:
        """Show for each address whether this node has it, for how long, and who answers for it."""
        click.echo(plugin_call(context, _NAME, "status"))
