"""Where the audit trail is, told to the operational log from time to time. Imported by `node` only.

Whoever keeps that log elsewhere, as a forwarded journal does, can see from it that the end of the trail was cut off, or
that it was written anew: `les audit verify --against`.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Audit, Head
from les_hooks.audit.actions import CHECKPOINT

__all__ = ["Checkpoints"]

_EVERY_SECONDS: Final = 300.0
# Nobody waits for it, except the end of a node whose successor leads by then.
_DISK_SECONDS: Final = 2.0


class Checkpoints:
    """Tells the log the last record of the trail: at `start`, each five minutes, and when it `finish`es.

    A checkpoint is a promise that this record is there. So it is made only once that is on disk: after a power cut
    another record might have its number. `remember` is called with what was told.
    """

    def __init__(
        self,
        audit: Audit,
        *,
        remember: Callable[[Head], None],
        node: str,
        cluster: str,
        log: FilteringBoundLogger,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        self._audit = audit
        self._remember = remember
        self._log = log.bind(node=node, cluster=cluster)
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(), name="audit-checkpoints")

    async def finish(self) -> None:
        """Make the last one."""
        await self.close()
        await self._make()

    async def close(self) -> None:
        """Make no more of them; may be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _work(self) -> None:
        while True:
            await self._make()
            await asyncio.sleep(self._every_seconds)

    async def _make(self) -> None:
        head = self._audit.head
        self._audit.sync()
        if await self._audit.on_disk(_DISK_SECONDS) and head.seq:
            self._log.info(CHECKPOINT, seq=head.seq, hash=head.hash)
            self._remember(head)
