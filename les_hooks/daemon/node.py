"""One node: puts state directory, audit, guard, plugins, dispatcher and backend together, and runs them.

The command line and library users make one; see `Node`. Imported by `control`, `cli` and library users.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Self

from structlog.typing import FilteringBoundLogger

from les_hooks import __version__
from les_hooks.audit import Action, Outcome
from les_hooks.audit.leaderships import Leaderships
from les_hooks.backends import Reports
from les_hooks.config import Config, advice
from les_hooks.daemon.bell import Bell
from les_hooks.daemon.checkpoints import Checkpoints
from les_hooks.daemon.chronicle import Chronicle
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.confined import tried_confinement
from les_hooks.daemon.credentials import credentials_of
from les_hooks.daemon.fitness import RELOAD_PATIENCE_SECONDS, Fitness
from les_hooks.daemon.folder import GUARD_LOCK
from les_hooks.daemon.giving_back import GivingBack
from les_hooks.daemon.hooks import Hooks
from les_hooks.daemon.lasting import Lasting
from les_hooks.daemon.leaving import leave_in_order
from les_hooks.daemon.maintenance import Maintenance, Upkeep
from les_hooks.daemon.pages import Pages
from les_hooks.daemon.parts import cleanup_command, make_authority, make_backend, open_memory
from les_hooks.daemon.recorded import Recorded
from les_hooks.daemon.records import make_narrator, read_leaderships
from les_hooks.daemon.release import release
from les_hooks.daemon.reload import live_changes
from les_hooks.daemon.setup import LAST_RESORT_SECONDS, Demotion, recorder
from les_hooks.daemon.story import Story
from les_hooks.daemon.undoing import undo_plugins
from les_hooks.errors import ControlError
from les_hooks.events import Event, Reason
from les_hooks.failures import report_failure
from les_hooks.guard import Guard
from les_hooks.log import Threshold, make_log
from les_hooks.members import Address, Mandate, Part, View
from les_hooks.plugins import Registry

__all__ = ["Node"]

# As many as somebody would look at; a row is some 200 bytes.
_MOST_LEADERSHIPS = 1000


class Node:
    """A member of the cluster. Use it as an asynchronous context manager; inside, hooks run and leadership moves.

        async with Node(load_config("les.toml")) as node:
            async for event in node.events():
                print(event.kind, event.leader)

    Entering raises StartError where the host refuses what the node needs. Leaving demotes, says goodbye and waits for
    the hooks. `log` is where the operational log goes, by default standard error as `[log]` says.
    """

    def __init__(
        self,
        config: Config,
        *,
        log: FilteringBoundLogger | None = None,
        registry: Registry | None = None,
        cleanup: Sequence[str] | None = None,
        on_beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`cleanup` is the command that the guard runs if this process dies; by default `les cleanup` of the file.

        `on_beat` is called once a heartbeat by the election itself, for as long as it runs: it feeds a watchdog.
        """
        self.config = config
        self.configured_at = time.time()
        self.started_at = self.started_boottime = self.joined_boottime = 0.0
        self.broken: BaseException | None = None
        self.registry = registry or Registry()
        self.story = Story()
        self.history = Leaderships(most=_MOST_LEADERSHIPS)
        self.on_plugins: Callable[[], None] = lambda: None
        """Called when a reload has changed which plugins there are, or their configuration."""
        self.pages: Pages | None = None
        """Where `serve_http` shows them, while it does."""
        self._threshold = Threshold(config.log.level)
        self.log = log or make_log(config.log.format, self._threshold)
        self._cleanup = cleanup_command(config) if cleanup is None else tuple(cleanup)
        self._on_beat = on_beat
        self._close = contextlib.AsyncExitStack()
        self._chronicle: Chronicle | None = None
        self.reloading = asyncio.Lock()
        self._taking = asyncio.Lock()
        self._broke = asyncio.Event()
        self._orderly = self._over = False
        self._news = Bell()
        self._stopped = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    # -- for users -----------------------------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """Whether this node leads and may act on it at this moment."""
        return self.view is not None and self.view.leading and self.authority.left() > 0.0

    @property
    def view(self) -> View | None:
        """The cluster as this node sees it, None before the first view."""
        return self._chronicle.view if self._chronicle is not None else None

    @property
    def leader(self) -> Address | None:
        """The leader that this node accepts."""
        return self.view.leader if self.view is not None else None

    @property
    def stopping(self) -> bool:
        """Whether this node is about to stop, or has stopped."""
        return self._ending is not None

    def events(self) -> AsyncGenerator[Event, None]:
        """All events of this node, from its start until it has stopped."""
        return self.story.listen(after=0)

    async def wait_settled(self) -> None:
        """Wait for the first view of the cluster."""
        await self.chronicle.settled.wait()

    async def wait_elected(self) -> None:
        """Wait until this node leads. Raises ControlError where it stops instead."""
        while not self.is_leader:
            if self._stopped.is_set():
                raise ControlError("this node has stopped, and will lead no more")
            await self._news.wait()

    async def wait_stopped(self) -> None:
        """Wait until this node has stopped; where it did so by itself, `broken` is the error that it met."""
        await self._stopped.wait()

    def step_down(self, reason: Reason = Reason.OPERATOR, note: str = "") -> None:
        """Give up leadership if this node has it, and stay unfit for `hold`; `note` tells people why."""
        self.backend.step_down(reason, note)

    def transfer(self, target: Address) -> None:
        """Give up leadership if this node has it, and have that member take it; the next in line does if it cannot."""
        self.backend.transfer(target)

    @property
    def maintenance(self) -> Maintenance | None:
        """Until when and why this node is in maintenance, None where it is not."""
        return self.upkeep.current

    @property
    def demotion(self) -> Demotion:
        """How the hooks of the last demotion ended."""
        return self._demotion

    def maintain(self, for_seconds: float, note: str, uid: int) -> None:
        """Keep this node from leading for so long, restarts included; a leader is demoted. Raises ControlError."""
        self.upkeep.begin(for_seconds, note, uid)

    def end_maintenance(self) -> bool:
        """End the maintenance before its time; returns whether there was one."""
        return self.upkeep.end()

    async def reload(self, config: Config) -> tuple[str, ...]:
        """Take a new configuration while running, and tell the hooks again; returns the keys that changed.

        Raises ConfigError, and changes nothing, where a key differs that only a restart can change, and ControlError
        where the node stops.
        """
        async with self._taking:  # of two at once the later one must win, whoever the disk lets go on first
            changed = live_changes(self.config, config)
            self._must_go_on()
            self.audit.record(Action.CONFIG_RELOADED, changed=changed)
            await self.audit.on_disk()
            self._must_go_on()
            self._take(config)
        return changed

    def _must_go_on(self) -> None:
        # What is begun anew while all else ends would be left over.
        if self.stopping:
            raise ControlError("this node stops, and takes no new configuration any more")

    def _take(self, config: Config) -> None:
        self.config, self.configured_at = config, time.time()
        self._threshold.level = config.log.level
        self.backend.set_seeds(tuple(config.cluster.seeds))
        self.hooks.retire(config, self.chronicle.narrator.retired)
        self.hooks.apply(config, self.audit)
        self._take_plugins(RELOAD_PATIENCE_SECONDS)
        self.chronicle.repeat(Reason.RELOAD)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start, run the startup demotion, and join the cluster."""
        try:
            await self._start()
        except BaseException:
            await self._close.aclose()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Leave the cluster and stop."""
        await self.stop()

    async def _start(self) -> None:
        config, close = self.config, self._close
        for one in advice(config):
            self.log.warning("config-doubtful", where=one.where, key=one.key, advice=one.message)
        self.credentials = credentials_of(config, self.log)
        self._confinement = tried_confinement(config)
        self.store, self.boot, self.audit = await open_memory(config, self.log, close)
        self.backend = make_backend(
            config,
            self.store,
            self.boot,
            self.credentials,
            self.registry,
            Reports(
                on_view=self._on_view,
                on_authority=self._on_authority,
                on_beat=self._on_beat,
                on_broken=self._on_broken,
            ),
            self.log,
        )
        await self.backend.start()
        close.push_async_callback(self.backend.leave, 0.0)
        dead = self.store.running
        self.store.mark_running(self.boot)
        await read_leaderships(config.log.audit, self.history)
        self.recorded = Recorded(self.registry, self.log, self.history.take)
        self.audit.heard = self.recorded.hear
        self.audit.record(Action.NODE_STARTED, version=__version__, crashed_before=self.store.crashed)
        self.audit.record(Action.CONFIG_LOADED, source=None if config.source is None else str(config.source))
        self._checkpoints = Checkpoints(
            self.audit, remember=self.store.audited, node=config.node.name, cluster=config.cluster.name, log=self.log
        )
        close.push_async_callback(self._checkpoints.close)
        self._checkpoints.start()
        self.guard = Guard(self.log, cleanup_limit=LAST_RESORT_SECONDS, lock=config.node.state_dir / GUARD_LOCK)
        if config.cluster.role is not Part.WITNESS:  # which starts nothing that somebody would have to end
            self.guard.start(self._cleanup)
        close.push_async_callback(self._close_guard)
        self.authority = make_authority(self.backend, config)
        self._make_hooks()
        self._make_fitness()
        self.started_at, self.started_boottime = time.time(), boottime()
        self.chronicle.tell(self.chronicle.narrator.startup())
        await self.dispatcher.drained(LAST_RESORT_SECONDS)
        if dead is not None and await self._is_undone():
            await release(config, dead, self.registry, self.log)
        self.joined_boottime = boottime()
        await self.backend.join()
        # Without this line, a node that waits for ever for somebody to join it would not say what for.
        self.log.info("joining", address=config.node.advertise, seeds=list(config.cluster.seeds))

    async def _is_undone(self) -> bool:
        """Have plugins undo what a daemon that died left beside their demote hooks; whether nothing of it is left."""
        failed = [*self._demotion.failed, *await undo_plugins(self.hooks, self.log)]
        return not (failed or self._demotion.dropped)

    def _make_hooks(self) -> None:
        """Load the plugins, and have their hooks called from now on."""
        self._demotion = Demotion(recorder(self.audit))
        hooks = Hooks(
            self.registry,
            log=self.log,
            record=self._demotion.record,
            guard=self.guard,
            authority=self.authority,
            confinement=self._confinement,
            on_released=self._on_released,
            on_critical=lambda _plugin: self.step_down(Reason.CRITICAL),
            on_broken=self._on_broken,
            before_acting=self.audit.on_disk,
        )
        self.hooks, self.plugins, self.dispatcher = hooks, hooks.plugins, hooks.dispatcher
        self._giving_back = GivingBack(
            self.backend, remains=lambda: hooks.remains, clock=boottime, audit=self.audit, log=self.log
        )
        self._close.callback(self._giving_back.close)
        hooks.apply(self.config, self.audit)
        self.dispatcher.start()
        self._close.push_async_callback(self.dispatcher.close)
        self.lasting = Lasting(self.dispatcher, "while_running", on_end=self._on_work_ended, on_broken=self._on_broken)
        self._close.push_async_callback(self.lasting.close)
        narrator = make_narrator(self.config, self.store, self.boot)
        self._chronicle = Chronicle(narrator, hooks.dispatcher, self.audit, self.store, self.story, self.log)

    def _make_fitness(self) -> None:
        """Begin to look whether this node may lead; before it joins, so that nobody takes an unfit node for fit."""
        self.fitness = Fitness(
            self.dispatcher,
            tell=self.backend.set_fitness,
            audit=self.audit,
            log=self.log,
            on_broken=self._on_broken,
        )
        self._close.push_async_callback(self.fitness.close)
        self.upkeep = Upkeep(
            self.config.node.state_dir,
            later=self.store.later,
            on_change=self.fitness.maintained,
            audit=self.audit,
            log=self.log,
        )
        self._close.callback(self.upkeep.close)
        self.upkeep.restore()
        self._take_plugins()

    def _take_plugins(self, patience: float = 0.0) -> None:
        """Have what lasts of the plugins that are loaded now, and of no others."""
        self.recorded.configure(self.plugins.contexts)
        self.lasting.keep(self.hooks.contexts_of("while_running"))
        self.fitness.lack(self.hooks.lacks)
        self.fitness.watch(self.hooks.contexts_of("check"), patience)
        self.on_plugins()

    @property
    def chronicle(self) -> Chronicle:
        """What this node has seen and told; there is one once it has been entered."""
        assert self._chronicle is not None, "enter the node first"
        return self._chronicle

    async def stop(self) -> None:
        """Demote, say goodbye, finish the hooks, and end. May be called more than once, by several at a time."""
        if self.started_at:
            self._end()
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def _end(self) -> None:
        self._ending = self._ending or asyncio.create_task(self._stop(), name="node-stop")

    async def _stop(self) -> None:
        self.chronicle.tell(self.chronicle.narrator.stopping())
        try:
            left = self.broken is None and await leave_in_order(self.backend, self.dispatcher, self._broke)
            self._orderly = left and not self._demotion.dropped
            if not self._orderly:
                # What still runs ends before others may lead. `les cleanup` does what the demote hooks did not.
                await self.dispatcher.close()
                await self.backend.leave(0.0)
            # Last of the hooks: it may have something to do with what the others did.
            await self.lasting.close()
            self._over = True
            self.audit.record(Action.NODE_STOPPED, Outcome.SUCCESS if self._orderly else Outcome.FAILURE)
            await self._checkpoints.finish()
            if self._orderly:
                with contextlib.suppress(OSError):
                    self.store.mark_stopped()
            await self._close.aclose()
        finally:
            if not self._orderly:
                self.guard.abandon()  # last of all: the cleanup needs the state directory
            self.story.end()
            self._stopped.set()
            self._news.ring()

    async def _close_guard(self) -> None:
        if self._orderly or not self.stopping:
            await self.guard.close()

    # -- what happens --------------------------------------------------------------------------------------------------

    def _on_view(self, view: View) -> None:
        if self._over:  # what others do now is nothing that this node has seen
            return
        self.chronicle.see(view)
        # A majority accepts nobody whom other voters elected, and in members mode there are no voters.
        if view.leader is not None:
            self.store.remember_voters(self.config.cluster.voters)
        self._news.ring()

    def _on_authority(self, mandate: Mandate) -> None:
        self.guard.authority(mandate)
        self.authority.changed()
        self._news.ring()

    def _on_broken(self, error: BaseException) -> None:
        """Without its election or its lanes this node must not lead: end, so that the next in line does."""
        report_failure("this node", error)
        self.broken = self.broken or error
        self._broke.set()
        self._end()

    def _on_work_ended(self, plugin: str, error: str) -> None:
        self.log.warning("work-ended", plugin=plugin, hook="while_running", error=error or "returned")

    def _on_released(self, event: Event, failed: Sequence[str]) -> None:
        if event.reason is not Reason.STARTUP:
            self._giving_back.demoted(event, failed)
