"""The dispatcher: takes events, walks the hooks of each in order, and keeps a record of every call."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from les_hooks.dispatch.calls import Caller, CallOutcome, CallResult
from les_hooks.dispatch.context import Authority, PluginContext, Recorder
from les_hooks.dispatch.lanes import Lane
from les_hooks.dispatch.tenure import Tenure
from les_hooks.events import Event, EventKind
from les_hooks.events import Lane as LaneName
from les_hooks.failures import watch_over
from les_hooks.plugins import Implementation, Registry

__all__ = ["Dispatcher", "PluginSettings"]

# What a plugin may take to say how long it needs.
_DEADLINE_SECONDS = 1.0

_NEEDS_AUTHORITY = frozenset({EventKind.ELECTED, EventKind.REASSERTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSettings:
    """The common keys of a plugin's table: `timeout` of one hook call in seconds, and whether its failure is fatal."""

    timeout: float
    critical: bool


class Dispatcher:
    """Runs hooks for events, in two lanes. `start`, then `submit`; `close` ends what still runs.

    `on_released` is called when the work of a `demoted` event has ended, and `on_critical` with the name of a plugin
    marked critical whose `on_elected` did not succeed.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        authority: Authority,
        record: Recorder,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        on_released: Callable[[Event], None],
        on_critical: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._record = record
        self._log = log
        self._clock = clock
        self._on_released = on_released
        self._on_critical = on_critical
        self._caller = Caller(clock)
        self._contexts: Mapping[str, PluginContext] = {}
        self._settings: Mapping[str, PluginSettings] = {}
        self._lanes = {name: Lane(self._handle, self._drop) for name in LaneName}
        self._tenure = Tenure(self._caller, log, record, authority)
        self._workers: list[asyncio.Task[None]] = []

    def configure(self, contexts: Mapping[str, PluginContext], settings: Mapping[str, PluginSettings]) -> None:
        """Take the contexts and settings of the loaded plugins, by name; calls that run keep theirs."""
        self._contexts, self._settings = contexts, settings

    def start(self) -> None:
        """Begin to work the lanes off."""
        self._workers = [asyncio.create_task(lane.work(), name=f"lane-{name}") for name, lane in self._lanes.items()]
        for worker in self._workers:
            watch_over(worker, worker.get_name())

    def submit(self, event: Event) -> None:
        """Queue the event in its lane; returns at once."""
        self._lanes[event.kind.lane].put(event)

    async def drained(self, timeout: float) -> bool:
        """Wait until both lanes are empty, at most `timeout` seconds; returns whether they are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for lane in self._lanes.values():
                    await lane.drained()
                return True
        return False

    async def close(self) -> None:
        """End the work that lasts and whatever is still running."""
        await self._tenure.end()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many events wait in each lane, for `les status`."""
        return {str(name): lane.waiting for name, lane in self._lanes.items()}

    async def ask(self, plugin: str, hook: str, timeout: float, **offered: object) -> CallResult | None:
        """Call one hook of one plugin outside the lanes (`status`, `control`, `cleanup`); None where it has none."""
        found = self._registry.implementation(plugin, hook)
        if found is None:
            return None
        return await self._caller.call(found, found.bind(ctx=self._contexts[plugin], **offered), timeout)

    # -- one event -----------------------------------------------------------------------------------------------------

    async def _handle(self, event: Event) -> None:
        if event.kind is EventKind.DEMOTED:
            await self._tenure.end()
        superseded = False
        for found in self._registry.implementations(event.kind.hook):
            if superseded:
                self._finish(event, found, CallResult(outcome=CallOutcome.SUPERSEDED, seconds=0.0))
                continue
            result = await self._call(event, found)
            self._finish(event, found, result)
            superseded = result.outcome is CallOutcome.SUPERSEDED
        if event.kind is EventKind.DEMOTED:
            self._on_released(event)
        elif event.kind is EventKind.ELECTED and not superseded:
            self._begin_tenure(event)

    async def _call(self, event: Event, found: Implementation) -> CallResult:
        try:
            if event.kind in _NEEDS_AUTHORITY and not await self._authority.confirmed():
                return CallResult(outcome=CallOutcome.SUPERSEDED, seconds=0.0, error="no authority to act as leader")
            timeout = await self._deadline(event, found)
        except asyncio.CancelledError:
            return CallResult(outcome=CallOutcome.SUPERSEDED, seconds=0.0)
        arguments = found.bind(event=event, ctx=self._contexts[found.plugin])
        return await self._caller.call(found, arguments, timeout)

    async def _deadline(self, event: Event, found: Implementation) -> float:
        result = await self.ask(found.plugin, "deadline", _DEADLINE_SECONDS, event=event)
        if result is not None and isinstance(result.value, (int, float)):
            return float(result.value)
        return self._settings[found.plugin].timeout

    def _finish(self, event: Event, found: Implementation, result: CallResult) -> None:
        fields = {"plugin": found.plugin, "event_id": event.id, "term": event.term}
        self._record(
            "hook.finished",
            result.outcome,
            **fields,
            event=event.kind,
            attempt=1,
            duration_ms=round(result.seconds * 1000, 3),
            reason=result.error,
        )
        if result.outcome in (CallOutcome.FAILURE, CallOutcome.TIMEOUT):
            # Not `event`: that is structlog's own name for the name of a log event.
            self._log.warning(
                "hook-failed", **fields, event_kind=event.kind, outcome=str(result.outcome), error=result.error
            )
            if event.kind is EventKind.ELECTED and self._settings[found.plugin].critical:
                self._on_critical(found.plugin)

    def _drop(self, event: Event, outcome: str) -> None:
        self._record("hook.finished", outcome, event=event.kind, event_id=event.id, term=event.term, plugin="")
        if outcome == "dropped":
            self._log.warning("event-dropped", event_kind=event.kind, event_id=event.id)

    def _begin_tenure(self, event: Event) -> None:
        for found in self._registry.implementations(EventKind.WHILE_LEADER.hook):
            self._tenure.begin(found, found.bind(event=event, ctx=self._contexts[found.plugin]), event)
