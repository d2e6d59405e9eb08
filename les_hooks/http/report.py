"""What a node tells of itself to pages and programs; implements `hookspecs.NodeReport`. For this package only."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from les_hooks.control import report
from les_hooks.daemon import Node
from les_hooks.events import Event

__all__ = ["Report"]

# Each answer asks every plugin; many who ask at once, again and again, are to cost as much as one.
_FRESH_SECONDS = 0.25


class Report:
    """Tells of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._asked_at = float("-inf")
        self._answer: asyncio.Task[Mapping[str, Any]] | None = None

    async def status(self) -> Mapping[str, Any]:
        """All of `les status`, at most a quarter of a second old."""
        now = self._loop.time()
        if self._answer is None or now - self._asked_at > _FRESH_SECONDS:
            self._asked_at = now
            self._answer = asyncio.create_task(report.status(self._node), name="http-status")
        return await asyncio.shield(self._answer)

    def history(self, since: float = 0.0) -> Sequence[Mapping[str, Any]]:
        """Who led, the oldest first."""
        return [asdict(row) for row in self._node.history.rows if row.until is None or row.until >= since]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """The last audit records."""
        return self._node.recorded.last

    def events(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """The events from now on, and those before with a number above `after`."""
        return self._node.story.listen(after=after)
