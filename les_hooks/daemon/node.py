"""One node: puts state directory, audit, guard, plugins, dispatcher and backend together, and runs them.

The command line and library users make one; see `Node`. Imported by `control`, `cli` and library users.
"""

import asyncio
import contextlib
import math
import sys
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from les_hooks import __version__
from les_hooks.audit import Action, Audit, Outcome
from les_hooks.backends.peers import PeersBackend, Settings
from les_hooks.config import Config, changes, restart_keys
from les_hooks.daemon.authority import BackendAuthority
from les_hooks.daemon.clock import boottime, instant
from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.daemon.setup import Plugins, recorder
from les_hooks.daemon.state import StateStore
from les_hooks.daemon.story import Story
from les_hooks.dispatch import Dispatcher
from les_hooks.election.identity import Identity, Timing
from les_hooks.errors import ConfigError, ControlError, Problem
from les_hooks.events import Event, EventKind, Reason
from les_hooks.guard import Guard
from les_hooks.log import Threshold, make_log
from les_hooks.members import Address, View
from les_hooks.plugins import Registry
from les_hooks.processes import Runner

__all__ = ["Node"]

# `les cleanup` of the daemon before, or that daemon itself, may hold the state directory for as long as its hooks run.
_LOCK_PATIENCE_SECONDS = 60.0

_RECORDED = {
    EventKind.ELECTED: Action.LEADER_ELECTED,
    EventKind.DEMOTED: Action.LEADER_DEMOTED,
    EventKind.REASSERTED: Action.LEADER_REASSERTED,
    EventKind.LEADER_CHANGED: Action.LEADER_CHANGED,
    EventKind.MEMBER_JOINED: Action.MEMBER_JOINED,
    EventKind.MEMBER_LEFT: Action.MEMBER_LEFT,
    EventKind.MEMBER_LOST: Action.MEMBER_LOST,
    EventKind.STARTED: Action.NODE_SETTLED,
    EventKind.STOPPING: Action.NODE_STOPPING,
}


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
    ) -> None:
        """`cleanup` is the command that the guard runs if this process dies; by default `les cleanup` of the file."""
        self.config = config
        self.threshold = Threshold(config.log.level)
        self.log = log or make_log(config.log.format, self.threshold)
        self.registry = registry or Registry()
        self.story = Story()
        self.started_at = 0.0
        self._cleanup = _cleanup_command(config) if cleanup is None else tuple(cleanup)
        self._close = contextlib.AsyncExitStack()
        self._settled = asyncio.Event()
        self._view: View | None = None
        self._news = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self.broken: BaseException | None = None

    # -- for users -----------------------------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """Whether this node leads and may act on it at this moment."""
        return self._view is not None and self._view.leading and self.authority.left() > 0.0

    @property
    def view(self) -> View | None:
        """The cluster as this node sees it, None before the first view."""
        return self._view

    @property
    def leader(self) -> Address | None:
        """The leader that this node accepts."""
        return self._view.leader if self._view is not None else None

    def events(self) -> AsyncIterator[Event]:
        """All events of this node, from its start until it has stopped."""
        return self.story.listen(from_start=True)

    async def wait_settled(self) -> None:
        """Wait for the first view of the cluster."""
        await self._settled.wait()

    async def wait_elected(self) -> None:
        """Wait until this node leads. Raises ControlError where it stops instead."""
        while not self.is_leader:
            if self._stopped.is_set():
                raise ControlError("this node has stopped, and will lead no more")
            self._news.clear()
            await self._news.wait()

    async def wait_stopped(self) -> None:
        """Wait until this node has stopped; where it did so by itself, `broken` is the error that it met."""
        await self._stopped.wait()

    def step_down(self, reason: Reason = Reason.OPERATOR) -> None:
        """Give up leadership if this node has it, and stay unfit for `hold`."""
        self.backend.step_down(reason)

    def reload(self, config: Config) -> tuple[str, ...]:
        """Take a new configuration while running, and tell the hooks again; returns the keys that changed.

        Raises ConfigError, and changes nothing, where a key differs that only a restart can change.
        """
        fixed = restart_keys(self.config, config)
        if fixed:
            why = "cannot change while the node runs; restart it, or put the old value back"
            raise ConfigError(tuple(Problem(where=config.origins.get(key, ""), key=key, message=why) for key in fixed))
        changed = changes(self.config, config)
        self.config = config
        self.threshold.level = config.log.level
        self.backend.set_seeds(tuple(config.cluster.seeds))
        self.apply_plugins(config)
        self.audit.record(Action.CONFIG_RELOADED, changed=changed)
        self._tell(self.narrator.again(Reason.RELOAD))
        return changed

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start, run the startup demotion, and join the cluster."""
        try:
            await self._start()
        except BaseException:
            await self._close.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster and stop."""
        await self.stop()

    async def _start(self) -> None:
        config, close = self.config, self._close
        self.store = await asyncio.to_thread(StateStore.open, config.node.state_dir, _LOCK_PATIENCE_SECONDS)
        close.callback(self.store.close)
        boot = self.store.next_boot()
        identity = Identity(
            address=Address(config.node.advertise), name=config.node.name, version=__version__, boot=boot
        )
        past = self.store.last_told
        self.audit = Audit(
            config.log.audit,
            node=identity.address,
            cluster=config.cluster.name,
            boot=boot.counter,
            wall=time.time,
            log=self.log,
            after_seq=past.audit_seq if past is not None else 0,
        )
        close.callback(self.audit.close)
        self.backend = self._make_backend(identity)
        await self.backend.start()
        close.push_async_callback(self.backend.leave, 0.0)
        self.store.mark_running(boot)
        self.audit.record(Action.NODE_STARTED, version=__version__, crashed_before=self.store.crashed)
        self.guard = Guard(self.log)
        self.guard.start(self._cleanup)
        close.push_async_callback(self.guard.close)
        self.authority = BackendAuthority(self.backend, boottime, config.timing.failure)
        self.narrator = Narrator(
            Origin(node=identity.address, name=identity.name, cluster=config.cluster.name, nonce=boot.nonce),
            past=Past(leader=past.leader, term=past.term, members=frozenset(past.members)) if past else Past(),
            next_seq=self.store.next_seq,
            wall=time.time,
        )
        self._load_plugins()
        self.dispatcher.start()
        close.push_async_callback(self.dispatcher.close)
        self.started_at = time.time()
        self._tell(self.narrator.startup())
        await self.dispatcher.drained(self.plugins.limit)
        await self.backend.join()

    def _make_backend(self, identity: Identity) -> PeersBackend:
        config = self.config
        timing = Timing(
            heartbeat=config.timing.heartbeat,
            failure=config.timing.failure,
            settle=config.timing.settle,
            hold=config.timing.hold,
            loop_rate=config.timing.loop_rate,
        )
        host, port = config.node.listen
        settings = Settings(
            identity=identity,
            cluster=config.cluster.name,
            host=host,
            port=port,
            seeds=tuple(config.cluster.seeds),
            retry=config.timing.retry,
            timing=timing,
        )
        return PeersBackend(
            settings,
            term=self.store.term,
            newest=self.store.newest,
            clock=instant,
            on_view=self._on_view,
            on_authority=self._on_authority,
            save=self.store.save,
        )

    def _load_plugins(self) -> None:
        self.plugins = Plugins(
            registry=self.registry,
            log=self.log,
            record=recorder(self.audit),
            runner=Runner(self.guard, boottime),
            authority=self.authority,
        )
        self.dispatcher = Dispatcher(
            registry=self.registry,
            authority=self.authority,
            record=recorder(self.audit),
            log=self.log,
            clock=boottime,
            on_released=self._on_released,
            on_critical=lambda plugin: self.step_down(Reason.CRITICAL),
            on_broken=self._on_broken,
        )
        self.apply_plugins(self.config)

    def apply_plugins(self, config: Config) -> None:
        """Have exactly the plugins of this configuration loaded, and say which they are."""
        before = set(self.plugins.contexts)
        self.plugins.load(config)
        self.dispatcher.configure(self.plugins.contexts, self.plugins.settings)
        for info in self.registry.infos():
            if info.name in self.registry.loaded and info.name not in before:
                self.audit.record(Action.PLUGIN_LOADED, plugin=info.name, version=info.version)
            elif info.why and info.name in config.plugins:
                self.log.error("plugin-failed", plugin=info.name, reason=info.why)
                self.audit.record(Action.PLUGIN_FAILED, Outcome.FAILURE, plugin=info.name, reason=info.why)

    async def stop(self) -> None:
        """Demote, say goodbye, finish the hooks, and end. May be called more than once."""
        if self._stopping is None and self.started_at:
            self._stopping = asyncio.create_task(self._stop(), name="node-stop")
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._tell(self.narrator.stopping())
        # Nobody runs the demote hooks of a node whose lanes broke; what `les cleanup` does about it needs no waiting.
        limit = self.plugins.limit if self.broken is None else 0.0
        try:
            await self.backend.leave(limit)
            await self.dispatcher.drained(limit)
            self.audit.record(Action.NODE_STOPPED)
            if self.broken is None:
                with contextlib.suppress(OSError):
                    self.store.mark_stopped()
            await self._close.aclose()
        finally:
            self.started_at = 0.0
            self.story.end()
            self._stopped.set()
            self._news.set()

    # -- what happens --------------------------------------------------------------------------------------------------

    def _on_view(self, view: View) -> None:
        self._view = view
        self._news.set()
        for event in self.narrator.tell(view):
            self._tell(event)
        if view.settled:
            self._settled.set()
            self.store.told(
                leader=self.narrator.leader,
                term=view.term,
                members=tuple(member.address for member in view.members),
                audit_seq=self.audit.seq,
            )

    def _tell(self, event: Event) -> None:
        self.audit.leadership(event.term, event.leader)
        self.dispatcher.submit(event)
        self.audit.record(
            _RECORDED[event.kind],
            reason=event.reason,
            event_id=event.id,
            event_seq=event.seq,
            role=event.role,
            member=event.member,
            previous_leader=event.previous_leader,
            members=event.members,
            replay=event.replay,
        )
        self.log.info(
            str(event.kind),
            term=event.term,
            leader=event.leader,
            reason=str(event.reason),
            **({"member": event.member} if event.member else {}),
        )
        self.story.tell(event)

    def _on_authority(self, end: float) -> None:
        if end > -math.inf:
            self.guard.authority(end)
        self.authority.changed()
        self._news.set()

    def _on_broken(self, error: BaseException) -> None:
        """Without its lanes this node must not lead: end, so that the next in line does."""
        if self.broken is None:
            self.broken = error
            self._stopping = self._stopping or asyncio.create_task(self._stop(), name="node-stop")

    def _on_released(self, event: Event) -> None:
        if event.reason is not Reason.STARTUP:
            self.backend.released()


def _cleanup_command(config: Config) -> tuple[str, ...]:
    """What undoes the work of a daemon that died; without a file there is nothing to tell it the configuration."""
    if config.source is None:
        return ()
    return (sys.executable, "-m", "les_hooks", "cleanup", "--config", str(config.source))
