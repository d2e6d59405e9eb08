"""Sizes of memory as an operator writes them, `"512MiB"`, to and from bytes. Anybody may import it."""

import re

__all__ = ["SIZE_PATTERN", "format_size", "parse_size"]

SIZE_PATTERN = r"^[0-9]{1,9}(KiB|MiB|GiB)$"
"""What a size looks like, for schemas; `parse_size` is the authority."""

_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB|GiB)")
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

# Below it no interpreter starts.
_LEAST = 2**24
_MOST = 2**50


def parse_size(text: str) -> int:
    """Return the bytes of `"512MiB"`; raises ValueError with the reason."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError('is no size; write a whole number and its unit (KiB, MiB or GiB), such as "512MiB"')
    size = int(match[1]) * _BYTES[match[2]]
    if not _LEAST <= size <= _MOST:
        raise ValueError(f'is not between "{format_size(_LEAST)}" and "{format_size(_MOST)}"')
    return size


def format_size(size: int) -> str:
    """Write bytes as a size in the largest unit that needs no fraction."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB") if size % _BYTES[unit] == 0)
    return f"{size // _BYTES[unit]}{unit}"
