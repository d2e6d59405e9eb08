"""The registry: finds plugins by entry point, loads those that are wanted, each by itself, and knows their hooks.

pluggy gives the check of signatures and the marker; calling is the dispatcher's. May be imported by `dispatch` and
everything above.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution, entry_points
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
import pluggy

from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_hooks.hookspecs import PROJECT, HookSpecs
from les_hooks.text import error_words

__all__ = ["Implementation", "Installed", "PluginInfo", "PluginState", "Registry"]


class Installed(Protocol):
    """What offers a plugin: an `importlib.metadata.EntryPoint`, or what stands for one in the tests of a plugin."""

    @property
    def name(self) -> str:
        """The name of the plugin."""

    @property
    def value(self) -> str:
        """Where it is, in words."""

    @property
    def dist(self) -> Distribution | None:
        """What it came with."""

    def load(self) -> Any:
        """Import it."""


class PluginState(StrEnum):
    """What has become of a plugin."""

    LOADED = "loaded"
    AVAILABLE = "available"
    """Installed, but `les.toml` does not name it."""
    DISABLED = "disabled"
    """Named with `enabled = false`, or on a witness."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What `les plugins list` shows of a plugin; `why` says why it is not loaded, `hooks` what it implements."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A plugin that can be called."""

    hooks: Mapping[str, Implementation]
    config_type: type[msgspec.Struct] | None


class Registry:
    """The plugins of one node. `installed` is what there is to choose from: by default this Python's entry points."""

    def __init__(self, installed: Iterable[Installed] | None = None) -> None:
        found = entry_points(group=PROJECT) if installed is None else installed
        self._installed: dict[str, tuple[Installed, ...]] = {}
        for point in sorted(found, key=lambda point: (point.name, point.value)):
            self._installed[point.name] = (*self._installed.get(point.name, ()), point)
        self._origins: dict[str, tuple[str, str]] = {}
        self._loaded: dict[str, _Loaded] = {}
        self._failed: dict[str, str] = {}
        self._disabled: Mapping[str, str] = MappingProxyType({})

    def load(self, names: Sequence[str], *, disabled: Mapping[str, str] = MappingProxyType({})) -> None:
        """Have exactly the named plugins loaded: those that are stay as they are, those that failed are tried again.

        Their hooks are called in the order of `names`. What fails is kept as failed with its reason and the rest is
        loaded; nothing is raised. `disabled` are those that are not wanted, each with the reason.
        """
        before, self._loaded, self._failed = self._loaded, {}, {}
        self._disabled = MappingProxyType(dict(disabled))
        for name in names:
            try:
                self._loaded[name] = before.get(name) or self._load(name)
            except PluginError as error:
                self._failed[name] = error.why

    def _load(self, name: str) -> _Loaded:
        points = self._installed.get(name, ())
        if not points:
            likely = difflib.get_close_matches(name, self._installed, n=1, cutoff=0.7)
            hint = f"did you mean {likely[0]!r}? If not, " if likely else ""
            raise PluginError(name, f"is not installed; {hint}try: pip install les-hooks-{name}")
        if len(points) > 1:
            offers = " and ".join(f"{_distribution(point) or 'somebody'} ({point.value})" for point in points)
            raise PluginError(name, f"is offered by {offers}; uninstall all but one")
        plugin = _import(name, points[0])
        try:
            return _register(name, plugin)
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # looking at an object runs a stranger's code, too
            raise PluginError(name, f"cannot be registered: {error_words(error)}") from error

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the loaded plugins, in the order of their calls."""
        return tuple(self._loaded)

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """Who implements the hook, in the order of the calls."""
        return tuple(plugin.hooks[hook] for plugin in self._loaded.values() if hook in plugin.hooks)

    def calls(self, kind: EventKind) -> tuple[Implementation, ...]:
        """Who is called for events of this kind, in the order of the calls.

        What was done last is undone first: what others of the leader's work need is there for as long as they do.
        """
        found = self.implementations(kind.hook)
        return found[::-1] if kind is EventKind.DEMOTED else found

    def implementation(self, plugin: str, hook: str) -> Implementation | None:
        """The plugin's function for the hook, if it is loaded and has one."""
        loaded = self._loaded.get(plugin)
        return loaded.hooks.get(hook) if loaded is not None else None

    def config_types(self, names: Sequence[str]) -> Mapping[str, type[msgspec.Struct] | None]:
        """The structs of the tables of those of the named plugins that can be loaded; None for who takes no keys.

        Loads them, and unloads none.
        """
        self.load(tuple(dict.fromkeys([*self._loaded, *names])), disabled=self._disabled)
        return {name: self._loaded[name].config_type for name in names if name in self._loaded}

    def fail(self, name: str, why: str) -> None:
        """Give up on a plugin until it is loaded anew."""
        self._loaded.pop(name, None)
        self._failed[name] = why

    def infos(self) -> tuple[PluginInfo, ...]:
        """All plugins that are installed, loaded or wanted, by name."""
        return tuple(self._info(name) for name in sorted({*self._installed, *self._loaded, *self._failed}))

    def _info(self, name: str) -> PluginInfo:
        loaded = self._loaded.get(name)
        distribution, version = self._origin(name)
        return PluginInfo(
            name=name,
            distribution=distribution,
            version=version,
            state=self._state(name),
            why=self._failed.get(name) or self._disabled.get(name, ""),
            hooks=tuple(sorted(loaded.hooks)) if loaded is not None else (),
        )

    def _origin(self, name: str) -> tuple[str, str]:
        """Distribution and version. Each is a file that is read and parsed; and every status asks, in the loop."""
        if name not in self._origins:
            points = self._installed.get(name, ())
            versions = ", ".join(point.dist.version for point in points if point.dist is not None)
            self._origins[name] = ", ".join(map(_distribution, points)), versions
        return self._origins[name]

    def _state(self, name: str) -> PluginState:
        if name in self._loaded:
            return PluginState.LOADED
        if name in self._failed:
            return PluginState.FAILED
        return PluginState.DISABLED if name in self._disabled else PluginState.AVAILABLE


def _distribution(point: Installed) -> str:
    return point.dist.name if point.dist is not None else ""


def _import(name: str, point: Installed) -> object:
    try:
        plugin: object = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does while it is imported
        raise PluginError(name, f"cannot be imported: {error_words(error)}") from error
    if isinstance(plugin, type):
        # pluggy would take it, and every call would then lack its `self`.
        raise PluginError(name, f"its entry point {point.value} is a class; point it at a module or an object")
    return plugin


def _register(name: str, plugin: object) -> _Loaded:
    """Check the plugin against the hookspecs.

    Each plugin has a manager of its own, which is thrown away where it fails: pluggy 1.6 leaves such a plugin half
    registered, and the name of a hook that nobody knows stays in a manager for ever.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(name, " ".join(str(error).split())) from error
    hooks = {}
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            continue  # `optionalhook`: meant for another version of les-hooks
        (impl,) = caller.get_hookimpls()
        if impl.wrapper or impl.hookwrapper:
            raise PluginError(
                name, f"{caller.name} is a wrapper, and hooks here are called one by one; remove the mark"
            )
        _check_kind(name, caller.name, impl.function)
        hooks[caller.name] = Implementation(name, impl.function, tuple(impl.argnames))
    return _Loaded(hooks=MappingProxyType(hooks), config_type=_config_type(name, hooks.get("config_type")))


def _check_kind(name: str, hook: str, function: object) -> None:
    awaited = inspect.iscoroutinefunction(function)
    if hook in ("while_leader", "while_running", "check", "prepare") and not awaited:
        # A thread cannot be ended, and this one would have to be.
        raise PluginError(name, f"{hook} must be `async def`")
    if hook in ("config_type", "commands", "recorded", "http_routes", "offers", "backends") and awaited:
        raise PluginError(name, f"{hook} must be `def`: nobody can await it where it is called")


def _config_type(name: str, found: Implementation | None) -> type[msgspec.Struct] | None:
    if found is None:
        return None
    try:
        kind = found.function()
    except (Exception, SystemExit) as error:
        raise PluginError(name, f"config_type: {error_words(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        raise PluginError(name, f"config_type returned {type(kind).__name__}; return a subclass of msgspec.Struct")
    return kind
