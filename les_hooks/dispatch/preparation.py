"""What plugins make ready while the leader is silent: begun before anybody has lost it, outside of the lanes.

Imported by `dispatch` only.
"""

import asyncio
from collections.abc import Callable, Iterable

from structlog.typing import FilteringBoundLogger

from les_hooks.dispatch.calls import Caller, CallOutcome, Overtaken
from les_hooks.plugins import Implementation

__all__ = ["Preparation"]

# Each call bounds its own end; this is for what nobody thought of.
_END_SECONDS = 15.0


class Preparation:
    """Runs the `prepare` hooks of one silence at a time; `look` is called with each task that has ended."""

    def __init__(self, caller: Caller, log: FilteringBoundLogger, look: Callable[[asyncio.Task[None]], None]) -> None:
        self._caller = caller
        self._log = log
        self._look = look
        self._over: Overtaken | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> bool:
        """Whether it has begun, and is not over; its hooks may have ended by themselves."""
        return self._over is not None and not self._over.done()

    def begin(self, work: Iterable[tuple[Implementation, dict[str, object]]]) -> None:
        """Call these hooks, each with its arguments; returns at once."""
        over = self._over = asyncio.get_running_loop().create_future()
        for found, arguments in work:
            before = self._tasks.get(found.plugin)
            preparing = self._prepare(found, arguments, over, before)
            task = self._tasks[found.plugin] = asyncio.create_task(preparing, name=f"prepare-{found.plugin}")
            task.add_done_callback(self._look)

    def overtake(self) -> None:
        """Begin to end the hooks; returns at once, and may be called again."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def end(self) -> None:
        """End the hooks and wait for that, which is bounded."""
        self.overtake()
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks.values(), timeout=_END_SECONDS)
            for task in hanging:
                task.cancel()

    async def _prepare(
        self,
        found: Implementation,
        arguments: dict[str, object],
        over: Overtaken,
        before: "asyncio.Task[None] | None",
    ) -> None:
        if before is not None:
            await asyncio.wait({before})  # which was told to end, and so will
        if over.done():
            return
        result = await self._caller.call(found, arguments, None, over)
        if result.outcome not in (CallOutcome.SUCCESS, CallOutcome.SUPERSEDED):
            self._log.warning("prepare-failed", plugin=found.plugin, error=result.error)
