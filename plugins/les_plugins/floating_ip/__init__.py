"""The bundled plugin `floating_ip`: has a cloud deliver an address to the node that leads.

Loaded through its entry point; nothing imports it.

    settings   what `[plugins.floating_ip]` can hold; entries: what the tables of addresses have in common
    keeper     one address during one leadership: look, ask for it, wait, look again
    board      what is known of one address
    providers  one module for each cloud, and the protocol that they share
    http       one call: bounded, counted, and not sent by who leads no more
    tokens, ownid, allowance, trouble, world, commands

`docs/floating-ip.md` tells users of it.
"""

import asyncio
from weakref import WeakKeyDictionary

import msgspec

from les_hooks.errors import PluginError
from les_hooks.events import Event
from les_hooks.hookspecs import Context, hookimpl
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.board import Board
from les_plugins.floating_ip.keeper import Keeper
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Trouble
from les_plugins.floating_ip.world import World

__all__ = ["FloatingIpConfig"]

WORLD = World()

# On top of `patience`, so that the plugin says itself what it did not get, and the dispatcher only guards against bugs.
_MARGIN_SECONDS = 5.0

# By context and not in one variable: a process may hold several nodes.
_boards: WeakKeyDictionary[Context, tuple[Board, ...]] = WeakKeyDictionary()


def _boards_of(ctx: Context) -> tuple[Board, ...]:
    config: FloatingIpConfig = ctx.config
    if ctx not in _boards:
        _boards[ctx] = tuple(
            Board(provider=provider, entry=entry, allowance=Allowance(entry.calls_per_hour, WORLD.clock))
            for provider, entry in config.entries
        )
    return _boards[ctx]


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """Read `[plugins.floating_ip]` into this."""
    return FloatingIpConfig


@hookimpl
async def deadline(event: Event, ctx: Context) -> float:
    """A little more than the plugin gives itself."""
    config: FloatingIpConfig = ctx.config
    return config.patience + _MARGIN_SECONDS


@hookimpl
async def on_elected(event: Event, ctx: Context) -> None:
    """Get all addresses, side by side."""
    failed: list[str] = []
    async with asyncio.TaskGroup() as group:
        for board in _boards_of(ctx):
            board.term = event.term
            group.create_task(_take(board, ctx, event, failed), name=f"floating-ip-{board.address}")
    if failed:
        raise PluginError(ctx.name, "; ".join(failed))


async def _take(board: Board, ctx: Context, event: Event, failed: list[str]) -> None:
    try:
        await Keeper(board, ctx, event, WORLD).take()
    except Trouble as trouble:
        failed.append(f"{board.address}: {trouble}")


@hookimpl
async def on_reasserted(event: Event, ctx: Context) -> None:
    """Look at all addresses again, under the term of now; another leader may have moved them."""
    await on_elected(event, ctx)


@hookimpl
async def while_leader(event: Event, ctx: Context) -> None:
    """Go on looking, slowly."""
    async with asyncio.TaskGroup() as group:
        for board in _boards_of(ctx):
            group.create_task(Keeper(board, ctx, event, WORLD).keep(), name=f"floating-ip-{board.address}")


@hookimpl
async def on_demoted(event: Event, ctx: Context) -> None:
    """Call nothing any more. The address stays where it is: the next leader takes it, and a gap would help nobody."""
    for board in _boards_of(ctx):
        board.term = None
