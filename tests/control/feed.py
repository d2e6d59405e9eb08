"""A source of items for the streams that these tests watch: a small double of the daemon's story."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from les_hooks.errors import ControlError

__all__ = ["Feed"]

_CAPACITY: Final = 256


class Feed:
    """Passes on what is published to everybody who listens at that moment; for use in one event loop.

    Publishing never waits: a listener whose queue is full is dropped, and told so.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._queues: set[asyncio.Queue[object]] = set()

    def publish(self, item: object) -> None:
        """Hand the item to every listener."""
        for queue in list(self._queues):
            if queue.qsize() < self._capacity:
                queue.put_nowait(item)
            else:
                self._queues.remove(queue)

    async def listen(self) -> AsyncGenerator[object, None]:
        """Yield what is published from the first step on. Raises ControlError when this listener was too slow."""
        queue: asyncio.Queue[object] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while queue in self._queues or not queue.empty():
                yield await queue.get()
            raise ControlError(f"too slow: more than {self._capacity} lines were waiting; ask again")
        finally:
            self._queues.discard(queue)
