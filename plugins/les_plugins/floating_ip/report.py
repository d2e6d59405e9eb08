"""What the plugin says to the operator: status, checks, plans. It changes nothing. Private to `floating_ip`."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence

from les_hooks.events import EventKind
from les_hooks.hookspecs import Context
from les_hooks.text import printable
from les_plugins.floating_ip.board import Board
from les_plugins.floating_ip.providers import Holder, Provider, Standing
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.floating_ip.world import World

__all__ = ["look_at_all", "plan", "summary"]

_WORDS = {
    Standing.MINE: "here",
    Standing.ANOTHER: "at another",
    Standing.NOBODY: "at nobody",
    Standing.UNKNOWN: "not known",
}


def summary(boards: Sequence[Board]) -> str:
    """One line for `les status`."""
    if len(boards) == 1:
        (board,) = boards
        said = f"{board.address} {_WORDS[board.holder.standing]}"
        return printable(f"{said}, {board.error}" if board.error else said)
    counts = Counter(board.holder.standing for board in boards)
    words = [f"{len(boards)} addresses", *(f"{count} {_WORDS[standing]}" for standing, count in sorted(counts.items()))]
    troubled = sum(bool(board.error) for board in boards)
    return ", ".join([*words, *([f"{troubled} in trouble"] if troubled else [])])


async def _look(board: Board, reader: Provider, world: World) -> Holder:
    """Look once who holds it, and note that. Raises Trouble, which is noted too."""
    try:
        holder = await reader.holder()
    except Trouble as trouble:
        board.failed(trouble, world.wall())
        raise
    board.saw(holder, world.wall())
    return holder


async def look_at_all(boards: Sequence[Board], ctx: Context, world: World) -> list[Mapping[str, object]]:
    """Look at all of them now; each row has what a leader would call too."""
    return await asyncio.gather(*(_look_and_tell(board, ctx, world) for board in boards))


async def _look_and_tell(board: Board, ctx: Context, world: World) -> Mapping[str, object]:
    call, reader = None, _reader(board, ctx, world)
    with contextlib.suppress(Trouble):  # it is on the board
        call = str(await reader.describe(await _look(board, reader, world)))
    return {**board.shown, "call": call}


async def plan(kind: EventKind, boards: Sequence[Board], ctx: Context, world: World) -> Sequence[str]:
    """What the plugin would do with each address on an event of this kind."""
    match kind:
        case EventKind.ELECTED | EventKind.REASSERTED:
            return await asyncio.gather(*(_plan(board, ctx, world) for board in boards))
        case EventKind.DEMOTED:
            return [f"leave {board.address} where it is, for the next leader to take" for board in boards]
        case _:
            return ()


async def _plan(board: Board, ctx: Context, world: World) -> str:
    reader = _reader(board, ctx, world)
    try:
        # What was seen before may be long ago, and for some the call depends on it.
        call = str(await reader.describe(await _look(board, reader, world)))
    except Trouble as trouble:
        call = f"by a call that is not known now ({trouble})"
    return printable(f"have {board.provider} deliver {board.address} here, unless it does: {call}")


def _reader(board: Board, ctx: Context, world: World) -> Provider:
    return board.provider_for(ctx, world, _refuse, None)


def _refuse() -> None:
    raise Trouble(Fault.LOST_AUTHORITY, "this is only a look")
