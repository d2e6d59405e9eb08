"""The files of one trail: the present one and those that were rotated away, and their lines, forwards and backwards.

Imported by who reads a trail. Memory is bounded by the longest record, whatever stands in the files.
"""

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, cast

import msgspec

from les_hooks.audit.actions import SCHEMA
from les_hooks.audit.record import MOST_RECORD_BYTES

__all__ = ["Found", "TrailFile", "find", "lines", "lines_backwards", "opened"]

# `.1`, `-20261122`, `.2026-11-22T08:15`, `.old`, each with what a packer adds; not an editor's left-overs.
_ROTATED: Final = re.compile(r"[-._](\d|old).*", re.DOTALL)
_UNKNOWN_PACKERS: Final = frozenset({".zst", ".lz4", ".Z", ".7z", ".zip"})
# The head of a file may be damaged; further in, it is no trail.
_MOST_HEAD_LINES: Final = 100
_BLOCK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFile:
    """One file of a trail, and the number of the first record in it; 0 for one without any."""

    path: Path
    first_seq: int

    @property
    def packed(self) -> bool:
        """Whether it is compressed, and so can only be read from its beginning."""
        return self.path.suffix in _PACKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files of a trail in the order of their records, and those that are left out, each with the reason."""

    files: tuple[TrailFile, ...]
    skipped: tuple[tuple[Path, str], ...]


def find(path: Path) -> Found:
    """Find the files of the trail whose present file is `path`: that one, and its neighbours that were rotated away.

    Raises OSError where the present file cannot be read, and FileNotFoundError where there is none of all.
    """
    files: dict[bytes, TrailFile] = {}
    skipped: list[tuple[Path, str]] = []
    for candidate in _candidates(path):
        try:
            seq, head = _first(candidate)
        except FileNotFoundError:  # it is not there yet, or was rotated further at this moment
            continue
        except OSError as error:
            if candidate == path:
                raise
            skipped.append((candidate, f"cannot be read ({error.strerror or error})"))
            continue
        if not seq and candidate != path:
            skipped.append((candidate, _no_trail(candidate)))
            continue
        found = TrailFile(path=candidate, first_seq=seq)
        # While a file is being compressed it is there twice, and the packed one is not complete.
        if head not in files or (files[head].packed and not found.packed):
            files[head] = found
    if not files and not skipped:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    # One that is new has no record yet: it comes last.
    ordered = sorted(files.values(), key=lambda file: (not file.first_seq, file.first_seq))
    return Found(files=tuple(ordered), skipped=tuple(skipped))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, to read what it said before it was compressed. Raises OSError, also for what is no plain file."""
    # A FIFO must not block the reader, nor a terminal become its own.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        unpack = _PACKERS.get(path.suffix)
        if unpack is None:
            yield file
        else:
            with io.BufferedReader(cast("io.RawIOBase", unpack(file))) as unpacked:
                yield unpacked


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines from where the file stands, each with its end.

    Of a line that is longer than a record can be only the beginning is kept. Raises OSError, also for a compressed file
    that is damaged.
    """
    try:
        while line := file.readline(MOST_RECORD_BYTES):
            rest = line
            while len(rest) == MOST_RECORD_BYTES and not rest.endswith(b"\n"):
                rest = file.readline(MOST_RECORD_BYTES)
            yield line
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise OSError(f"cannot be unpacked further: {error}") from error


def lines_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that is not packed from its end on, each with how many bytes precede it.

    Of a line that is longer than a record can be only the end is kept. Raises OSError.
    """
    end = begin = file.seek(0, io.SEEK_END)
    below = b""
    while begin > 0:
        size = min(_BLOCK_BYTES, begin)
        begin -= size
        file.seek(begin)
        data = file.read(size) + below
        # The first line goes on in the block above, if there is one.
        cut = (data.find(b"\n") + 1 or len(data)) if begin else 0
        for line in reversed(io.BytesIO(data[cut:]).readlines()):
            end -= len(line)
            yield end, line[-MOST_RECORD_BYTES:]
        if cut <= size:
            end = begin + cut  # more than the lines told, where one was cut
        below = data[:cut][-MOST_RECORD_BYTES:]


def _candidates(path: Path) -> Iterator[Path]:
    yield path
    with contextlib.suppress(PermissionError), os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(path.name) and entry.is_file()]
        for name in sorted(names):
            if _ROTATED.fullmatch(name, len(path.name)):
                yield path.with_name(name)


class _Head(msgspec.Struct):
    schema: str
    seq: int


def _first(path: Path) -> tuple[int, bytes]:
    """The number of the first record of the file and its line; 0 and the name where it has none. Raises OSError."""
    with opened(path) as file:
        for line in islice(lines(file), _MOST_HEAD_LINES):
            try:
                head = msgspec.json.decode(line, type=_Head)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            if head.schema == SCHEMA:
                return head.seq, line
    return 0, os.fsencode(path)


def _no_trail(path: Path) -> str:
    packer = path.suffix
    if packer in _UNKNOWN_PACKERS:
        return f"is packed as {packer}, which cannot be read here; unpack it"
    return f"has no record in its first {_MOST_HEAD_LINES} lines"


_PACKERS: Final[Mapping[str, Callable[[BinaryIO], object]]] = MappingProxyType(
    {
        ".gz": lambda file: gzip.GzipFile(fileobj=file),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
    }
)
