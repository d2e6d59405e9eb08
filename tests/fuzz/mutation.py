"""JSON that is nearly right: one value of a text exchanged, doubled, dropped or nested. For tests and `by_hand`.

Bytes that are changed blindly are hardly ever JSON, and so never get past the first line of a parser.
"""

import copy
import json
import random
from typing import Any, Final

__all__ = ["mutated"]

_ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64, 10**30, 10**400),
    *(-0.0, 5e-324, 0.5, 1e300, 2.0**33, 2.0**33 + 1, 4102444800.0),
    *("", "a", "a:1", "A:1", "m:1", "[::1]:1", "[::ffff:1.2.3.4]:4000", "127.0.0.1:65535", "x" * 64, "x" * 65),
    *("\x00", "\x1b[2J", "\u202e", "\ud800", "\n", "ü" * 300, "9" * 5000),
    *([], {}, [[]], [1, "x"], ["a:1"] * 257, {"kind": "beat"}),
)
_DEEPEST: Final = 60
_MOST_COPIES: Final = 300
_MOST_BYTES: Final = 100_000


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The JSON with one to three changes; what is no JSON is returned as it is."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    # Copies of copies would make much of little.
    most = max(2, min(_MOST_COPIES, _MOST_BYTES // (len(data) + 1)))
    for _ in range(chance.randint(1, 3)):
        value = _changed(value, chance, most)
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=chance.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _changed(value: Any, chance: random.Random, most: int) -> Any:
    """The value with one change somewhere in it."""
    holder: Any = None
    key: Any = None
    here = value
    while isinstance(here, dict | list) and here and chance.random() < 0.85:
        holder = here
        key = chance.choice(list(here)) if isinstance(here, dict) else chance.randrange(len(here))
        here = here[key]
    if holder is None:
        return _other(value, chance)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder[key:key] = [here] * chance.choice((1, 2, most))
        case 1 | 2 if isinstance(holder, dict):
            other = chance.choice(list(holder))
            holder[key], holder[other] = holder[other], here
        case _:
            holder[key] = _other(here, chance)
    return value


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool | str) or chance.random() < 0.6:
        return copy.deepcopy(chance.choice(_ODD))
    if isinstance(value, int):
        return value + chance.choice((-1, 1, 2**32))
    if isinstance(value, float):
        return value + chance.choice((-1.0, -0.5, 1e-6))
    for _ in range(chance.randrange(_DEEPEST)):
        value = [value]
    return value
