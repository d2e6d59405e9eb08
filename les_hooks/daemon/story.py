"""Who else wants to hear of events besides the hooks: `les watch`, library users. Imported by `daemon` and above."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from les_hooks.errors import ControlError
from les_hooks.events import Event

__all__ = ["Story"]

# A listener that is this far behind is not listening.
_MOST_UNHEARD = 1000


class Story:
    """Passes each event to every listener, and waits for none: one that is too slow is dropped, and told so."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._told: deque[Event] = deque(maxlen=_MOST_UNHEARD // 2)
        self._over = False

    def tell(self, event: Event) -> None:
        """Pass on an event."""
        self._told.append(event)
        for listener in list(self._listeners):
            if listener.qsize() < _MOST_UNHEARD:
                listener.put_nowait(event)
            else:
                self._listeners.remove(listener)

    def end(self) -> None:
        """There will be no more events."""
        self._over = True
        for listener in self._listeners:
            listener.put_nowait(None)

    def listen(self, *, after: int | None = None) -> AsyncGenerator[Event, None]:
        """The events from this call on until the node has stopped, and before them those of a number above `after`.

        Raises ControlError where the listener was too slow.
        """
        mine: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in self._told:
            if after is not None and event.seq > after:
                mine.put_nowait(event)
        if self._over:
            mine.put_nowait(None)
        self._listeners.add(mine)
        return self._hear(mine)

    async def _hear(self, mine: asyncio.Queue[Event | None]) -> AsyncGenerator[Event, None]:
        try:
            while mine in self._listeners or not mine.empty():
                event = await mine.get()
                if event is None:
                    return
                yield event
            raise ControlError(f"too slow: more than {_MOST_UNHEARD} events were waiting; listen again")
        finally:
            self._listeners.discard(mine)
