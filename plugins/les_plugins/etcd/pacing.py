"""Waiting for a time or for news, whichever comes first. Private to `etcd`."""

import asyncio
import contextlib

__all__ = ["Alarm"]


class Alarm:
    """Wakes one task."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """There is news; who does not wait now will not wait next time."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
