"""The lanes of events: each strictly in order, and on the role lane the latest wins. Imported by `dispatch` only."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from les_hooks.events import Event, EventKind

__all__ = ["Lane"]

# A membership event is small; this many waiting means that the scripts will not catch up.
_MOST_WAITING = 1000

# What a demotion overtakes: by the time they would run, they would speak of a leadership that is over.
_OVERTAKEN = frozenset({EventKind.ELECTED, EventKind.REASSERTED, EventKind.LEADER_CHANGED})


class Drop(Protocol):
    """Told of an event that will not be handled, and why."""

    def __call__(self, event: Event, outcome: str) -> None: ...


class Lane:
    """One queue and the task that works it off, one event at a time.

    `handle` deals with an event; it is cancelled when a demotion overtakes it, and must return then.
    """

    def __init__(self, handle: Callable[[Event], Awaitable[None]], drop: Drop) -> None:
        self._handle = handle
        self._drop = drop
        self._waiting: deque[Event] = deque()
        self._present: tuple[Event, asyncio.Future[None]] | None = None
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, event: Event) -> None:
        """Queue the event; a demotion first clears its way."""
        if event.kind is EventKind.DEMOTED:
            self._overtake()
        elif len(self._waiting) >= _MOST_WAITING:
            self._drop(event, "dropped")
            return
        self._waiting.append(event)
        self._idle.clear()
        self._arrived.set()

    def _overtake(self) -> None:
        stale = [event for event in self._waiting if event.kind in _OVERTAKEN]
        for event in stale:
            self._waiting.remove(event)
            self._drop(event, "superseded")
        if self._present is not None and self._present[0].kind in _OVERTAKEN:
            self._present[1].cancel()

    async def work(self) -> None:
        """Deal with events until cancelled."""
        while True:
            await self._arrived.wait()
            while self._waiting:
                event = self._waiting.popleft()
                task = asyncio.ensure_future(self._handle(event))
                self._present = event, task
                try:
                    await asyncio.wait({task})
                finally:
                    self._present = None
                    task.cancel()
                if task.cancelled():
                    self._drop(event, "superseded")  # before it had begun
                else:
                    task.result()
            self._arrived.clear()
            self._idle.set()

    async def drained(self) -> None:
        """Wait until nothing is queued or running."""
        await self._idle.wait()

    @property
    def waiting(self) -> int:
        """How many events are queued, the present one included."""
        return len(self._waiting) + (self._present is not None)
