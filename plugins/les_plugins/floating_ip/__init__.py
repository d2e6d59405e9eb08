"""The bundled plugin `floating_ip`: has a cloud deliver an address to the node that leads.

Loaded through its entry point; nothing imports it.

    settings   what `[plugins.floating_ip]` can hold; entries: what the tables of addresses have in common
    keeper     one address during one leadership: look, ask for it, wait, look again
    board      what is known of one address; report: what is said of it
    providers  one module for each cloud, and the protocol that they share
    http       one call: bounded, counted, and not sent by who leads no more
    tokens, ownid, allowance, trouble, world, commands

`docs/floating-ip.md` tells users of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import click
import msgspec

from les_hooks.errors import PluginError
from les_hooks.events import Event, EventKind
from les_hooks.hookspecs import Context, Note, hookimpl
from les_hooks.text import plain, printable
from les_plugins.floating_ip import commands as command_line
from les_plugins.floating_ip import report
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.board import Board
from les_plugins.floating_ip.keeper import Keeper
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Trouble
from les_plugins.floating_ip.world import World

__all__ = ["FloatingIpConfig"]

WORLD = World()

# On top of `patience`, for a program to be ended: the plugin says itself what it did not get, and the dispatcher only
# guards against bugs.
_MARGIN_SECONDS = 10.0

# By context and not in one variable: a process may hold several nodes.
_boards: WeakKeyDictionary[Context, tuple[Board, ...]] = WeakKeyDictionary()


def _boards_of(ctx: Context) -> tuple[Board, ...]:
    config: FloatingIpConfig = ctx.config
    found = _boards.get(ctx)
    if found is not None:
        return found
    made = tuple(
        Board(provider=provider, entry=entry, allowance=Allowance(entry.calls_per_hour, WORLD.clock))
        for provider, entry in config.entries
    )
    # In one step: `status` and `validate` run in threads.
    return _boards.setdefault(ctx, made)


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
        board.ended()


@hookimpl
async def on_started(event: Event, ctx: Context) -> None:
    """Look once, on followers too: what keeps this node from taking an address should be known before it has to."""
    boards = [board for board in _boards_of(ctx) if board.term is None]
    await report.look_at_all(boards, ctx, WORLD)
    if failed := [f"{board.address}: {board.error}" for board in boards if board.error]:
        raise PluginError(ctx.name, "; ".join(failed))


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """Complain about tokens and programs; nobody is asked."""
    config: FloatingIpConfig = ctx.config
    complaints = [
        type(problem)(f"{entry.address}: {problem}")  # which may be a Note
        for _, entry in config.entries
        for problem in entry.problems(WORLD.environ)
    ]
    complaints += [
        f"{entry.address}: cannot start {program}: {why}"
        for _, entry in config.entries
        for program in entry.programs
        if (why := ctx.barred(program))
    ]
    if not _boards_of(ctx):
        complaints.append("no address is named; add [[plugins.floating_ip.digitalocean]] or another provider's table")
    return [Note(printable(each)) if isinstance(each, Note) else printable(each) for each in complaints]


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """Tell who was seen with each address."""
    boards = _boards_of(ctx)
    return {"summary": report.summary(boards), "addresses": [board.shown for board in boards]}


@hookimpl
async def plan(kind: EventKind, ctx: Context) -> Sequence[str]:
    """What would be called for each address."""
    return await report.plan(kind, _boards_of(ctx), ctx, WORLD)


@hookimpl
def commands(cli: click.Group) -> None:
    """Add `les floating-ip`."""
    command_line.add(cli)


@hookimpl
async def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """`status`: what is known. `check`: look at all addresses now, and tell what a leader would call."""
    match action:
        case "status":
            return [board.shown for board in _boards_of(ctx)]
        case "check":
            return await report.look_at_all(_boards_of(ctx), ctx, WORLD)
        case _:
            raise PluginError(ctx.name, f"knows the actions status and check, not {plain(action)!r}")
