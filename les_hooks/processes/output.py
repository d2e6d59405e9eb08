"""What a program prints, as lines within bounds: a script may flood its output without harm to the log or the daemon.

Private to `les_hooks.processes`.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import IO

from les_hooks.text import plain

__all__ = ["KEPT_BYTES", "LINE_BYTES", "TAKEN_BYTES", "WINDOW_SECONDS", "Lines", "Stream"]

LINE_BYTES = 4096
"""What is kept of one line."""

KEPT_BYTES = 64 * 1024
"""What is kept of one stream in one window; the rest is read, counted and dropped."""

TAKEN_BYTES = 1024 * 1024
"""What is looked at of one stream in one window; it bounds the work that a line without an end makes."""

WINDOW_SECONDS = 60.0
"""After this long the count begins anew, so that work that runs for months does not fall silent."""

# What a line costs at least: without it a flood of one-letter lines would be 32 000 log records.
_LINE_COST = 64

# One read: small enough that the lines in it are logged in a few milliseconds, heartbeats being due in between.
_CHUNK_BYTES = 8 * 1024

# A flood past its bound is still drained, or its writer would block and never end, but only this often, 64 KiB at a
# time: `yes` would otherwise take a whole core of the daemon.
_FLOOD_PAUSE_SECONDS = 0.01
_FLOOD_BYTES = 64 * 1024


class Lines:
    """Cuts bytes into clean lines within the bounds above. Pure: time is told. `cut` counts the bytes dropped."""

    def __init__(self, emit: Callable[[str], object], now: float) -> None:
        self.cut = 0
        self._emit = emit
        self._line = bytearray()
        self._used = self._taken = 0
        self._window_start = now
        self._told = False

    @property
    def full(self) -> bool:
        """Whether this window takes no more."""
        return self._used >= KEPT_BYTES or self._taken >= TAKEN_BYTES

    def feed(self, data: bytes, now: float) -> None:
        """Take what was read at `now` (seconds)."""
        if now - self._window_start >= WINDOW_SECONDS:
            self._window_start, self._used, self._taken, self._told = now, 0, 0, False
        self._taken += len(data)
        *ended, rest = data.split(b"\n") if not self.full else (data,)
        for part in ended:
            self._take(part)
            self.flush()
        self._take(rest)

    def flush(self) -> None:
        """End the line; blank ones are not worth a record."""
        text = plain(self._line.decode("utf-8", "replace"))
        self._used += max(_LINE_COST - len(self._line), 0)
        self._line.clear()
        if text.strip():
            self._emit(text)

    def _take(self, part: bytes) -> None:
        room = 0 if self.full else min(LINE_BYTES - len(self._line), KEPT_BYTES - self._used)
        self._line += part[:room]
        self._used += min(len(part), room)
        self.cut += max(len(part) - room, 0)
        if len(part) > room and self.full and not self._told:
            self._told = True
            self.flush()
            self._emit("(too much output: the rest of this minute is dropped)")


class Stream:
    """Reads one pipe of a child without blocking and hands its lines on, until `close`."""

    def __init__(self, pipe: IO[bytes], emit: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._clock = clock
        self._emit = emit
        self._lines = Lines(self._hand_on, clock())
        self._resume: asyncio.TimerHandle | None = None
        os.set_blocking(pipe.fileno(), False)
        self._listen()

    def close(self) -> int:
        """Take what is left in the pipe, close it, and return how many bytes were dropped in all."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._pipe)
        # A pipe holds 64 KiB: no more is left of a group that is gone, and a stranger who writes on is not waited for.
        with contextlib.suppress(BlockingIOError):
            for _ in range(_FLOOD_BYTES // _CHUNK_BYTES):
                if not self._read(_CHUNK_BYTES):
                    break
        self._lines.flush()
        self._pipe.close()
        return self._lines.cut

    def _hand_on(self, text: str) -> None:
        try:
            self._emit(text)
        except Exception as error:
            # The caller's bug, reported as that of any callback: the program is still waited for and ended.
            self._loop.call_exception_handler({"message": "a line of output was not taken", "exception": error})

    def _listen(self) -> None:
        self._loop.add_reader(self._pipe, self._on_readable)

    def _on_readable(self) -> None:
        try:
            more = self._read(_FLOOD_BYTES if self._lines.full else _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not more or self._lines.full:
            self._loop.remove_reader(self._pipe)
        if more and self._lines.full:
            self._resume = self._loop.call_later(_FLOOD_PAUSE_SECONDS, self._listen)

    def _read(self, size: int) -> bool:
        """Read once; False at the end of the file."""
        data = os.read(self._pipe.fileno(), size)
        self._lines.feed(data, self._clock())
        return bool(data)
