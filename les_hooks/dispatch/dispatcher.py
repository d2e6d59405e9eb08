"""The dispatcher: takes events, walks the hooks of each in order, and keeps a record of every call."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from structlog.typing import FilteringBoundLogger

from les_hooks.dispatch.calls import Caller, CallOutcome, CallResult, Overtaken
from les_hooks.dispatch.context import NO_AUTHORITY, Authority, PluginContext, Recorder, may_act
from les_hooks.dispatch.lanes import DROPPED, Lane, Turn
from les_hooks.dispatch.preparation import Preparation
from les_hooks.dispatch.tenure import Tenure
from les_hooks.events import Event, EventKind
from les_hooks.events import Lane as LaneName
from les_hooks.guard import Tie
from les_hooks.plugins import Implementation, Registry
from les_hooks.text import error_words

__all__ = ["Dispatcher", "PluginSettings"]

# What a plugin may take to say how long it needs.
_DEADLINE_SECONDS = 1.0

# Longer than what ends in a lane takes to end: a hook that is left behind, then work that lasts.
_CLOSE_SECONDS = 30.0

# Of the time until others may lead, what saying so may take.
_DEADLINE_SHARE = 1 / 16

_NEEDS_AUTHORITY = frozenset({EventKind.ELECTED, EventKind.REASSERTED})

_UNSUCCESSFUL = frozenset({CallOutcome.FAILURE, CallOutcome.TIMEOUT})


async def _at_once() -> None:
    """There is nothing to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSettings:
    """The common keys of a plugin's table: `timeout` of one hook call in seconds, and whether its failure is fatal."""

    timeout: float
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One plugin's part in an event, with what the plugin had when the event's turn began."""

    found: Implementation
    context: PluginContext
    settings: PluginSettings
    deadline: Implementation | None

    def arguments(self, event: Event) -> dict[str, object]:
        """What the hook is called with."""
        return self.found.bind(event=event, ctx=self.context)


class Dispatcher:
    """Runs hooks for events, in two lanes. `start`, then `submit`; `close` ends what still runs.

    `on_released` is called when the hooks of a `demoted` event have ended, with the plugins that did not succeed in
    undoing what they did; see `remains` as well. `on_critical` is called, once for each `elected`, with the name of a
    plugin marked critical that did not succeed, and `on_broken` when a lane can do no more because of an error of ours;
    nothing that comes after it is dealt with. What `before_acting` returns is awaited before a hook begins what only a
    leader does, as long as the node leads; it is not for a demotion.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        authority: Authority,
        record: Recorder,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        on_released: Callable[[Event, Sequence[str]], None],
        on_critical: Callable[[str], None],
        on_broken: Callable[[BaseException], None],
        before_acting: Callable[[], Awaitable[object]] = _at_once,
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._record = record
        self._log = log
        self._on_released = on_released
        self._on_critical = on_critical
        self._on_broken = on_broken
        self._before_acting = before_acting
        self._caller = Caller(clock, authority)
        self._contexts: Mapping[str, PluginContext] = {}
        self._settings: Mapping[str, PluginSettings] = {}
        self._lanes = {name: Lane(self._handle, self._drop) for name in LaneName}
        self._tenure = Tenure(self._caller, log, record, authority, self._look)
        self._preparation = Preparation(self._caller, log, self._look)
        self._workers: list[asyncio.Task[None]] = []
        self._retiring: dict[str, list[_Step]] = {}
        self._not_undone: dict[str, None] = {}

    def configure(self, contexts: Mapping[str, PluginContext], settings: Mapping[str, PluginSettings]) -> None:
        """Take the contexts and settings of the loaded plugins, by name; events whose turn has begun keep theirs."""
        self._contexts, self._settings = contexts, settings

    def start(self) -> None:
        """Begin to work the lanes off."""
        self._workers = [asyncio.create_task(lane.work(), name=f"lane-{name}") for name, lane in self._lanes.items()]
        for worker in self._workers:
            worker.add_done_callback(self._look)

    def submit(self, event: Event) -> None:
        """Queue the event in its lane; returns at once."""
        if event.kind is EventKind.DEMOTED:
            self._tenure.overtake()
            self._preparation.overtake()
        self._lanes[event.kind.lane].put(event)

    def prepare(self) -> None:
        """The leader is silent: have plugins make ready what they can; returns at once.

        Once begun it goes on until `stand_easy`, or until the hooks of the next `elected` have ended.
        """
        if not self._preparation.under_way:
            found = [one for one in self._registry.implementations("prepare") if one.plugin in self._contexts]
            self._preparation.begin([(one, one.bind(ctx=self._contexts[one.plugin])) for one in found])

    def stand_easy(self) -> None:
        """The leader was heard again, or another node leads: end what was begun by `prepare`; returns at once."""
        self._preparation.overtake()

    def retire(self, plugins: Collection[str], event: Event) -> None:
        """Queue a demotion of these plugins alone, which are about to be unloaded; the node goes on as it is.

        It overtakes nothing: what waits is still true for the others.
        """
        self._retiring[event.id] = [step for step in self._steps(event.kind) if step.found.plugin in plugins]
        self._lanes[event.kind.lane].append(event)

    async def drained(self, timeout: float) -> bool:
        """Wait until both lanes are empty, at most `timeout` seconds; returns whether they are."""
        try:
            async with asyncio.timeout(timeout):
                while not all(lane.idle for lane in self._lanes.values()):
                    for lane in self._lanes.values():
                        await lane.drained()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End whatever still runs, in bounded time; what still waits is dropped."""
        for lane in self._lanes.values():
            lane.close()
        self._tenure.overtake()
        self._preparation.overtake()
        if self._workers:
            _, hanging = await asyncio.wait(self._workers, timeout=_CLOSE_SECONDS)
            for worker in hanging:
                worker.cancel()
        await self._tenure.end()
        await self._preparation.end()

    @property
    def remains(self) -> tuple[str, ...]:
        """The plugins of which a call still runs that a leader, or its demotion, began. All others have ended."""
        return self._caller.remains

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many events wait in each lane, for `les status`."""
        return {str(name): lane.waiting for name, lane in self._lanes.items()}

    @property
    def lasting(self) -> int:
        """How many plugins' `while_leader` run at this moment."""
        return self._tenure.running

    async def ask(
        self, plugin: str, hook: str, timeout: float | None, overtaken: Overtaken | None = None, **offered: object
    ) -> CallResult | None:
        """Call one hook of one plugin outside the lanes (`status`, `control`, `check`); None where it has none.

        `timeout` is in seconds, None for as long as it takes; when it is `overtaken` it is ended before that.
        """
        found, context = self._registry.implementation(plugin, hook), self._contexts.get(plugin)
        if found is None or context is None:
            return None
        tie = Tie.RELEASE if hook == "cleanup" else Tie.DAEMON
        return await self._caller.call(found, found.bind(ctx=context, **offered), timeout, overtaken, tie=tie)

    # -- one event -----------------------------------------------------------------------------------------------------

    async def _handle(self, turn: Turn) -> None:
        event = turn.event
        if event.kind is EventKind.DEMOTED or _begins(event):
            await self._tenure.end()
        failed = False
        retiring = self._retiring.pop(event.id, None)
        for step in self._steps(event.kind) if retiring is None else retiring:
            result = await self._take(turn, step)
            self._finish(event, step.found.plugin, result)
            if event.kind is EventKind.DEMOTED and result.outcome is not CallOutcome.SUCCESS:
                self._not_undone[step.found.plugin] = None
            if event.kind is EventKind.ELECTED and step.settings.critical and not failed:
                failed = result.outcome in _UNSUCCESSFUL
                if failed:
                    self._on_critical(step.found.plugin)
        if event.kind is EventKind.DEMOTED and retiring is None:
            # What a plugin left undone that was dropped meanwhile is a part of this leadership too.
            not_undone, self._not_undone = tuple(self._not_undone), {}
            self._on_released(event, not_undone)
        if event.kind is EventKind.ELECTED:
            self._preparation.overtake()
        if _begins(event) and not (failed or turn.over):
            steps = self._steps(EventKind.WHILE_LEADER)
            self._tenure.begin([(step.found, step.arguments(event)) for step in steps], event)

    def _steps(self, kind: EventKind) -> list[_Step]:
        """The plugins' parts, in their order. Who is loaded but not configured yet waits for the reload to end."""
        return [
            _Step(
                found=found,
                context=self._contexts[found.plugin],
                settings=self._settings[found.plugin],
                deadline=self._registry.implementation(found.plugin, "deadline"),
            )
            for found in self._registry.calls(kind)
            if found.plugin in self._contexts
        ]

    async def _take(self, turn: Turn, step: _Step) -> CallResult:
        limit = await self._limit(turn, step)
        if turn.event.kind in _NEEDS_AUTHORITY:
            await self._make_way(turn)
            if not await may_act(self._authority, turn.overtaken) and not turn.over:
                return CallResult(outcome=CallOutcome.SUPERSEDED, error=NO_AUTHORITY)
        if turn.over:
            return CallResult(outcome=CallOutcome.SUPERSEDED)
        tie = _tie(turn.event.kind)
        return await self._caller.call(step.found, step.arguments(turn.event), limit, turn.overtaken, tie=tie)

    async def _make_way(self, turn: Turn) -> None:
        """Have done what must be done before a leader acts; a demotion does not wait for it."""
        making = asyncio.ensure_future(self._before_acting())
        try:
            waited: set[asyncio.Future[Any]] = {making, turn.overtaken}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                making.result()
        finally:
            making.cancel()

    async def _limit(self, turn: Turn, step: _Step) -> float:
        """Seconds that the plugin may take for the event."""
        found = step.deadline
        if found is None or turn.over:
            return step.settings.timeout
        arguments = found.bind(event=turn.event, ctx=step.context)
        result = await self._caller.call(found, arguments, self._patience(turn), turn.overtaken)
        if isinstance(result.value, int | float) and 0 < result.value < math.inf:
            return float(result.value)
        if not turn.over:
            why = result.error or f"returned {result.value!r:.100}, which is no number of seconds"
            self._log.warning("deadline-refused", plugin=found.plugin, error=why)
        return step.settings.timeout

    def _patience(self, turn: Turn) -> float:
        left = self._authority.release_left() if _tie(turn.event.kind) is Tie.RELEASE else 0.0
        return min(_DEADLINE_SECONDS, left * _DEADLINE_SHARE) if left else _DEADLINE_SECONDS

    # -- what is written down ------------------------------------------------------------------------------------------

    def _finish(self, event: Event, plugin: str, result: CallResult) -> None:
        fields = {"plugin": plugin, "event": event.kind, "event_id": event.id, "term": event.term}
        self._record(
            "hook.finished",
            result.outcome,
            **fields,
            attempt=1,
            duration_ms=round(result.seconds * 1000, 3),
            reason=result.error or None,
        )
        if result.outcome in _UNSUCCESSFUL:
            self._log.warning(
                "hook-failed",
                plugin=plugin,
                hook=event.kind.hook,
                event_id=event.id,
                outcome=str(result.outcome),
                error=result.error,
            )

    def _drop(self, event: Event, outcome: str) -> None:
        self._record("hook.finished", outcome, event=event.kind, event_id=event.id, term=event.term)
        if outcome == DROPPED:
            self._log.warning("event-dropped", event_kind=str(event.kind), event_id=event.id)

    def _look(self, task: "asyncio.Task[None]") -> None:
        """Nobody waits for a lane or for work that lasts, so an error of ours would stay unseen in it."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._log.critical("dispatch-broken", task=task.get_name(), error=error_words(error), exc_info=error)
        self._on_broken(error)


def _tie(kind: EventKind) -> Tie:
    """What a call for such an event ends with."""
    if kind in _NEEDS_AUTHORITY:
        return Tie.AUTHORITY
    return Tie.RELEASE if kind is EventKind.DEMOTED else Tie.DAEMON


def _begins(event: Event) -> bool:
    """Whether work that lasts is begun, or begun anew: with another configuration, or in another term."""
    return event.kind in (EventKind.ELECTED, EventKind.REASSERTED)
