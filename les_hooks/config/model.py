"""A whole configuration, and what stands in `[plugins]`. The package re-exports it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.config.tables import (
    ClusterConfig,
    ControlConfig,
    HooksConfig,
    HttpConfig,
    LogConfig,
    NodeConfig,
    SecurityConfig,
    TimingConfig,
)
from les_hooks.config.written import Derived, Interval
from les_hooks.members import Part

__all__ = ["GIVEN", "NO_HOOKS", "PAGES", "Config", "PluginConfig", "PluginKeys"]

GIVEN: Mapping[str, str] = MappingProxyType({"scripts.dir": "hooks"})
"""Keys of plugins that stand in another table: `[hooks] dir` is that of `scripts`."""

PAGES = ("dashboard", "metrics")
"""The plugins that `[http] listen` loads."""

NO_HOOKS = "this node is a witness, which loads no plugins and runs no hooks"


class PluginKeys(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.<name>]`: naming a plugin loads it. It may take further keys of its own."""

    enabled: Annotated[bool, Meta(description="`false` leaves the plugin out, and its table as it is.")] = True
    critical: Annotated[
        bool, Meta(description="Step down when the plugin fails on `elected`, so that the next in line tries.")
    ] = False
    timeout: Annotated[Interval, Derived("`hooks.timeout`"), Meta(description="The time limit of each of its hooks.")]
    order: Annotated[
        int,
        Meta(
            ge=-(10**6),
            le=10**6,
            description="Plugins are called from the lowest to the highest, equal ones by name; on `demoted` the other "
            "way round.",
        ),
    ] = 0


class PluginConfig(PluginKeys, frozen=True, kw_only=True):
    """A plugin's table: the common keys, `own` as written, and `config`, its own keys as its `config_type`.

    `config` is None where the plugin takes no keys of its own, is not enabled, or could not be loaded.
    """

    own: Mapping[str, object]
    config: msgspec.Struct | None


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, valid and complete: every default is filled in, every path absolute.

    `plugins` are sorted by name; `scripts` is always among them, PAGES where `[http] listen` is set. `source` is the
    file, None where there was none, and `base` the folder that relative paths started from. `origins` tells where the
    values that were set come from, by dotted key: `les.toml:7:1`, `--seeds`, `$STATE_DIRECTORY`.
    """

    node: NodeConfig
    cluster: ClusterConfig
    timing: TimingConfig
    security: SecurityConfig
    hooks: HooksConfig
    plugins: Mapping[str, PluginConfig]
    control: ControlConfig
    http: HttpConfig
    log: LogConfig
    source: Path | None
    base: Path
    origins: Mapping[str, str]

    @property
    def wanted(self) -> tuple[str, ...]:
        """The plugins to load, in the order of their calls."""
        return tuple(
            sorted(self.plugins.keys() - self.unwanted.keys(), key=lambda name: (self.plugins[name].order, name))
        )

    @property
    def unwanted(self) -> Mapping[str, str]:
        """The plugins that are not to be loaded, each with the reason."""
        if self.cluster.role is Part.WITNESS:
            return dict.fromkeys(self.plugins, NO_HOOKS)
        return {name: "les.toml turns it off" for name, plugin in self.plugins.items() if not plugin.enabled}
