"""What the files of a trail tell of leaderships: all of it for `les history`, the end of it for a daemon that starts.

Of a long trail next to nothing matters here, so lines are chosen as they stand and only the chosen ones are decoded.
"""

import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from les_hooks.audit.files import TrailFile, lines, lines_backwards, opened
from les_hooks.audit.leaderships import Leaderships
from les_hooks.audit.reader import Entry, parse

__all__ = ["MOST_BYTES", "MOST_SECONDS", "read_all", "recall"]

MOST_BYTES: Final = 256 * 1024 * 1024
"""How much of a trail a start looks at: some months of it."""
MOST_SECONDS: Final = 0.25
"""How long it may look: less than a cluster takes to settle."""

_MOST_KEPT_BYTES: Final = 8 * 1024 * 1024

# A quote inside of a value is escaped, so that no value can pass for this.
_MATTERS: Final = re.compile(rb'"action" ?: ?"(?:leader|node|audit|cleanup)\.')
# The first record of a process: the line before it is the last sign of life of the process before.
_OPENING: Final = b'"audit.opened"'


def read_all(files: Sequence[TrailFile], history: Leaderships, failed: Callable[[TrailFile, OSError], None]) -> None:
    """Have the history take what the files tell; of one that cannot be read to its end `failed` is told."""

    def all_lines() -> Iterator[bytes]:
        for file in files:
            try:
                with opened(file.path) as stream:
                    yield from lines(stream)
            except OSError as error:
                failed(file, error)

    _take(_chosen(all_lines()), history)


def recall(
    files: Sequence[TrailFile],
    history: Leaderships,
    *,
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Have the history take the end of what the files tell: as much as can be read within these bounds."""
    budget = _Budget(most_bytes, clock() + most_seconds, clock)
    kept: deque[bytes] = deque()
    for file in reversed(files):
        with contextlib.suppress(OSError), opened(file.path) as stream:
            if file.packed:
                ahead = list(budget.keep(_chosen(budget.read(lines(stream)))))
                # It was read from its beginning: without its end it would leave a hole.
                kept.extendleft(() if budget.spent else reversed(ahead))
            else:
                opening = bool(kept) and _OPENING in kept[0]
                upwards = budget.read(line for _, line in lines_backwards(stream))
                kept.extendleft(budget.keep(_chosen_upwards(upwards, opening)))
        if budget.spent:
            break
    _take(kept, history)


class _Budget:
    """How many bytes may be read, and until when; `spent` once that is over."""

    def __init__(self, most_bytes: int, until: float, clock: Callable[[], float]) -> None:
        self.spent = False
        self._to_read = most_bytes
        self._to_keep = _MOST_KEPT_BYTES
        self._until = until
        self._clock = clock

    def read(self, found: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the lines until it is spent."""
        for line in found:
            self._to_read -= len(line)
            self.spent = self.spent or self._to_read < 0 or self._clock() > self._until
            if self.spent:
                return
            yield line

    def keep(self, chosen: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the lines, which will stay in memory, until it is spent."""
        for line in chosen:
            self._to_keep -= len(line)
            self.spent = self.spent or self._to_keep < 0
            if self.spent:
                return
            yield line


def _chosen(found: Iterable[bytes]) -> Iterator[bytes]:
    before = b""
    for line in found:
        if _MATTERS.search(line) is None:
            before = line
            continue
        if before and _OPENING in line:
            yield before
        before = b""
        yield line


def _chosen_upwards(found: Iterable[bytes], opening: bool) -> Iterator[bytes]:
    """The same of lines that come from the end on; `opening`: a process begins with what stands below them."""
    for line in found:
        if opening or _MATTERS.search(line) is not None:
            yield line
        opening = _OPENING in line


def _take(chosen: Iterable[bytes], history: Leaderships) -> None:
    for line in chosen:
        item = parse(0, line)
        if isinstance(item, Entry):  # `les audit verify` tells of the others
            history.take(item.record)
