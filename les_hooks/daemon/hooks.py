"""The plugins of one process and what calls them: in a running node, in `les cleanup`, in `les check` and `les hooks`.

Imported by `daemon` and what is above.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit, Outcome
from les_hooks.config import Config
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.setup import NoAuthority, Plugins
from les_hooks.dispatch import Authority, Dispatcher, PluginContext, Recorder
from les_hooks.events import Event
from les_hooks.failures import report_failure
from les_hooks.guard import Guard
from les_hooks.plugins import PluginState, Registry
from les_hooks.processes import Confinement, Runner, Unavailable

__all__ = ["Hooks"]


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


async def _at_once() -> None:
    """There is nothing to wait for."""


def _report(error: BaseException) -> None:
    report_failure("the dispatcher", error)


class Hooks:
    """`plugins` with their contexts, and the `dispatcher` that calls them; `apply` a configuration before `start`.

    Without a `guard` nobody ends what runs when this process dies, and without an `authority` it never leads. Programs
    run as `confinement` says, without one as this process.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        log: FilteringBoundLogger,
        record: Recorder,
        guard: Guard | None = None,
        authority: Authority | None = None,
        confinement: Confinement | Unavailable | None = None,
        dry_run: bool = False,
        on_released: Callable[[Event, Sequence[str]], None] = _ignore,
        on_critical: Callable[[str], None] = _ignore,
        on_broken: Callable[[BaseException], None] = _report,
        before_acting: Callable[[], Awaitable[object]] = _at_once,
    ) -> None:
        self.registry = registry
        self.lacks = ""
        """Why this node must not lead: which plugins that its configuration calls critical could not be loaded."""
        self._log = log
        leading = authority or NoAuthority()
        self._runner = Runner(guard, boottime, leading.release_left, confinement)
        self.plugins = Plugins(
            registry=registry,
            log=log,
            record=record,
            runner=self._runner,
            authority=leading,
            dry_run=dry_run,
        )
        self.dispatcher = Dispatcher(
            registry=registry,
            authority=leading,
            record=record,
            log=log,
            clock=boottime,
            on_released=on_released,
            on_critical=on_critical,
            on_broken=on_broken,
            before_acting=before_acting,
        )

    @property
    def remains(self) -> tuple[str, ...]:
        """What still runs of that which a leader, or its demotion, began; to be asked when its demotion has ended."""
        return (*self.dispatcher.remains, *(f"process group {group}" for group in self._runner.remains))

    def contexts_of(self, hook: str) -> Mapping[str, PluginContext]:
        """The contexts of the plugins that have this hook, in the order of the calls."""
        found = self.registry.implementations(hook)
        return {each.plugin: self.plugins.contexts[each.plugin] for each in found}

    def retire(self, config: Config, demotion: Callable[[], Event]) -> None:
        """Demote the plugins that `apply` of this configuration will drop; whoever leads keeps nothing of theirs."""
        gone = frozenset(self.plugins.contexts).difference(config.wanted)
        if gone:
            self.dispatcher.retire(gone, demotion())

    def apply(self, config: Config, audit: Audit | None = None) -> None:
        """Have exactly the plugins of this configuration loaded; `audit` hears which are new, and which failed."""
        before = frozenset(self.plugins.contexts)
        self.plugins.load(config)
        self.dispatcher.configure(self.plugins.contexts, self.plugins.settings)
        self.lacks = "; ".join(
            f"plugin {info.name}, which is critical, {info.why}"
            for info in self.registry.infos()
            if info.state is PluginState.FAILED and info.name in config.plugins and config.plugins[info.name].critical
        )
        if audit is not None:
            self._announce(before, config, audit)

    def _announce(self, before: frozenset[str], config: Config, audit: Audit) -> None:
        for info in self.registry.infos():
            if info.name in self.registry.loaded and info.name not in before:
                audit.record(Action.PLUGIN_LOADED, plugin=info.name, version=info.version)
            elif info.state is PluginState.FAILED and info.name in config.plugins:
                self._log.error("plugin-failed", plugin=info.name, reason=info.why)
                audit.record(Action.PLUGIN_FAILED, Outcome.FAILURE, plugin=info.name, reason=info.why)
