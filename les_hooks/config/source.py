"""Finding, reading and parsing `les.toml`, and telling where each value came from. For the loader."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli

from les_hooks.config.places import Position, locate
from les_hooks.config.toml_text import KeyPath, dotted
from les_hooks.errors import ConfigError, Problem

__all__ = ["DEFAULT_FILES", "Flags", "Place", "Source", "find_source", "read_source"]

Flags = Mapping[str, tuple[object, str]]
"""Dotted key to its value and the name of the flag that gave it, such as `{"node.bind": (..., "--bind-port")}`."""

DEFAULT_FILES = (Path("les.toml"), Path("/etc/les/les.toml"))
"""Where the configuration is looked for when no file is named; the first one wins."""

_MOST_BYTES = 1 << 20
# Deep enough for any table that makes sense, and flat enough for whatever walks it by recursion.
_DEEPEST = 32

# What the parser says of a key that is set twice is true of its own dictionaries.
_WORDS = {"Cannot overwrite a value": "this key is set already"}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value comes from, in words; `rank` and `position` sort places as an operator reads them."""

    rank: int
    position: Position
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A parsed file, or none: its `table`, and where its keys stand."""

    path: Path | None
    base: Path
    flags: Flags
    table: Mapping[str, object] = field(default_factory=dict)
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """Say where the value at `path` comes from: its flag, its place in the file, or that of a table around it."""
        for rank, (key, (_, flag)) in enumerate(self.flags.items(), 1):
            if key == dotted(path[:2]):
                return Place(rank, (0, 0), flag)
        for length in range(len(path), 0, -1):
            if position := self.positions.get(path[:length]):
                return Place(0, position, f"{self.path}:{position[0]}:{position[1]}")
        return self.beyond("default")

    def first_set(self, *paths: KeyPath) -> Place:
        """Return the place of the first of these keys that anybody has set."""
        said = (path for path in paths if path in self.positions or dotted(path) in self.flags)
        return self.place(next(said, paths[0]))

    def beyond(self, words: str) -> Place:
        """Return a place outside of file and flags, which comes after them."""
        return Place(len(self.flags) + 1, (0, 0), words)

    def origins(self) -> dict[str, str]:
        """Say where every key comes from that was set, elements of lists aside."""
        keys = [path for path in self.positions if all(isinstance(part, str) for part in path)]
        found = {dotted(path): self.place(path).words for path in keys}
        return found | {key: flag for key, (_, flag) in self.flags.items()}


def find_source(path: Path | None, flags: Flags) -> Source:
    """Read the file at `path`, or else the first of DEFAULT_FILES; without a file flags must say something."""
    for candidate in DEFAULT_FILES if path is None else (path,):
        source = read_source(candidate, flags)
        if source is not None:
            return source
    if path is not None:
        raise _failed(path, "there is no such file; `les init` writes one")
    if not flags:
        places = " nor ".join(map(str, DEFAULT_FILES))
        message = f"no configuration: there is neither {places}, and no flag was given; `les init` writes a file"
        raise ConfigError((Problem(where="", key="", message=message),))
    return Source(path=None, base=Path.cwd(), flags=flags)


def read_source(path: Path, flags: Flags) -> Source | None:
    """Read and parse a file; None where there is none. Raises ConfigError for what cannot be read."""
    data = _read(path)
    if data is None:
        return None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _failed(path, "is not UTF-8 from here on; save it as UTF-8", f":{line}") from None
    table = _parse(path, text)
    if _depth(table) > _DEEPEST:
        raise _failed(path, f"has tables or lists more than {_DEEPEST} deep")
    return Source(path=path, base=path.parent.absolute(), table=table, positions=locate(text), flags=flags)


def _read(path: Path) -> bytes | None:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _failed(path, "is not a file; give the path of the file itself")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _failed(path, f"cannot be read: {error.strerror}") from error
    except ValueError:  # a NUL in the name
        raise _failed(path, "is no path") from None
    if len(data) > _MOST_BYTES:
        raise _failed(path, "is larger than 1 MiB, so it is hardly a configuration")
    return data


def _parse(path: Path, text: str) -> dict[str, object]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        words = _WORDS.get(error.msg) or error.msg[:1].lower() + error.msg[1:]
        raise _failed(path, f"no TOML: {words}", f":{error.lineno}:{error.colno}") from None
    except RecursionError:
        raise _failed(path, f"has tables or lists more than {_DEEPEST} deep") from None
    except ValueError:  # Python's own limit on digits, the one thing that tomli lets through
        raise _failed(path, "has a number with thousands of digits") from None


def _depth(table: object) -> int:
    depth = 0
    level = [table]
    while level := [
        item
        for holder in level
        if isinstance(holder, dict | list)
        for item in (holder.values() if isinstance(holder, dict) else holder)
    ]:
        depth += 1
        if depth > _DEEPEST:
            break
    return depth


def _failed(path: Path, message: str, suffix: str = "") -> ConfigError:
    return ConfigError((Problem(where=f"{path}{suffix}", key="", message=message),))
