"""The text of one audit record: bounded values, one line of JSON. Pure; for `trail`, and who reads one."""

from collections.abc import Mapping
from enum import Enum
from itertools import islice
from typing import Final

import msgspec

from les_hooks.audit.actions import CORE_FIELDS
from les_hooks.audit.chain import CHAIN_BYTES
from les_hooks.text import encodable

__all__ = ["MOST_RECORD_BYTES", "MOST_STRING_BYTES", "bounded", "render"]

MOST_STRING_BYTES: Final = 2 * 1024
"""What a string may take in the line, quotes and escapes included."""
MOST_RECORD_BYTES: Final = 16 * 1024
"""What a record may take, with its place in the chain and its line end."""

_MOST_TEXT_BYTES = MOST_RECORD_BYTES - CHAIN_BYTES - len("\n")
_MOST_KEY_BYTES = 64
_MOST_ITEMS = 64
_MOST_DEPTH = 4
_MOST_INTEGER = 2**63

_encode = msgspec.json.encode


def bounded(value: object, depth: int = 0) -> object:
    """The value as JSON can hold it: long text cut, long lists cut, and what JSON does not know as its text."""
    if isinstance(value, Enum):
        return bounded(value.value, depth)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        # Other readers of JSON count in 64 bits, and Python refuses to write very long numbers in decimal.
        return value if abs(value) < _MOST_INTEGER else _cut(hex(value), MOST_STRING_BYTES)
    if isinstance(value, str):
        return _cut(value, MOST_STRING_BYTES)
    if depth < _MOST_DEPTH:
        if isinstance(value, Mapping):
            items = islice(value.items(), _MOST_ITEMS)
            return {_key(key): bounded(item, depth + 1) for key, item in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [bounded(item, depth + 1) for item in islice(value, _MOST_ITEMS)]
    return _cut(_text_of(value), MOST_STRING_BYTES)


def render(given: Mapping[str, object]) -> bytes:
    """The record as JSON in one line. Where it is too long, its largest free fields go, and `cut` names them."""
    record: dict[str, object] = {}
    for name, value in islice(given.items(), len(CORE_FIELDS) + _MOST_ITEMS):
        # Core fields hold single values: what else a plugin puts there becomes its text, and so has a small bound.
        record[_key(name)] = bounded(value, _MOST_DEPTH if name in CORE_FIELDS else 0)
    sizes = {name: len(_encode(value)) for name, value in record.items() if name not in CORE_FIELDS}
    cut: list[str] = []
    while len(text := _encode(record)) > _MOST_TEXT_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        del record[largest], sizes[largest]
        cut.append(largest)
        record["cut"] = cut
    return text


def _key(name: object) -> str:
    return _cut(_text_of(name), _MOST_KEY_BYTES)


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a plugin's object may do anything when asked for its text
        return f"<{type(value).__name__}>"


def _cut(text: str, most_bytes: int) -> str:
    """Shorten the text until it fits as JSON writes it; an ellipsis shows that something is missing."""
    short = encodable(text[:most_bytes])
    if len(text) <= most_bytes and len(_encode(short)) <= most_bytes:
        return short
    # Characters differ in size up to six times, so the share is a guess that only ever errs to the long side.
    while (size := len(_encode(short + "…"))) > most_bytes:
        short = short[: len(short) * most_bytes // size]
    return short + "…"
