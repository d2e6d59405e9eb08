"""From a file and flags to a Config, or to all that is wrong with them."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from les_hooks.config.addresses import parse_name
from les_hooks.config.backend import check_engine
from les_hooks.config.check import REFUSED, Checker
from les_hooks.config.claims import check_claims
from les_hooks.config.common import COMMON, declared_defaults
from les_hooks.config.derive import Values, derive
from les_hooks.config.model import GIVEN, PAGES, Config, PluginConfig, PluginKeys
from les_hooks.config.rules import check_rules
from les_hooks.config.source import Flags, Source, find_source
from les_hooks.config.tables import PEERS, SECTIONS, HooksConfig
from les_hooks.config.toml_text import dotted, excerpt
from les_hooks.members import Part

__all__ = ["PluginTypes", "load_config", "load_plugin_table"]

PluginTypes = Callable[[Sequence[str]], Mapping[str, type[msgspec.Struct] | None]]
"""From names of plugins to the types of their tables: None for a plugin without keys of its own, and nothing at all
for one that cannot be loaded (its table is then kept as it is)."""

_PLUGINS = "plugins"
_ALWAYS = "scripts"
_ELSEWHERE = {field.name: section for section, kind in SECTIONS.items() for field in msgspec.structs.fields(kind)}


def load_config(
    path: Path | None = None,
    *,
    flags: Flags = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
    plugin_types: PluginTypes | None = None,
) -> Config:
    """Read `path`, or the first of DEFAULT_FILES, under the `flags`, and check all of it.

    Without `plugin_types` the plugins' own keys are not looked at. Raises ConfigError with every problem at once.
    """
    source = find_source(path, flags)
    checker = Checker(source)
    values = _read_sections(checker)
    derived = derive(values, checker, environ)
    check_rules(values, checker)
    # A witness loads no plugin, not even to ask it for its keys.
    types = None if values["cluster.role"] is Part.WITNESS else plugin_types
    backend = values["cluster.backend"]
    engines = () if backend in (None, PEERS) else (backend,)
    always = (_ALWAYS, *(PAGES if values["http.listen"] is not None else ()), *engines)
    plugins = _read_plugins(checker, values["hooks.timeout"], types, always)
    for name in engines:
        check_engine(name, plugins.get(name), checker)
    checker.raise_problems()
    sections: dict[str, Any] = {
        section: msgspec.convert(_of_section(values, section), kind) for section, kind in SECTIONS.items()
    }
    return Config(
        **sections,
        plugins=MappingProxyType(plugins),
        source=source.path,
        base=source.base,
        origins=MappingProxyType(source.origins() | derived),
    )


def load_plugin_table(
    name: str, table: Mapping[str, object], kind: type[msgspec.Struct] | None, *, base: Path
) -> PluginConfig:
    """Check the table of one plugin by itself, as the tests of a plugin need it; relative paths are relative to `base`.

    Raises ConfigError with every problem at once.
    """
    flags = {dotted((_PLUGINS, name)): (None, "table")}
    checker = Checker(Source(path=None, base=base, flags=flags, table={_PLUGINS: {name: dict(table)}}))
    plugins = _read_plugins(checker, HooksConfig(dir=base).timeout, lambda _: {name: kind}, (_ALWAYS,))
    checker.raise_problems()
    return plugins[name]


def _read_sections(checker: Checker) -> Values:
    source = checker.source
    tables: dict[str, dict[str, object]] = {}
    for section, raw in source.table.items():
        if section in SECTIONS and isinstance(raw, dict):
            tables[section] = dict(raw)
        elif section in SECTIONS:
            checker.expected("a table", raw, (section,))
        elif section != _PLUGINS:
            what = "table" if isinstance(raw, dict | list) and section not in _ELSEWHERE else "key"
            checker.unknown((section,), [*SECTIONS, _PLUGINS], what=what, elsewhere=_ELSEWHERE.get(section, ""))
    for key, (value, _) in source.flags.items():
        section, _, name = key.partition(".")
        tables.setdefault(section, {})[name] = value
    values: Values = {}
    for section, kind in SECTIONS.items():
        found = checker.fields(kind, tables.get(section, {}), (section,), elsewhere=_ELSEWHERE)
        values |= {f"{section}.{name}": None if value is REFUSED else value for name, value in found.items()}
    return values


def _of_section(values: Values, section: str) -> dict[str, Any]:
    prefix = f"{section}."
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _read_plugins(
    checker: Checker, timeout: float | None, types: PluginTypes | None, always: Sequence[str]
) -> dict[str, PluginConfig]:
    """Read all tables of plugins; the result is of use only if there was no problem."""
    tables = _plugin_tables(checker, always)
    common = {name: _common(checker, name, table) for name, table in tables.items()}
    wanted = [name for name, keys in common.items() if keys.get("enabled", True) is True]
    kinds = {name: kind for name, kind in types(wanted).items() if name in wanted} if types else {}
    fields = msgspec.structs.fields(PluginKeys)
    defaults = {field.name: field.default for field in fields if not field.required}
    defaults["timeout"] = HooksConfig(dir=checker.source.base).timeout if timeout is None else timeout
    plugins: dict[str, PluginConfig] = {}
    for name, table in tables.items():
        keys = defaults | _declared(checker, kinds.get(name), name) | common[name]
        own = {key: value for key, value in table.items() if key not in COMMON}
        for key in [key for key in own if f"{name}.{key}" in GIVEN]:
            checker.unknown((_PLUGINS, name, key), COMMON, elsewhere=GIVEN[f"{name}.{key}"])
            del own[key]
        # What is refused has its problem already, and is to make no other.
        given = {key: defaults[key] if value is REFUSED else value for key, value in keys.items()}
        config = _own(checker, kinds[name], own, given, name) if name in kinds else None
        if not any(value is REFUSED for value in (*keys.values(), config)):
            plugins[name] = PluginConfig(**keys, own=MappingProxyType(own), config=config)
    check_claims({name: plugin.config for name, plugin in plugins.items()}, checker)
    return plugins


def _plugin_tables(checker: Checker, always: Sequence[str]) -> dict[str, dict[str, object]]:
    raw = checker.source.table.get(_PLUGINS, {})
    if not isinstance(raw, dict):
        checker.expected("tables such as [plugins.vip]", raw, (_PLUGINS,))
        return {}
    tables: dict[str, dict[str, object]] = {name: {} for name in always}
    for name, table in raw.items():
        try:
            parse_name(name)
        except ValueError as error:
            checker.refuse((_PLUGINS, name), f"{excerpt(name)} {error}")
        else:
            if isinstance(table, dict):
                tables[name] = table
            else:
                checker.expected("a table", table, (_PLUGINS, name))
    return dict(sorted(tables.items()))


def _common(checker: Checker, name: str, table: Mapping[str, object]) -> dict[str, Any]:
    keys = {key: value for key, value in table.items() if key in COMMON}
    return checker.fields(PluginKeys, keys, (_PLUGINS, name))


def _declared(checker: Checker, kind: type[msgspec.Struct] | None, name: str) -> dict[str, Any]:
    """The defaults of common keys that the plugin has of its own."""
    hints = {field.name: field.type for field in msgspec.structs.fields(PluginKeys)}
    found = declared_defaults(kind).items()
    return {key: checker.converted(hints[key], default, (_PLUGINS, name, key)) for key, default in found}


def _own(
    checker: Checker,
    kind: type[msgspec.Struct] | None,
    own: Mapping[str, object],
    given: Mapping[str, Any],
    name: str,
) -> Any:
    """Check the plugin's own keys; a struct that declares common ones, too, gets what is `given` for them."""
    path = (_PLUGINS, name)
    if kind is None:
        for key in own:
            checker.unknown((*path, key), COMMON)
        return None
    try:
        return checker.struct(kind, own, path, known=COMMON, given=given)
    except Exception as error:  # the type is the plugin's own code, and no fault of it may keep the rest from loading
        return checker.refuse(path, f"the plugin cannot read its table: {type(error).__name__}: {error}")
