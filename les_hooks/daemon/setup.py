"""From a configuration to loaded plugins with their contexts: what the daemon, `les check` and `les cleanup` share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from structlog.typing import FilteringBoundLogger

from les_hooks import config as configuration
from les_hooks.audit import Action, Audit, Outcome
from les_hooks.config import Config, Flags
from les_hooks.daemon.clock import boottime
from les_hooks.dispatch import Authority, PluginContext, PluginSettings, Recorder, gather_offers
from les_hooks.dispatch.calls import CallOutcome
from les_hooks.events import EventKind
from les_hooks.plugins import Registry
from les_hooks.processes import Runner

__all__ = ["LAST_RESORT_SECONDS", "Demotion", "NoAuthority", "Plugins", "load_config", "recorder"]

LAST_RESORT_SECONDS = 3600.0
"""For a wait in which every hook has a limit of its own: it ends only what a bug of ours would make endless."""

SCRIPTS = "scripts"
"""The one plugin that is loaded unless it is turned off; `[hooks]` is its table."""


def load_config(
    path: Path | str | None = None, *, flags: Flags = MappingProxyType({}), registry: Registry | None = None
) -> Config:
    """Read a configuration with the tables of the plugins that it names, as a Node takes it.

    Without `path`, `./les.toml` or `/etc/les/les.toml`. Raises ConfigError with every problem at once.
    """
    chosen = registry or Registry()
    return configuration.load_config(
        Path(path) if path is not None else None, flags=flags, plugin_types=chosen.config_types
    )


def recorder(audit: Audit) -> Recorder:
    """Let what knows actions and outcomes by their names leave records."""

    def record(action: str, outcome: str, /, **fields: object) -> None:
        if action.startswith("plugin."):
            _, name, word = action.split(".", 2)
            audit.plugin(name, word, outcome, fields)
        else:
            audit.record(Action(action), Outcome(outcome), **fields)  # type: ignore[arg-type]  # checked by the tests

    return record


class Demotion:
    """Passes records on, and remembers how the hooks of the last demotion ended."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._event = ""
        self.failed: tuple[str, ...] = ()
        """The plugins whose hook did not succeed."""
        self.dropped = False
        """Whether it was given up before its hooks were called."""

    def record(self, action: str, outcome: str, /, **fields: object) -> None:
        """Take a record of the dispatcher's."""
        if action == "hook.finished" and fields.get("event") == EventKind.DEMOTED:
            self._note(str(fields["event_id"]), outcome, fields.get("plugin"))
        self._record(action, outcome, **fields)

    def _note(self, event: str, outcome: str, plugin: object) -> None:
        if event != self._event:
            self._event, self.failed, self.dropped = event, (), False
        if plugin is None:
            self.dropped = True
        elif outcome != CallOutcome.SUCCESS:
            self.failed = (*self.failed, str(plugin))


class NoAuthority:
    """The authority of a process that is no daemon: it never leads.

    `release_by` is the boottime from which others may lead, where such a process undoes what a leader did.
    """

    def __init__(self, release_by: float = math.inf) -> None:
        self._release_by = release_by

    def left(self) -> float:
        """No seconds."""
        return 0.0

    def hold_left(self) -> float:
        """No seconds."""
        return 0.0

    def release_left(self) -> float:
        """Seconds until others may lead."""
        return max(0.0, self._release_by - boottime())

    async def confirmed(self) -> bool:
        """Never."""
        return False


@dataclass(slots=True, kw_only=True)
class Plugins:
    """The plugins of one configuration: their registry, and for each its context and common settings."""

    registry: Registry
    log: FilteringBoundLogger
    record: Recorder
    runner: Runner
    authority: Authority = field(default_factory=NoAuthority)
    dry_run: bool = False
    contexts: Mapping[str, PluginContext] = field(default_factory=dict)
    settings: Mapping[str, PluginSettings] = field(default_factory=dict)

    def load(self, config: Config) -> None:
        """Load what the configuration names, drop what it does not name any more, and make the contexts."""
        self.registry.load(config.wanted, disabled=config.unwanted)
        self.contexts = {name: self._context(name, config) for name in self.registry.loaded}
        self.settings = {
            name: PluginSettings(timeout=config.plugins[name].timeout, critical=config.plugins[name].critical)
            for name in self.registry.loaded
        }

    def offers(self, kind: str) -> Mapping[str, object]:
        """What the plugins offer to others under this kind, by name. Raises PluginError."""
        return gather_offers(self.registry, self.contexts, kind)

    def _context(self, name: str, config: Config) -> PluginContext:
        """Make the plugin's context; one whose configuration is the same stays, and with it what hangs on it."""
        own: Any = config.plugins[name].config
        if name == SCRIPTS and own is not None:
            own = msgspec.structs.replace(own, dir=str(config.hooks.dir))
        known = self.contexts.get(name)
        if known is not None and known.config == own:
            return known
        return PluginContext(
            name=name,
            cluster=config.cluster.name,
            config=own,
            log=self.log.bind(plugin=name),
            folder=config.node.state_dir / "plugins" / name,
            dry_run=self.dry_run,
            leading=self.authority,
            record=self.record,
            runner=self.runner.run,
            reach=self.runner.barred,
            gather=self.offers,
        )
