"""Work that lasts as long as a leadership: begun after `elected`, kept running, ended before `demoted`."""

import asyncio
import contextlib

from structlog.typing import FilteringBoundLogger

from les_hooks.backoff import Backoff
from les_hooks.dispatch.calls import Caller, CallOutcome
from les_hooks.dispatch.context import Authority, Recorder
from les_hooks.events import Event, EventKind
from les_hooks.failures import watch_over
from les_hooks.plugins import Implementation

__all__ = ["Tenure"]

_A_YEAR_SECONDS = 365 * 86400.0


class Tenure:
    """Runs the `while_leader` hooks of one leadership at a time."""

    def __init__(self, caller: Caller, log: FilteringBoundLogger, record: Recorder, authority: Authority) -> None:
        self._caller = caller
        self._log = log
        self._record = record
        self._authority = authority
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, found: Implementation, arguments: dict[str, object], event: Event) -> None:
        """Keep one plugin's work running from now on."""
        task = asyncio.create_task(self._keep(found, arguments, event), name=f"while-leader-{found.plugin}")
        watch_over(task, task.get_name())
        self._tasks.add(task)

    async def end(self) -> None:
        """End all work and wait for its end, which each call bounds."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        while pending := [task for task in tasks if not task.done()]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(pending)

    async def _keep(self, found: Implementation, arguments: dict[str, object], event: Event) -> None:
        backoff = Backoff()
        attempt = 0
        while await self._authority.confirmed():
            attempt += 1
            result = await self._caller.call(found, arguments, _A_YEAR_SECONDS)
            self._record(
                "hook.finished",
                result.outcome,
                plugin=found.plugin,
                event=EventKind.WHILE_LEADER,
                event_id=event.id,
                term=event.term,
                attempt=attempt,
                duration_ms=round(result.seconds * 1000, 3),
                reason=result.error,
            )
            if result.outcome is CallOutcome.SUPERSEDED:
                return
            wait = backoff.after(result.seconds)
            self._log.warning("work-ended", plugin=found.plugin, error=result.error, again_in_seconds=wait)
            await asyncio.sleep(wait)
