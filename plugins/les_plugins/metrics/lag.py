"""How late the event loop is: what holds it up holds heartbeats up, too. For `metrics` only."""

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["EVERY_SECONDS", "watch_loop"]

EVERY_SECONDS = 0.5
"""As often as a node beats: what holds the loop up for longer than this is seen, whenever it happens."""


async def watch_loop(
    late: Callable[[float], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Call `late` with the seconds by which each wait was too long, until it is cancelled.

    The clock stands still while the host sleeps, as that of the loop does.
    """
    while True:
        due = clock() + EVERY_SECONDS
        await sleep(EVERY_SECONDS)
        late(max(0.0, clock() - due))
