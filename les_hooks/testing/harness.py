"""The harness: one plugin, loaded and called by the same code as in the daemon, with a clock that the test sets.

Imported through `les_hooks.testing`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType, TracebackType
from typing import Any, Self, TypeVar

import msgspec
import structlog
from structlog.testing import LogCapture

from les_hooks.config import load_plugin_table
from les_hooks.dispatch import Dispatcher, PluginContext, PluginSettings
from les_hooks.errors import PluginError
from les_hooks.events import Event, EventKind
from les_hooks.plugins import PluginState
from les_hooks.processes import Command, Ending, Finished, Runner
from les_hooks.testing.cluster import CLUSTER, Cluster, HarnessAuthority
from les_hooks.testing.loop import Stage
from les_hooks.testing.offer import registry_of

__all__ = ["Harness", "Outcome"]

T = TypeVar("T")

# Real seconds that a test waits for a plugin's threads and programs, on top of the plugin's own time limit.
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call of a hook ended: `outcome` is `success`, `failure`, `timeout`, `superseded`, `dropped`, or `none`
    where the plugin has no such hook. `error` says why, `seconds` how long it took; `attempt` counts the beginnings of
    `while_leader`.
    """

    hook: str
    outcome: str
    error: str = ""
    seconds: float = 0.0
    attempt: int = 1
    event_id: str = ""


class Harness:
    """A place for one plugin, as in a daemon, in which the test is the cluster. Files go below `folder`.

    For plain `def` tests: hooks that are `async def` run in a loop of the harness's own, which `fire` and the others
    drive. Programs that the plugin runs are only noted in `ran`, and succeed, until `answer` is another function, or
    None to run them for real.
    """

    def __init__(self, folder: Path) -> None:
        self.outcomes: list[Outcome] = []
        """How the calls of event hooks ended, in order."""
        self.audit: list[dict[str, object]] = []
        """The records that the plugin left, each with its `action`, `outcome` and fields."""
        self.ran: list[Command] = []
        """The programs that it ran."""
        self.answer: Callable[[Command], Finished] | None = lambda _: Finished(ending=Ending.SUCCESS, seconds=0.0)
        """How a program seems to end that is not run for real."""
        self.offered: dict[str, Mapping[str, object]] = {}
        """What other plugins seem to offer, by kind; set it."""
        self.unfit: str | None = None
        """What its `check` said last: empty for a fit node, None as long as it has not spoken; see `watch`."""
        self.steps_down = 0
        """How often the node would have stepped down, because the plugin is `critical` and failed on `elected`."""
        self._folder = folder
        self._stage = Stage()
        self._capture = LogCapture()
        self._log = structlog.wrap_logger(structlog.PrintLogger(), [self._capture])
        self._authority = HarnessAuthority(self._stage)
        self._cluster = Cluster(self._stage)
        self._dispatcher: Dispatcher | None = None
        self._name = ""
        self._timeout = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None

    # -- the plugin ----------------------------------------------------------------------------------------------------

    def load(
        self,
        plugin: ModuleType | object | str,
        config: Mapping[str, object] = MappingProxyType({}),
        *,
        name: str = "",
        dry_run: bool = False,
    ) -> None:
        """Load a plugin with its table of `les.toml`: a module or object, or the name of one that is installed.

        Raises PluginError with what `les plugins list` would say, and ConfigError with what `les check` would.
        """
        registry, self._name = registry_of(plugin, name)
        kinds = registry.config_types([self._name])
        for info in registry.infos():
            if info.name == self._name and info.state is PluginState.FAILED:
                raise PluginError(info.name, info.why)
        table = load_plugin_table(self._name, config, kinds[self._name], base=self._folder)
        self._timeout = table.timeout
        context = PluginContext(
            name=self._name,
            cluster=CLUSTER,
            config=table.config,
            log=self._log.bind(plugin=self._name),
            folder=self._folder / "plugins" / self._name,
            dry_run=dry_run,
            leading=self._authority,
            record=self._note_record,
            runner=self._run_program,
            reach=lambda _program: "",
            gather=lambda kind: self.offered.get(kind, {}),
        )
        dispatcher = self._dispatcher = Dispatcher(
            registry=registry,
            authority=self._authority,
            record=self._note_call,
            log=self._log,
            clock=self._stage.time,
            on_released=lambda _event, _failed: None,
            on_critical=self._note_step_down,
            on_broken=lambda _: None,
        )
        settings = PluginSettings(timeout=table.timeout, critical=table.critical)
        dispatcher.configure({self._name: context}, {self._name: settings})
        self._stage.call(dispatcher.start)

    # -- what happens around it ----------------------------------------------------------------------------------------

    @property
    def authority(self) -> float:
        """Seconds for which the node may act as leader; set it, and `advance` counts it down."""
        return self._authority.left()

    @authority.setter
    def authority(self, seconds: float) -> None:
        self._authority.until = self._stage.ahead + seconds

    @property
    def hold(self) -> float:
        """Seconds for which what the plugin took may stay; the authority, until you set it: a demotion goes on."""
        return self._authority.hold_left()

    @hold.setter
    def hold(self, seconds: float) -> None:
        self._authority.hold_until = self._stage.ahead + seconds

    @property
    def release(self) -> float:
        """Seconds until others may lead; infinite until you set it."""
        return self._authority.release_left()

    @release.setter
    def release(self, seconds: float) -> None:
        self._authority.release_by = self._stage.ahead + seconds

    @property
    def now(self) -> float:
        """The time that events have, in Unix seconds; `advance` moves it on."""
        return self._cluster.now

    def advance(self, seconds: float) -> None:
        """Move the clock on, for timers, limits, back-off and authority, and let happen what waits for that."""
        self._stage.advance(seconds)

    def event(self, kind: EventKind | str, **fields: Any) -> Event:
        """The event that would come next, in a cluster of two: make it, without telling the plugin.

        `fields` are those that are to be different.
        """
        return self._cluster.event(EventKind(kind), fields)

    def begin(self, event: Event | EventKind | str, **fields: Any) -> Event:
        """Tell the plugin of an event, and do not wait for what it does."""
        told = event if isinstance(event, Event) else self.event(event, **fields)
        if told.kind is EventKind.WHILE_LEADER:
            raise ValueError("while_leader is no event: it begins after `elected`, and ends before `demoted`")
        self._cluster.happened(told)
        self._stage.call(lambda: self._loaded.submit(told))
        return told

    def fire(self, event: Event | EventKind | str, **fields: Any) -> Outcome:
        """Tell the plugin of an event, and wait until it has dealt with that; returns how it ended."""
        told = self.begin(event, **fields)
        self.settle()
        return next(
            (outcome for outcome in self.outcomes if (outcome.event_id, outcome.hook) == (told.id, told.kind.hook)),
            Outcome(hook=told.kind.hook, outcome="none", event_id=told.id),
        )

    def settle(self) -> None:
        """Wait until the plugin has dealt with all events, and its lasting work has had time to begin."""
        if not self._stage.run(self._loaded.drained(self._timeout + _PATIENCE_SECONDS)):
            raise PluginError(
                self._name, "its hooks did not end in time; move the clock on, or give it a short timeout"
            )
        self._stage.rounds()

    def prepare(self) -> None:
        """The leader falls silent: begin its `prepare`, which ends with the hooks of `elected`, or by `recover`."""
        self._stage.call(self._loaded.prepare)
        self._stage.rounds()

    def recover(self) -> None:
        """The leader is heard again: its `prepare` is cancelled."""
        self._stage.call(self._loaded.stand_easy)
        self._stage.rounds()

    def watch(self) -> None:
        """Begin its `check`, as a node does at its start; `unfit` is what it says. To be called once.

        A node would begin it again when it ends: here `unfit` says that it has ended, and so it stays.
        """
        if self._watching is not None:
            raise PluginError(self._name, "is watched already")
        self._watching = self._stage.call(lambda: asyncio.ensure_future(self._watch()))
        self._stage.rounds()

    def start(self) -> None:
        """Begin its `while_running`, as a node does at its start; `close` ends it, and so does `stop`."""
        if self._running is not None:
            raise PluginError(self._name, "runs already")
        self._running = self._stage.call(lambda: asyncio.ensure_future(self._run_on()))
        self._stage.rounds()

    def stop(self) -> None:
        """End its `while_running`, and wait for that."""
        if self._running is not None:
            running, self._running = self._running, None
            running.cancel()
            self._stage.run(_over(running))

    def record(self, action: str, outcome: str = "success", **fields: object) -> None:
        """Tell it, by `recorded`, of a record of the audit trail."""
        self._ask("recorded", record={"action": action, "outcome": outcome, **fields})

    def offers(self, kind: str) -> Mapping[str, object]:
        """What it offers to other plugins under this kind."""
        return dict(self._ask("offers", kind=kind))

    # -- what it says --------------------------------------------------------------------------------------------------

    @property
    def logged(self) -> Sequence[Mapping[str, Any]]:
        """The lines of the log: `event`, `log_level` and the keys of each."""
        return self._capture.entries

    @property
    def working(self) -> bool:
        """Whether its `while_leader` runs at this moment."""
        return self._loaded.lasting > 0

    def validate(self) -> Sequence[str]:
        """What it complains about in `les check`."""
        return list(self._ask("validate") or ())

    def status(self) -> Any:
        """Its part of `les status`, as JSON has it."""
        return msgspec.to_builtins(self._ask("status"))

    def plan(self, kind: EventKind | str) -> Sequence[str]:
        """What it says that it would do on an event of this kind."""
        return list(self._ask("plan", kind=EventKind(kind)) or ())

    def control(self, action: str, **arguments: object) -> Any:
        """What it answers to a request of its commands, as JSON has it."""
        return msgspec.to_builtins(self._ask("control", action=action, arguments=arguments))

    def cleanup(self) -> None:
        """Have it undo what a daemon that died may have left behind."""
        self._ask("cleanup")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something asynchronous of the test's own, in the plugin's loop."""
        return self._stage.run(work)

    async def _watch(self) -> None:
        result = await self._loaded.ask(self._name, "check", None, report=self._hear)
        why = "it has none" if result is None else result.error or "it has ended by itself"
        self.unfit = f"its check is broken: {why}"

    async def _run_on(self) -> None:
        result = await self._loaded.ask(self._name, "while_running", None)
        if result is None or result.error:
            why = "it has none" if result is None else result.error
            self._log.warning("work-ended", plugin=self._name, hook="while_running", error=why)

    def _hear(self, unfit: str) -> None:
        self.unfit = unfit

    def _ask(self, hook: str, **offered: Any) -> Any:
        """Call a hook that is no event; PluginError where it raises."""
        result = self._stage.run(self._loaded.ask(self._name, hook, self._timeout, **offered))
        if result is None:
            raise PluginError(self._name, f"has no hook {hook}")
        if result.error:
            raise PluginError(self._name, f"{hook}: {result.error}")
        return result.value

    # -- its end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what still runs."""
        self.stop()
        if self._watching is not None:
            self._watching.cancel()
            self._stage.run(_over(self._watching))
        if self._dispatcher is not None:
            self._stage.run(self._dispatcher.close())
        self._stage.close()

    def __enter__(self) -> Self:
        """For a `with` block, which closes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # -- what the dispatcher is given ----------------------------------------------------------------------------------

    @property
    def _loaded(self) -> Dispatcher:
        if self._dispatcher is None:
            raise PluginError(self._name or "(none)", "is not loaded; call harness.load(...) first")
        return self._dispatcher

    def _note_call(self, _action: str, outcome: str, /, **fields: Any) -> None:
        self.outcomes.append(
            Outcome(
                hook=EventKind(fields["event"]).hook,
                outcome=str(outcome),
                error=fields.get("reason") or "",
                seconds=fields.get("duration_ms", 0.0) / 1000,
                attempt=fields.get("attempt", 1),
                event_id=fields["event_id"],
            )
        )

    def _note_record(self, action: str, outcome: str, /, **fields: object) -> None:
        self.audit.append({"action": action, "outcome": outcome, **fields})

    def _note_step_down(self, _plugin: str) -> None:
        self.steps_down += 1

    async def _run_program(self, command: Command) -> Finished:
        self.ran.append(command)
        if self.answer is None:
            return await Runner(None).run(command)
        finished = self.answer(command)
        if command.on_end is not None:
            command.on_end(finished)
        return finished


async def _over(task: "asyncio.Task[None]") -> None:
    """Wait for its end, which the dispatcher bounds."""
    await asyncio.wait({task})
