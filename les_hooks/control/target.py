"""Whether leadership can be moved from here, and to whom: every refusal in words. For this package only."""

from typing import Final

from les_hooks.control.succession import NEVER_LEADS, who, why_passed_over
from les_hooks.daemon import Node
from les_hooks.errors import ControlError
from les_hooks.members import Member, MemberKind
from les_hooks.text import printable

__all__ = ["NOT_LEADER", "find_target", "must_be_electable", "must_lead"]

NOT_LEADER: Final = 3
"""The exit code of a ControlError where only a leader can do what was asked."""


def must_lead(node: Node) -> None:
    """Raise ControlError, with who leads, where this node does not."""
    view = node.view
    if view is not None and view.leading:
        return
    leading = next((m for m in view.members if m.address == view.leader), None) if view is not None else None
    there = f"{who(leading)} does; run it there" if leading is not None else "nobody does at present"
    raise ControlError(f"this node does not lead, {there}", NOT_LEADER)


def must_be_electable(node: Node) -> None:
    """Raise ControlError where this node never leads anyway."""
    why = NEVER_LEADS.get(node.config.cluster.role)
    if why is not None:
        raise ControlError(f"{why}, so that maintenance would keep it from nothing; to take it out, stop its daemon")


def find_target(node: Node, wanted: str) -> Member:
    """The member of this name or address, if leadership can be handed to it. Raises ControlError with why not."""
    must_lead(node)
    target = _named(node, wanted)
    if target.address == node.config.node.advertise:
        raise ControlError(f"{who(target)} is this node, and it leads already")
    if target.kind is MemberKind.ORIGINAL:
        raise ControlError(f"{who(target)} is an original: it cannot take a stamp, and leads only by its own seniority")
    reason = why_passed_over(target, node.config.cluster.quorum)
    if reason:
        raise ControlError(f"{who(target)} cannot lead: {reason}")
    if not target.direct:
        raise ControlError(f"there is no direct link to {who(target)}, so it cannot be offered anything")
    return target


def _named(node: Node, wanted: str) -> Member:
    members = node.view.members if node.view is not None else ()
    by_address = [m for m in members if m.address == wanted]
    found = by_address or [m for m in members if m.name and m.name == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise ControlError(f"several are called {printable(wanted)}: {_listed(found)}; give the address instead")
    raise ControlError(f"there is no member {printable(wanted)}; the members are {_listed(members)}")


def _listed(members: tuple[Member, ...] | list[Member]) -> str:
    return ", ".join(who(member) for member in members)
