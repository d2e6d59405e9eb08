"""Who else wants to hear of events besides the hooks: `les watch`, library users. Imported by `daemon` and above."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from les_hooks.events import Event

__all__ = ["Story"]

# A listener that is this far behind is not listening.
_MOST_UNHEARD = 1000


class Story:
    """Passes each event to every listener; a slow listener loses its oldest ones and delays nobody."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._told: deque[Event] = deque(maxlen=_MOST_UNHEARD // 2)
        self._over = False

    def tell(self, event: Event) -> None:
        """Pass on an event."""
        self._told.append(event)
        for listener in self._listeners:
            _put(listener, event)

    def end(self) -> None:
        """There will be no more events."""
        self._over = True
        for listener in self._listeners:
            _put(listener, None)

    def listen(self, *, from_start: bool = False) -> AsyncIterator[Event]:
        """The events from this call on until the node has stopped; `from_start` those before as well."""
        mine: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_UNHEARD)
        for event in self._told if from_start else ():
            mine.put_nowait(event)
        if self._over:
            mine.put_nowait(None)
        self._listeners.add(mine)
        return self._hear(mine)

    async def _hear(self, mine: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        try:
            while (event := await mine.get()) is not None:
                yield event
        finally:
            self._listeners.discard(mine)


def _put(listener: asyncio.Queue[Event | None], event: Event | None) -> None:
    if listener.full():
        listener.get_nowait()
    listener.put_nowait(event)
