"""What a move would do, told without doing it: who would lead, in what order, which hooks. For this package only."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from les_hooks.control import report
from les_hooks.control.moves import Maintain, Move, StepDown, Transfer
from les_hooks.control.succession import Place, first, line
from les_hooks.control.target import find_target, must_be_electable, must_lead
from les_hooks.daemon import Node
from les_hooks.events import EventKind
from les_hooks.text import printable

__all__ = ["plan", "succession_after"]

# A question at a terminal, which one plugin must neither delay nor flood.
_PLAN_SECONDS: Final = 2.0
_MOST_STEPS: Final = 200
_LONGEST_STEP: Final = 500

# In the order in which they come: the leader's work ends, and the news of a leader is last.
_HERE: Final = (EventKind.WHILE_LEADER, EventKind.DEMOTED, EventKind.LEADER_CHANGED)


def succession_after(node: Node, move: Move) -> list[Place]:
    """The line of succession once the move is made. Raises ControlError where it cannot be."""
    view, own = node.view, node.config.node.advertise
    members = view.members if view is not None else ()
    quorum = node.config.cluster.quorum
    match move:
        case StepDown():
            must_lead(node)
            return line(members, quorum, without={own: f"steps down, and is unfit for {node.config.timing.hold:g} s"})
        case Maintain():
            must_be_electable(node)
            return line(members, quorum, without={own: "goes into maintenance"})
        case Transfer(target=wanted):
            target = find_target(node, wanted)
            chosen = [m for m in members if m.address == target.address]
            rest = [m for m in members if m.address not in (target.address, own)]
            # It takes a fresh stamp, and so is the most junior.
            mine = [m for m in members if m.address == own]
            return line([*chosen, *rest, *mine], quorum)


async def plan(node: Node, move: Move) -> Mapping[str, Any]:
    """What the move would do, as the object of `docs/cli.md`. Raises ControlError where it cannot be made."""
    places = succession_after(node, move)
    moves_leader = node.view is not None and node.view.leading
    following = first(places)
    standing = report.leadership(node)
    return {
        "move": move.__struct_config__.tag,
        "leader": standing["leader"],
        "leader_name": standing["leader_name"],
        "moves": moves_leader,
        "next": (following.address if following else None) if moves_leader else standing["leader"],
        "next_name": (following.name if following else None) if moves_leader else standing["leader_name"],
        "succession": report.succession(places),
        "here": await _hooks_here(node) if moves_leader else [],
    }


async def _hooks_here(node: Node) -> Sequence[Mapping[str, Any]]:
    """What this node would call, in the order of the calls, step by step where a plugin tells its steps."""
    calls = [(kind, found.plugin) for kind in _HERE for found in node.registry.calls(kind)]
    told = await asyncio.gather(*(_steps(node, kind, plugin) for kind, plugin in calls))
    return [
        {"event": kind, "plugin": plugin, "step": step}
        for (kind, plugin), steps in zip(calls, told, strict=True)
        for step in steps
    ]


async def _steps(node: Node, kind: EventKind, plugin: str) -> Sequence[str | None]:
    """What the plugin says that it would do, a line each; None alone where it cannot say."""
    result = await node.dispatcher.ask(plugin, "plan", _PLAN_SECONDS, kind=kind)
    if result is None or result.error or not isinstance(result.value, list | tuple):
        return [None]
    steps = [printable(str(step)[:_LONGEST_STEP]) for step in result.value[:_MOST_STEPS]]
    left = len(result.value) - len(steps)
    return [*steps, f"and {left} more"] if left else steps
