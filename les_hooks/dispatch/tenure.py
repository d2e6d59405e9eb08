"""Work that lasts as long as a leadership: begun after `elected`, kept running, ended before `demoted`."""

import asyncio
from collections.abc import Callable, Iterable

from structlog.typing import FilteringBoundLogger

from les_hooks.backoff import Backoff
from les_hooks.dispatch.calls import Caller, CallOutcome, CallResult, Overtaken
from les_hooks.dispatch.context import Authority, Recorder, may_act
from les_hooks.events import Event, EventKind
from les_hooks.guard import Tie
from les_hooks.plugins import Implementation

__all__ = ["Tenure"]

# Each call bounds its own end; this is for what nobody thought of.
_END_SECONDS = 15.0


class Tenure:
    """Runs the `while_leader` hooks of one leadership at a time; `look` is called with each task that has ended."""

    def __init__(
        self,
        caller: Caller,
        log: FilteringBoundLogger,
        record: Recorder,
        authority: Authority,
        look: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self.running = 0
        self._caller = caller
        self._log = log
        self._record = record
        self._authority = authority
        self._look = look
        self._over: Overtaken | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Iterable[tuple[Implementation, dict[str, object]]], event: Event) -> None:
        """Keep this work running from now on; each is a hook and its arguments."""
        over = self._over = asyncio.get_running_loop().create_future()
        for found, arguments in work:
            keeping = self._keep(found, arguments, event, over)
            task = asyncio.create_task(keeping, name=f"while-leader-{found.plugin}")
            task.add_done_callback(self._look)
            self._tasks.add(task)

    def overtake(self) -> None:
        """Begin to end all work; returns at once."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def end(self) -> None:
        """End all work and wait for its end, which is bounded."""
        self.overtake()
        tasks, self._tasks = self._tasks, set()
        if not tasks:
            return
        _, hanging = await asyncio.wait(tasks, timeout=_END_SECONDS)
        for task in hanging:
            task.cancel()

    async def _keep(self, found: Implementation, arguments: dict[str, object], event: Event, over: Overtaken) -> None:
        backoff = Backoff()
        attempt = 0
        while not over.done():
            ran = 0.0
            if await may_act(self._authority, over):
                attempt += 1
                self.running += 1
                try:
                    result = await self._caller.call(found, arguments, None, over, tie=Tie.AUTHORITY)
                finally:
                    self.running -= 1
                self._finish(found, event, attempt, result)
                ran = result.seconds
            await asyncio.wait({over}, timeout=backoff.after(ran))

    def _finish(self, found: Implementation, event: Event, attempt: int, result: CallResult) -> None:
        fields = {"plugin": found.plugin, "event_id": event.id, "term": event.term}
        self._record(
            "hook.finished",
            result.outcome,
            **fields,
            event=EventKind.WHILE_LEADER,
            attempt=attempt,
            duration_ms=round(result.seconds * 1000, 3),
            reason=result.error or None,
        )
        if result.outcome is not CallOutcome.SUPERSEDED:
            self._log.warning("work-ended", **fields, attempt=attempt, error=result.error)
