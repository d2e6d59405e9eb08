"""filelock: several nodes of one host have their leader from locks of the kernel.

board      the file that they share, and who of them is alive
backend    one process of one node
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from les_hooks import Context, Duration, Reason, hookimpl
from les_hooks.backends import Disk, Engine, Instant, Reports, Seat
from les_hooks_filelock.backend import FileLockBackend
from les_hooks_filelock.board import Board

_TRIES = 50
_PAUSE_SECONDS = 0.02


class FileLockConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.filelock]`: the folder that the nodes share, and for how long nobody leads in the place of a leader
    that died, so that its programs can be ended. `les cleanup` does that, and then nobody waits.
    """

    folder: Path
    patience: Duration = 5.0


class FileLockEngine:
    """Makes backends, and clears up after those whose process died."""

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        """Make the backend of one process."""
        return FileLockBackend(seat, reports, clock, disk)

    async def release(self, seat: Seat) -> None:
        """Let others lead in the place of a process that died."""
        board = Board(seat.config.folder / seat.cluster)
        for _ in range(_TRIES):
            try:
                with board.turn() as sheet:
                    sheet.strike(seat.identity.boot, Reason.LEADER_LOST)
            except BlockingIOError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """The keys of `[plugins.filelock]`."""
    return FileLockConfig


@hookimpl
def backends() -> Mapping[str, Engine]:
    """The engine of `backend = "filelock"`."""
    return {"filelock": FileLockEngine()}


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """What `les check` is to complain about."""
    folder = ctx.config.folder
    return [] if folder.is_dir() else [f"folder: there is no folder {folder}; make it, for all nodes of this host"]
