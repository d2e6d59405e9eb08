"""The registry: finds plugins by entry point, loads those that are wanted, each by itself, and knows their hooks.

pluggy gives discovery by name, the check of signatures, and the marker; calling is the dispatcher's. May be imported by
`dispatch` and everything above.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec
import pluggy

from les_hooks.errors import PluginError
from les_hooks.hookspecs import PROJECT, HookSpecs

__all__ = ["Implementation", "PluginInfo", "PluginState", "Registry"]


class PluginState(StrEnum):
    """What has become of a plugin."""

    LOADED = "loaded"
    AVAILABLE = "available"
    """Installed, but `les.toml` does not name it."""
    DISABLED = "disabled"
    """Named with `enabled = false`."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What `les plugins list` shows of a plugin; `why` says what failed, `hooks` what it implements."""

    name: str
    distribution: str
    version: str
    state: PluginState
    why: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's function for one hook."""

    plugin: str
    function: Any
    arguments: tuple[str, ...]

    def bind(self, **offered: object) -> dict[str, object]:
        """Those of the offered arguments that the function takes."""
        return {name: offered[name] for name in self.arguments if name in offered}


class Registry:
    """The plugins of one node. `installed` are the entry points to choose from, by default those of this Python."""

    def __init__(self, installed: Iterable[EntryPoint] | None = None) -> None:
        found = entry_points(group=PROJECT) if installed is None else installed
        self._installed: dict[str, EntryPoint] = {}
        self._failed: dict[str, str] = {}
        self._disabled: frozenset[str] = frozenset()
        self._order: list[str] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        for point in sorted(found, key=lambda point: (point.name, point.value)):
            if self._installed.setdefault(point.name, point).value != point.value:
                self._failed[point.name] = (
                    f"two distributions offer it: {self._installed[point.name].value}, {point.value}"
                )

    def load(self, names: Sequence[str], *, disabled: Iterable[str] = ()) -> None:
        """Import and register the named plugins that are not loaded yet; drop those that are not named any more.

        Their hooks are called in the order of `names`. What fails is kept as failed with its reason and the rest is
        loaded; nothing is raised.
        """
        self._disabled = frozenset(disabled)
        for name in [loaded for loaded in self._order if loaded not in names]:
            self._manager.unregister(name=name)
        self._order = [name for name in names if self._manager.has_plugin(name) or self._loads(name)]

    def _loads(self, name: str) -> bool:
        try:
            self._register(name)
        except PluginError as error:
            self._failed[name] = error.why
            return False
        return True

    def _register(self, name: str) -> None:
        if name in self._failed and name in self._installed and self._failed[name].startswith("two distributions"):
            raise PluginError(name, self._failed[name])
        point = self._installed.get(name)
        if point is None:
            raise PluginError(name, f"is not installed; try: pip install les-hooks-{name}")
        plugin = _imported(name, point)
        try:
            self._manager.register(plugin, name=name)
            self._check_names(name, plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.has_plugin(name):  # pluggy 1.6 leaves a plugin that failed half registered
                self._manager.unregister(name=name)
            raise PluginError(name, str(error).replace("\n", " ")) from error
        self._failed.pop(name, None)

    def _check_names(self, name: str, plugin: object) -> None:
        """A hook whose name we do not know would never be called: say so instead."""
        for caller in self._manager.get_hookcallers(plugin) or ():
            if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
                raise ValueError(f"{caller.name!r} is no hook of les-hooks")

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the loaded plugins, in the order of their calls."""
        return tuple(self._order)

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """Who implements the hook, in the order of the calls."""
        caller = getattr(self._manager.hook, hook)
        found = {impl.plugin_name: impl for impl in caller.get_hookimpls()}
        return tuple(
            Implementation(name, found[name].function, tuple(found[name].argnames))
            for name in self._order
            if name in found
        )

    def implementation(self, plugin: str, hook: str) -> Implementation | None:
        """The plugin's function for the hook, if it has one."""
        return next((found for found in self.implementations(hook) if found.plugin == plugin), None)

    def config_types(self, names: Sequence[str]) -> Mapping[str, type[msgspec.Struct] | None]:
        """The structs of the tables of those of the named plugins that can be loaded; None for who takes no keys.

        Loads them.
        """
        self.load(tuple(dict.fromkeys([*self._order, *names])), disabled=self._disabled)
        types: dict[str, type[msgspec.Struct] | None] = dict.fromkeys(name for name in names if name in self._order)
        for found in self.implementations("config_type"):
            if found.plugin in types:
                try:
                    types[found.plugin] = found.function()
                except (Exception, SystemExit) as error:
                    self.fail(found.plugin, f"config_type: {_in_words(error)}")
                    del types[found.plugin]
        return types

    def fail(self, name: str, why: str) -> None:
        """Give up on a loaded plugin."""
        self._manager.unregister(name=name)
        self._order.remove(name)
        self._failed[name] = why

    def infos(self) -> tuple[PluginInfo, ...]:
        """All plugins that are installed, loaded or wanted, by name."""
        names = sorted({*self._installed, *self._failed, *self._order})
        return tuple(self._info(name) for name in names)

    def _info(self, name: str) -> PluginInfo:
        point = self._installed.get(name)
        distribution = point.dist if point is not None else None
        plugin = self._manager.get_plugin(name)
        callers = self._manager.get_hookcallers(plugin) if plugin is not None else None
        return PluginInfo(
            name=name,
            distribution=distribution.name if distribution is not None else "",
            version=distribution.version if distribution is not None else "",
            state=self._state(name),
            why=self._failed.get(name, ""),
            hooks=tuple(sorted(caller.name for caller in callers or ())),
        )

    def _state(self, name: str) -> PluginState:
        if name in self._order:
            return PluginState.LOADED
        if name in self._disabled:
            return PluginState.DISABLED
        return PluginState.FAILED if name in self._failed else PluginState.AVAILABLE


def _imported(name: str, point: EntryPoint) -> object:
    try:
        plugin: object = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does while it is imported
        raise PluginError(name, f"cannot be imported: {_in_words(error)}") from error
    if isinstance(plugin, type):
        raise PluginError(name, f"its entry point {point.value} is a class; point it at a module or an object")
    return plugin


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]
