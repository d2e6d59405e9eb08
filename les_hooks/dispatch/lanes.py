"""The lanes of events: each strictly in order, and on the role lane the latest wins. Imported by `dispatch` only."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from les_hooks.dispatch.calls import CallOutcome, Overtaken
from les_hooks.events import Event, EventKind

__all__ = ["DROPPED", "Lane", "Turn"]

DROPPED = "dropped"
"""The outcome of an event for which there was no room, or no time before the end."""

# An event is small; this many waiting means that the hooks will not catch up.
_MOST_WAITING = 1000

# What a demotion overtakes: by the time they would run, they would speak of a leadership that is over.
_OVERTAKEN = frozenset({EventKind.ELECTED, EventKind.REASSERTED, EventKind.LEADER_CHANGED})

# News that may be lost. All else says what this node must do, comes once in a life, or waits for the hooks to end
# before there can be more of it.
_NEWS = frozenset({EventKind.LEADER_CHANGED, EventKind.MEMBER_JOINED, EventKind.MEMBER_LEFT, EventKind.MEMBER_LOST})


class Drop(Protocol):
    """Told of an event that will not be handled, and why."""

    def __call__(self, event: Event, outcome: str, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The time in which one event is dealt with. Who deals with it stops, and returns, once it is `overtaken`."""

    event: Event
    overtaken: Overtaken

    @property
    def over(self) -> bool:
        """Whether it has been overtaken."""
        return self.overtaken.done()

    def overtake(self) -> None:
        """End it; may be called again."""
        if not self.overtaken.done():
            self.overtaken.set_result(None)


class Lane:
    """One queue, and `work`, which deals with it one event at a time.

    A demotion overtakes by a flag and not by a cancellation: it may come from within the hooks' own handling, and
    nothing that was done must get lost on the way.
    """

    def __init__(self, handle: Callable[[Turn], Awaitable[None]], drop: Drop) -> None:
        self._handle = handle
        self._drop = drop
        self._waiting: deque[Event] = deque()
        self._present: Turn | None = None
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def put(self, event: Event) -> None:
        """Queue the event; a demotion first clears its way."""
        if event.kind is EventKind.DEMOTED:
            self._overtake()
        self.append(event)

    def append(self, event: Event) -> None:
        """Queue the event behind all others, which a demotion would overtake."""
        if self._closed or (event.kind in _NEWS and len(self._waiting) >= _MOST_WAITING):
            self._drop(event, DROPPED)
            return
        self._waiting.append(event)
        self._idle.clear()
        self._arrived.set()

    def _overtake(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for event in waiting:
            if event.kind in _OVERTAKEN:
                self._drop(event, CallOutcome.SUPERSEDED)
            else:
                self._waiting.append(event)
        if self._present is not None and self._present.event.kind in _OVERTAKEN:
            self._present.overtake()

    async def work(self) -> None:
        """Deal with events until `close`; where `handle` raises, that is the end too."""
        try:
            while not self._closed:
                await self._arrived.wait()
                while self._waiting:
                    await self._deal(self._waiting.popleft())
                self._arrived.clear()
                self._idle.set()
        finally:
            self.close()
            self._idle.set()

    async def _deal(self, event: Event) -> None:
        self._present = Turn(event=event, overtaken=asyncio.get_running_loop().create_future())
        try:
            await self._handle(self._present)
        finally:
            self._present = None

    def close(self) -> None:
        """Drop what waits, overtake what runs, and let `work` return."""
        self._closed = True
        for event in self._waiting:
            self._drop(event, DROPPED)
        self._waiting.clear()
        if self._present is not None:
            self._present.overtake()
        self._arrived.set()

    async def drained(self) -> None:
        """Wait until nothing is queued or running."""
        await self._idle.wait()

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or running."""
        return self._idle.is_set()

    @property
    def waiting(self) -> int:
        """How many events are queued, the present one included."""
        return len(self._waiting) + (self._present is not None)
