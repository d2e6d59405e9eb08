"""Writing TOML: strings, keys and values, safe to print whatever they hold. Anybody may import it."""

import re
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from enum import Enum

__all__ = ["KeyPath", "dotted", "excerpt", "toml_string", "toml_value"]

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: keys of tables, and indices of lists."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_EXCERPT = 80


def toml_string(text: str) -> str:
    """Write a basic string. What a terminal would not simply print is escaped, so that no value can play tricks."""
    return '"' + "".join(_SHORT.get(c) or (c if c.isprintable() else _escape(c)) for c in text) + '"'


def excerpt(text: str) -> str:
    """Quote foreign text for a message, cut to a length that leaves the message readable."""
    return toml_string(text) if len(text) <= _EXCERPT else toml_string(text[:_EXCERPT]) + "..."


def dotted(path: KeyPath) -> str:
    """Write a path as one key, `plugins.vip.routes[0].via`; names that are not bare are quoted."""
    words = (f"[{part}]" if isinstance(part, int) else "." + _key(part) for part in path)
    return "".join(words).removeprefix(".")


def toml_value(value: object) -> str:
    """Write a value on one line. Other kinds than TOML's own are written as the string that they convert to."""
    match value:
        case Enum():
            return toml_value(value.value)
        case bool():
            return "true" if value else "false"
        case int() if value > 1 << 64:
            return hex(value)  # Python writes no decimal of thousands of digits, yet reads a hexadecimal one
        case int() | float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            pairs = (f"{_key(str(key))} = {toml_value(item)}" for key, item in value.items() if item is not None)
            return "{ " + ", ".join(pairs) + " }" if value else "{}"
        case Set():
            return "[" + ", ".join(sorted(toml_value(item) for item in value)) + "]"
        case list() | tuple():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case _:
            return toml_string(str(value))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else excerpt(name)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
