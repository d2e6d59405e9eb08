"""Tasks that belong to somebody: none is forgotten, and a bug in one is heard of. For this package only."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from les_hooks.failures import report_failure

__all__ = ["Tasks"]


class Tasks:
    """The running tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the work until it ends or is cancelled; what it raises goes to the loop's exception handler."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def cancel(self) -> None:
        """End all of them, and wait until they have."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            report_failure("the backend", error)
