"""What is in force, where it comes from, and what differs between two configurations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from les_hooks.config.check import find_written
from les_hooks.config.model import GIVEN, Config, PluginConfig, PluginKeys
from les_hooks.config.tables import SECTIONS
from les_hooks.config.toml_text import KeyPath, dotted, toml_value

__all__ = ["LIVE", "Setting", "changes", "is_live", "restart_keys", "show", "written"]

LIVE = ("cluster.seeds", "hooks.dir", "hooks.timeout", "log.level", "plugins.*")
"""Patterns of the keys that may change while a node runs; all others, and the table of the plugin that is the backend,
take effect at its next start.
"""

_HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One effective value: its dotted key, itself as TOML, and where it comes from."""

    key: str
    value: str
    origin: str


def show(config: Config, *, hide: bool = True) -> tuple[Setting, ...]:
    """List every effective value in the order of the tables; optional keys of plugins that are unset are left out.

    Secret values are hidden, unless they are only compared and shown to nobody.
    """
    found: list[tuple[KeyPath, str]] = []
    for section, kind in SECTIONS.items():
        found += _fields((section,), kind, getattr(config, section), hide)
    for name, plugin in config.plugins.items():
        found += _plugin(("plugins", name), plugin, hide)
    keys = ((dotted(path), value) for path, value in found)
    return tuple(Setting(key=key, value=value, origin=config.origins.get(key, "default")) for key, value in keys)


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """Name the dotted keys whose values differ, sorted."""
    before, after = ({setting.key: setting.value for setting in show(config, hide=False)} for config in (old, new))
    return tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))


def is_live(key: str) -> bool:
    """Say whether a change of this key takes effect without a restart."""
    return any(fnmatchcase(key, pattern) for pattern in LIVE)


def restart_keys(old: Config, new: Config) -> tuple[str, ...]:
    """Name the changed keys that take effect only at the next start."""
    engine = f"plugins.{old.cluster.backend}."
    return tuple(key for key in changes(old, new) if not is_live(key) or key.startswith(engine))


def written(hint: Any, value: Any, *, hide: bool = False) -> Any:
    """Turn a value back into what stands for it in TOML: durations into strings, structs into tables.

    With `hide` what is secret is not told.
    """
    if note := find_written(hint):
        if value is None:
            return None
        return _HIDDEN if hide and note.secret else note.write(value)
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    arguments = [argument for argument in get_args(base) if argument is not NoneType]
    if get_origin(base) in (Union, UnionType) and len(arguments) == 1:
        return written(arguments[0], value, hide=hide)
    match value:
        case msgspec.Struct():
            fields = msgspec.structs.fields(value)
            return {field.encode_name: written(field.type, getattr(value, field.name), hide=hide) for field in fields}
        case list() | tuple() if arguments:
            return [written(arguments[0], item, hide=hide) for item in value]
        case set() | frozenset() if arguments:
            return sorted((written(arguments[0], item, hide=hide) for item in value), key=toml_value)
        case Mapping() if len(arguments) > 1:
            return {key: written(arguments[1], item, hide=hide) for key, item in value.items()}
        case _ if len(arguments) == 1:
            return written(arguments[0], value, hide=hide)
        case _:
            return value


def _fields(
    path: KeyPath, kind: type[msgspec.Struct], struct: msgspec.Struct, hide: bool
) -> Iterator[tuple[KeyPath, str]]:
    for field in msgspec.structs.fields(kind):
        value = getattr(struct, field.name)
        key = (*path, field.encode_name)
        if isinstance(value, msgspec.Struct):
            yield from _fields(key, type(value), value, hide)
        elif value is not None:
            yield key, toml_value(written(field.type, value, hide=hide))


def _plugin(path: KeyPath, plugin: PluginConfig, hide: bool) -> Iterator[tuple[KeyPath, str]]:
    yield from _fields(path, PluginKeys, plugin, hide)
    if plugin.config is not None:
        common = {(*path, field.encode_name) for field in msgspec.structs.fields(PluginKeys)}
        own = _fields(path, type(plugin.config), plugin.config, hide)
        yield from ((key, value) for key, value in own if key not in common and dotted(key[1:]) not in GIVEN)
    else:
        yield from (((*path, key), toml_value(value)) for key, value in plugin.own.items())
