"""How a node leaves: demote, say goodbye, finish the hooks. Imported by `node`."""

import asyncio

from les_hooks.backends import Backend
from les_hooks.daemon.setup import LAST_RESORT_SECONDS
from les_hooks.dispatch import Dispatcher

__all__ = ["leave_in_order"]


async def leave_in_order(backend: Backend, dispatcher: Dispatcher, broke: asyncio.Event) -> bool:
    """Demote, say goodbye and finish the hooks; returns whether all of it was done before something `broke`.

    The hooks have the time that they asked for: each has a limit of its own, and nobody may lead meanwhile. Only a node
    whose lanes or election broke has nobody to wait for.
    """

    async def leave() -> bool:
        await backend.leave(LAST_RESORT_SECONDS)
        return await dispatcher.drained(LAST_RESORT_SECONDS)

    leaving, breaking = asyncio.create_task(leave()), asyncio.create_task(broke.wait())
    try:
        await asyncio.wait((leaving, breaking), return_when=asyncio.FIRST_COMPLETED)
        return not broke.is_set() and leaving.result()
    finally:
        leaving.cancel()
        breaking.cancel()
        await asyncio.wait((leaving, breaking))
