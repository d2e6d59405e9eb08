"""A commented `les.toml`, made of the descriptions of its keys, so that it never lacks one. For this package."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from les_hooks.config import KeyHelp, key_help
from les_hooks.config.toml_text import toml_value

__all__ = ["settings_file"]

_WIDTH = 100
_HEAD = """\
# One node of a cluster. Every key is here: those behind a # show what holds without them.
#
# `les check` says whether this file will do, `les config show --origin` what is in force and why.
# A running node takes up changes of the keys marked "live" on `les reload`, all others at its next start.
"""
_SCRIPTS = "plugins.scripts"
# Of the bundled plugin, which this package must not import; a test compares.
_SCRIPTS_KEYS: Final = (
    ("grace", '"5s"', "`scripts` alone: the time between TERM and KILL for a script that must end; 5 s at most."),
    (
        "path",
        '"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
        "`scripts` alone: the PATH that scripts get.",
    ),
)


def settings_file(
    values: Mapping[str, object],
    remarks: Mapping[str, str],
    plugins: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> str:
    """Return the text, with the `values` set, by dotted key; `remarks` are comments of their own for some of them.

    `plugins` are tables of plugins, by name.
    """
    tables: dict[str, list[KeyHelp]] = {}
    for key in key_help():
        tables.setdefault(key.key.rpartition(".")[0], []).append(key)
    parts = [_HEAD]
    for table, keys in tables.items():
        lines = _plugins(keys) if table.startswith("plugins.") else _table(table, keys, values, remarks)
        parts.append("\n".join(lines))
    parts += ["\n".join(_plugin(name, table)) for name, table in plugins.items()]
    return "\n".join(parts)


def _table(
    table: str, keys: Sequence[KeyHelp], values: Mapping[str, object], remarks: Mapping[str, str]
) -> Iterator[str]:
    # A table whose keys have no default must have all of them, or not be there.
    absent = all(key.default == "none" and key.key not in values for key in keys)
    yield f"#[{table}]" if absent else f"[{table}]"
    for key in keys:
        name = key.key.rpartition(".")[2]
        yield from _comment(_described(key))
        yield from _comment(remarks.get(key.key, ""))
        yield f"{name} = {toml_value(values[key.key])}" if key.key in values else _default(name, key)
        yield ""


def _plugins(keys: Iterable[KeyHelp]) -> Iterator[str]:
    yield from _comment(
        "Naming a plugin in a table of its own loads it: `les plugins list` shows which are installed. `scripts`, "
        "which runs what is in hooks.d, is on without one. Every plugin takes these keys, and some of its own."
    )
    yield f"#[{_SCRIPTS}]"
    for key in keys:
        yield from _comment(_described(key))
        yield _default(key.key.rpartition(".")[2], key)
    for name, default, description in _SCRIPTS_KEYS:
        yield from _comment(f"{description} (live)")
        yield f"#{name} = {default}"
    yield ""


def _plugin(name: str, table: Mapping[str, object]) -> Iterator[str]:
    yield f"[plugins.{name}]"
    for key, value in table.items():
        yield f"{key} = {toml_value(value)}"
    yield ""


def _described(key: KeyHelp) -> str:
    default = f" Default: {key.default}." if key.derived else ""
    return f"{key.description}{default}{' (live)' if key.live else ''}"


def _default(name: str, key: KeyHelp) -> str:
    # What is worked out has no value to show; where only the # is taken away, the line is refused.
    return f"#{name} =" if key.derived else f"#{name} = {key.default.strip('`')}"


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH))
