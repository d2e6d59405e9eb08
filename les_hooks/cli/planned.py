"""What a move would do, shown: the answer to `--dry-run`. For `moves`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from les_hooks.cli.output import Cell, fields, say

__all__ = ["show_plan", "who"]

_ENDED: Final = "while-leader"


def who(name: str | None, address: str | None) -> str:
    """A member as people read it; `nobody` where there is none."""
    if address is None:
        return "nobody"
    return f"{name} ({address})" if name else address


def show_plan(plan: Mapping[str, Any]) -> None:
    """Print the plan for people."""
    following = who(plan["next_name"], plan["next"])
    able = [place for place in plan["succession"] if not place["why"]]
    fields(
        [
            ("leads now", who(plan["leader_name"], plan["leader"])),
            ("would lead", Cell(following, "green" if plan["next"] else "yellow")),
            *_numbered("then", [who(place["name"], place["address"]) for place in able[1:]]),
            *_numbered(
                "passed over",
                [
                    f"{who(place['name'], place['address'])}: {place['why']}"
                    for place in plan["succession"]
                    if place["why"]
                ],
            ),
            *_numbered("here", [_hook(hook) for hook in plan["here"]]),
            ("there", _there(plan, following)),
        ],
        wrap=True,
    )
    say("nothing has been done", "dim")


def _numbered(label: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """The lines under one label."""
    return [(label if i == 0 else "", line) for i, line in enumerate(lines)]


def _hook(hook: Mapping[str, Any]) -> str:
    event, plugin, step = hook["event"], hook["plugin"], hook["step"]
    if step is not None:
        return f"{event}: {step} (plugin {plugin})"
    return f"{event}: plugin {plugin} would {'be ended' if event == _ENDED else 'run'}"


def _there(plan: Mapping[str, Any], following: str) -> str:
    if not plan["moves"] or plan["next"] is None:
        return ""
    return f"the elected hooks of {following}, which only its own `les hooks list` knows"
