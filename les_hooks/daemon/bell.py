"""Waking everybody who waits for something to change. Imported by `node` only."""

import asyncio

__all__ = ["Bell"]


class Bell:
    """Rings any number of times; who waits hears the next ring."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake those that wait at this moment."""
        self._event.set()
        self._event.clear()

    async def wait(self) -> None:
        """Wait for the next ring."""
        await self._event.wait()
