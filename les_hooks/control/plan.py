"""What a move would do, told without doing it: who would lead, in what order, which hooks. For this package only."""

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

_SCRIPTS: Final = "scripts"
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
    """What this node would call, in the order of the calls; scripts one by one, if they can be had."""
    scripts = await _scripts(node)
    found: list[Mapping[str, Any]] = []
    for kind in _HERE:
        for implementation in node.registry.implementations(kind.hook):
            name = implementation.plugin
            paths = [None] if name != _SCRIPTS or scripts is None else _paths(scripts, kind)
            found += [{"event": kind, "plugin": name, "script": path} for path in paths]
    return found


async def _scripts(node: Node) -> Any:
    """All of `hooks.d`; None where that cannot be had, so that the plugin is told as one."""
    if _SCRIPTS not in node.registry.loaded:
        return None
    timeout = node.plugins.settings[_SCRIPTS].timeout
    result = await node.dispatcher.ask(_SCRIPTS, "control", timeout, action="list", arguments={})
    return None if result is None or result.error else result.value


def _paths(scripts: Any, kind: EventKind) -> list[str | None]:
    # Work that lasts is no event: what runs on every event does not run on this one.
    events = (kind,) if kind is EventKind.WHILE_LEADER else (None, kind)
    return [printable(one["path"]) for one in scripts if one["verdict"] == "runs" and one["event"] in events]
