"""Checking raw TOML values against the types of the model, all problems in one walk. For the loader.

msgspec stops at the first fault and knows no lines; so this walks the types itself, tells each fault in words of its
own, and asks `msgspec.convert` about each value that it finds no fault with.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from les_hooks.config.source import Place, Source
from les_hooks.config.toml_text import KeyPath, dotted, excerpt, toml_string, toml_value
from les_hooks.config.written import Written, parse_path
from les_hooks.errors import ConfigError, Problem

__all__ = ["REFUSED", "Checker", "find_written"]

REFUSED: Any = object()
"""What stands for a value that has a problem, once that is noted."""

# More would help nobody, and the search for suggestions costs time.
_MOST_PROBLEMS = 200

_BACKEND: KeyPath = ("cluster", "backend")

_KINDS = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
_LISTS = (list, tuple, set, frozenset)


class Checker:
    """Collects the problems of one configuration."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._problems: list[tuple[Place, Problem]] = []
        self._more = 0

    def refuse(self, path: KeyPath, message: str, *, place: Place | None = None) -> Any:
        """Note a problem with the value at `path`; `place` is given where another place is to blame."""
        if len(self._problems) < _MOST_PROBLEMS:
            where = place or self.source.place(path)
            self._problems.append((where, Problem(where=where.words, key=dotted(path), message=message)))
        else:
            self._more += 1
        return REFUSED

    def raise_problems(self) -> None:
        """Raise ConfigError with all problems in the order of the file, if there are any."""
        if self._problems:
            problems = [problem for _, problem in sorted(self._problems, key=lambda pair: pair[0])]
            if self._more:
                problems.append(Problem(where=str(self.source.path), key="", message=f"and {self._more} problems more"))
            raise ConfigError(tuple(problems))

    def unknown(self, path: KeyPath, known: Iterable[str], *, what: str = "key", elsewhere: str = "") -> None:
        """Note that the last part of `path` is none of the `known` words; `elsewhere` is the table that has it."""
        word = str(path[-1])
        names = list(known)
        if elsewhere:
            hint = f"it belongs in [{elsewhere}]"
        elif len(self._problems) < _MOST_PROBLEMS and (near := difflib.get_close_matches(word[:64], names, n=1)):
            hint = f"did you mean '{near[0]}'?"
        elif names:
            hint = f"known here: {', '.join(names)}"
        else:
            hint = "none is known here"
        self.refuse(path, f"unknown {what}; {hint}")

    def fields(
        self,
        kind: type[msgspec.Struct],
        table: Mapping[str, object],
        path: KeyPath,
        *,
        known: Collection[str] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Check the fields that the table sets, unknown keys included.

        `known` names keys that somebody else looks after, and `elsewhere` maps the keys of other tables to these.
        """
        hints = {field.encode_name: field.type for field in _fields(kind)}
        for key in table:
            if key not in hints and key not in known:
                self.unknown((*path, key), [*hints, *known], elsewhere=elsewhere.get(key, ""))
        return {key: self.value(hints[key], raw, (*path, key)) for key, raw in table.items() if key in hints}

    def struct(
        self,
        kind: type[msgspec.Struct],
        table: Mapping[str, object],
        path: KeyPath,
        *,
        known: Collection[str] = (),
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Check a whole table, keys that must be there included; returns the struct or REFUSED.

        `given` are values that were checked already, for those of its fields that the table does not hold.
        """
        tag = kind.__struct_config__.tag_field
        values = self.fields(kind, table, path, known=[*known, *([tag] if tag else [])])
        values |= {f.encode_name: given[f.encode_name] for f in _fields(kind) if f.encode_name in given}
        missing = [f.encode_name for f in _fields(kind) if f.required and f.encode_name not in {**table, **given}]
        for key in missing:
            self.refuse((*path, key), "is missing, and has no default", place=self._place_of_table(path))
        if missing or any(value is REFUSED for value in values.values()):
            return REFUSED
        values |= {
            field.encode_name: self.source.base / field.default
            for field in _fields(kind)
            if isinstance(field.default, Path) and field.encode_name not in table
        }
        return self.converted(kind, values | ({tag: table[tag]} if tag and tag in table else {}), path)

    def _place_of_table(self, path: KeyPath) -> Place:
        """Where a table is; that of a plugin which nothing but `backend` asks for is where that is said."""
        here, asked = self.source.place(path), self.source.place(_BACKEND)
        return asked if here.rank > asked.rank and path[:1] == ("plugins",) else here

    def value(self, hint: Any, raw: object, path: KeyPath) -> Any:
        """Check one value against a type; returns what `msgspec.convert` makes of it, or REFUSED."""
        written = find_written(hint)
        base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        origin, arguments = get_origin(base), get_args(base)
        if written:
            return self._written(written, hint, raw, path)
        if origin in (Union, UnionType) and len(rest := [a for a in arguments if a is not NoneType]) == 1:
            return self.value(rest[0], raw, path)
        if base is Path:
            return self._path(raw, path)
        if origin is Literal or (isinstance(base, type) and issubclass(base, Enum)):
            choices = arguments if origin is Literal else tuple(member.value for member in base)
            return self._choice(hint, choices, raw, path)
        if isinstance(base, type) and issubclass(base, msgspec.Struct) and not base.__struct_config__.array_like:
            return self.struct(base, raw, path) if isinstance(raw, dict) else self.expected("a table", raw, path)
        if origin in _LISTS and (origin is not tuple or arguments[1:] == (...,)):
            return self._list(hint, arguments[0], raw, path)
        if origin in (dict, Mapping):
            return self._mapping(hint, arguments[1], raw, path)
        kind = _KINDS.get(base)
        if kind and type(raw) is not base and not (base is float and type(raw) is int):
            return self.expected(kind, raw, path)
        return self.converted(hint, raw, path)

    def converted(self, hint: Any, value: object, path: KeyPath) -> Any:
        """Ask msgspec, which has the last word."""
        try:
            return msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            reason = str(error).replace("`", "")
            return self.refuse(path, reason[:1].lower() + reason[1:])

    def expected(self, what: str, raw: object, path: KeyPath) -> Any:
        """Note that the value at `path` is of the wrong kind."""
        return self.refuse(path, f"expected {what}, got {_describe(raw)}")

    def _written(self, written: Written, hint: Any, raw: object, path: KeyPath) -> Any:
        if not isinstance(raw, str):
            return self.expected(f"{written.what} as a string, such as {toml_string(written.example)}", raw, path)
        try:
            return self.converted(hint, written.parse(raw), path)
        except ValueError as error:
            return self.refuse(path, f"{'what it holds' if written.secret else excerpt(raw)} {error}")

    def _path(self, raw: object, path: KeyPath) -> Any:
        if not isinstance(raw, str):
            return self.expected("a path as a string", raw, path)
        try:
            return parse_path(raw, self.source.base)
        except ValueError as error:
            return self.refuse(path, f"{excerpt(raw)} {error}")

    def _choice(self, hint: Any, choices: tuple[object, ...], raw: object, path: KeyPath) -> Any:
        if raw in choices:
            return self.converted(hint, raw, path)
        words = [str(choice) for choice in choices]
        *most, last = map(toml_string, words)
        expected = f"{', '.join(most)} or {last}" if most else last
        near = difflib.get_close_matches(raw[:64], words, n=1) if isinstance(raw, str) else []
        hint_words = f"; did you mean {toml_string(near[0])}?" if near and len(words) > 1 else ""
        got = excerpt(raw) if isinstance(raw, str) else _describe(raw)
        return self.refuse(path, f"expected {expected}, got {got}{hint_words}")

    def _list(self, hint: Any, item: Any, raw: object, path: KeyPath) -> Any:
        if not isinstance(raw, list):
            return self.expected("a list", raw, path)
        values = [self.value(item, element, (*path, index)) for index, element in enumerate(raw)]
        return REFUSED if any(value is REFUSED for value in values) else self.converted(hint, values, path)

    def _mapping(self, hint: Any, item: Any, raw: object, path: KeyPath) -> Any:
        if not isinstance(raw, dict):
            return self.expected("a table", raw, path)
        values = {key: self.value(item, element, (*path, key)) for key, element in raw.items()}
        return REFUSED if any(value is REFUSED for value in values.values()) else self.converted(hint, values, path)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    return msgspec.structs.fields(kind)  # which resolves all annotations anew each time


def find_written(hint: Any) -> Written | None:
    """Return how a field of this type is written, None where it is written as what it is."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, Written)), None)


def _describe(raw: object) -> str:
    if isinstance(raw, bool):
        return toml_value(raw)
    if isinstance(raw, dict):
        return "a table"
    if isinstance(raw, list):
        return "a list"
    return _KINDS.get(type(raw), "a date or time")
