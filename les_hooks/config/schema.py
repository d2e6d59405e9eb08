"""What is known of every key, for editors and for the documentation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from les_hooks.config.check import find_written
from les_hooks.config.common import declared_defaults
from les_hooks.config.model import PluginKeys
from les_hooks.config.show import is_live, written
from les_hooks.config.tables import SECTIONS
from les_hooks.config.toml_text import toml_value
from les_hooks.config.written import Derived, Written

__all__ = ["KeyHelp", "key_help", "schema"]

_PLUGIN = "plugins.<name>"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHelp:
    """What an operator may want to know of a key.

    `default` is TOML in backticks, or words where it is `derived`, which is worked out when the file is read.
    """

    key: str
    default: str
    derived: bool
    live: bool
    description: str


def key_help() -> Iterator[KeyHelp]:
    """Describe every key of `les.toml`, in the order of its tables."""
    tables: dict[str, type[msgspec.Struct]] = {**SECTIONS, _PLUGIN: PluginKeys}
    for table, kind in tables.items():
        yield from _help(table, kind)


def _help(table: str, kind: type[msgspec.Struct]) -> Iterator[KeyHelp]:
    for field in msgspec.structs.fields(kind):
        key = f"{table}.{field.encode_name}"
        inner = _table_in(field.type)
        if inner is not None:
            yield from _help(key, inner)
            continue
        derived = _derived(field) or ("none" if field.required else "")
        yield KeyHelp(
            key=key,
            default=derived or f"`{toml_value(written(field.type, field.default))}`",
            derived=bool(derived),
            live=is_live(key),
            description=_description(field),
        )


def _table_in(hint: Any) -> type[msgspec.Struct] | None:
    """The struct of a field that is a table within the table; None for all others."""
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(base) in (Union, UnionType):
        base = next(argument for argument in get_args(base) if argument is not NoneType)
    return base if isinstance(base, type) and issubclass(base, msgspec.Struct) else None


def schema(plugins: Mapping[str, type[msgspec.Struct] | None] = MappingProxyType({})) -> dict[str, object]:
    """Return a JSON Schema of `les.toml`; plugins' own keys are left open.

    `plugins` are the structs of those plugins that may have defaults of their own for the keys that all have.
    """
    common = _table(PluginKeys) | {"additionalProperties": True}
    tables: dict[str, object] = {section: _table(kind) for section, kind in SECTIONS.items()}
    tables["plugins"] = {
        "type": "object",
        "description": (PluginKeys.__doc__ or "").strip(),
        "properties": {name: _with_defaults(common, kind) for name, kind in plugins.items() if declared_defaults(kind)},
        "additionalProperties": common,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "les.toml",
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
    }


def _with_defaults(common: Mapping[str, Any], kind: type[msgspec.Struct] | None) -> dict[str, object]:
    hints = {field.name: field.type for field in msgspec.structs.fields(PluginKeys)}
    properties = dict(common["properties"])
    for key, default in declared_defaults(kind).items():
        properties[key] = properties[key] | {"default": msgspec.to_builtins(written(hints[key], default))}
    return {**common, "properties": properties}


def _table(kind: type[msgspec.Struct]) -> dict[str, object]:
    fields = msgspec.structs.fields(kind)
    needed = [field.encode_name for field in fields if field.required and not _derived(field)]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {field.encode_name: _property(field) for field in fields},
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
    }


def _property(field: FieldInfo) -> dict[str, object]:
    found = _value(field.type) | {"description": _description(field)}
    if not field.required and field.default is not None:
        found["default"] = msgspec.to_builtins(written(field.type, field.default))
    return found


def _value(hint: Any) -> dict[str, object]:
    """Describe one value: strings that are parsed by their pattern, all else as msgspec does."""
    note: Written | None = find_written(hint)
    inner = _table_in(hint)
    if inner is not None:
        return _table(inner)
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if note:
        return {"type": "string", "pattern": note.pattern, "examples": [note.example]}
    if get_origin(base) in (Union, UnionType):
        (kind,) = (argument for argument in get_args(base) if argument is not NoneType)
        return _value(kind)
    if base is Path:
        return {"type": "string", "minLength": 1}
    if get_origin(base) is tuple:
        limit = next(note.max_length for note in get_args(hint)[1:] if isinstance(note, msgspec.Meta))
        return {"type": "array", "items": _value(get_args(base)[0]), "uniqueItems": True, "maxItems": limit}
    # The few enums stand where they are used: most editors show that best.
    (found,), components = msgspec.json.schema_components((hint,))
    for component in components.values():
        found = {"enum": component["enum"]}
    return found


def _notes(field: FieldInfo) -> tuple[object, ...]:
    return get_args(field.type)[1:]


def _derived(field: FieldInfo) -> str:
    return next((note.words for note in _notes(field) if isinstance(note, Derived)), "")


def _description(field: FieldInfo) -> str:
    metas = (note for note in _notes(field) if isinstance(note, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")
