"""The operator's moves, as the daemon makes them: step down, hand over, stand aside; and plans. For `requests`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from les_hooks.control import report
from les_hooks.control.moves import Maintain, StepDown, Transfer, any_move, read
from les_hooks.control.plan import plan, succession_after
from les_hooks.control.server import Caller
from les_hooks.control.succession import first, who
from les_hooks.control.target import find_target
from les_hooks.daemon import Node
from les_hooks.daemon.clock import boottime
from les_hooks.election.roles import Role
from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Member

__all__ = ["Operator"]


class Operator:
    """The handlers over one node. A dry run is a question and leaves no record: it changes nothing."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def plan(self, arguments: Mapping[str, Any], _caller: Caller) -> object:
        """What a move would do."""
        return await plan(self._node, any_move(arguments))

    async def step_down(self, arguments: Mapping[str, Any], _caller: Caller) -> object:
        """Give up leadership, and say who is next in line."""
        move = read(StepDown, arguments)
        following = first(succession_after(self._node, move))
        self._node.step_down(Reason.OPERATOR, move.note)
        return {**_next(following), "hold": self._node.config.timing.hold}

    async def maintenance(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        """Until when and why this node is in maintenance."""
        return report.maintenance(self._node)

    async def maintain(self, arguments: Mapping[str, Any], caller: Caller) -> object:
        """Be unfit for a while; who leads gives it up first."""
        node, move = self._node, read(Maintain, arguments)
        following, leading = first(succession_after(node, move)), self._leads()
        node.maintain(move.seconds, move.note, caller.uid)
        return {**report.maintenance(node), "moves": leading, **_next(following if leading else self._leader())}

    async def end_maintenance(self, _arguments: Mapping[str, Any], _caller: Caller) -> object:
        """Be as fit again as the checks say."""
        return {"changed": self._node.end_maintenance(), **report.maintenance(self._node)}

    async def transfer(self, arguments: Mapping[str, Any], _caller: Caller) -> object:
        """Hand leadership over, wait until somebody leads, and say who."""
        node, move = self._node, read(Transfer, arguments)
        target = find_target(node, move.target)
        begun, term = boottime(), self._term()
        # Listening comes first: nothing that the transfer leads to is to be missed.
        async with contextlib.aclosing(node.story.listen()) as events:
            node.transfer(target.address)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(move.timeout):
                    await _next_leadership(events)
        leader = self._leader()
        moved = leader is not None and leader.address == target.address
        pending = leader is None and not node.stopping
        why = self._why_pending() if pending else "" if moved else self._why_lost(target, leader, move.timeout, term)
        return {
            "target": target.address,
            "target_name": target.name,
            "leader": leader.address if leader is not None else None,
            "leader_name": leader.name if leader is not None else None,
            "moved": moved,
            "pending": pending,
            "seconds": round(boottime() - begun, 3),
            "why": why,
        }

    @staticmethod
    def failed(answer: Any) -> str:
        """Why a transfer went otherwise than asked, by its answer; empty where it did not, or still goes on."""
        return "" if answer["pending"] else str(answer["why"])

    def _leads(self) -> bool:
        return self._node.view is not None and self._node.view.leading

    def _leader(self) -> Member | None:
        view = self._node.view
        return next((m for m in view.members if m.address == view.leader), None) if view is not None else None

    def _term(self) -> int:
        return self._node.view.term if self._node.view is not None else 0

    def _why_lost(self, target: Member, leader: Member | None, timeout: float, term: int) -> str:
        own = self._node.config.node.advertise
        if leader is not None and leader.address != own:
            return f"{who(target)} has not taken it; {who(leader)} leads instead"
        if leader is not None and self._term() == term:
            return f"not within {timeout:g} s: this node still leads; `les status` warns of what is in the way"
        if leader is not None:
            return f"{who(target)} has not taken it; this node leads again"
        return "this node stops"

    def _why_pending(self) -> str:
        own, members = self._node.config.node.advertise, self._node.view.members if self._node.view is not None else ()
        role = next((m.role for m in members if m.address == own), "")
        return "the demote hooks of this node still run" if role == Role.DEMOTING else "nobody leads yet"


async def _next_leadership(events: AsyncIterator[Event]) -> None:
    """Wait until this node has given up leadership, and somebody, perhaps itself, has it."""
    demoted = False
    async for event in events:
        demoted = demoted or event.kind is EventKind.DEMOTED
        if demoted and event.leader is not None:
            return


def _next(member: Member | None) -> Mapping[str, object]:
    return {"next": None if member is None else member.address, "next_name": None if member is None else member.name}
