"""The context that a plugin gets with each call, as the daemon makes it. Imported by `dispatch` and what is above."""

import asyncio
import dataclasses
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from les_hooks.dispatch.present import present
from les_hooks.guard import Tie
from les_hooks.processes import Command, Ending, Finished

__all__ = ["NO_AUTHORITY", "Authority", "PluginContext", "Recorder", "may_act"]

NO_AUTHORITY = "no authority to act as leader"
"""Why something was not begun, in words."""


class Recorder(Protocol):
    """Leaves a record in the audit trail."""

    def __call__(self, action: str, outcome: str, /, **fields: object) -> None:
        """`action` and `outcome` are words of `docs/audit.md`."""


class Authority(Protocol):
    """How long this node may act as the leader."""

    def left(self) -> float:
        """Seconds, 0.0 when it must not act."""

    def hold_left(self) -> float:
        """Seconds for which what this node took as the leader may stay with it, 0.0 when it must be gone."""

    def release_left(self) -> float:
        """Seconds until others may lead, 0.0 once they may; infinite where this node need not fear that."""

    async def confirmed(self) -> bool:
        """Wait, for a bounded time, until it is known whether this node may act; then say so."""


async def may_act(authority: Authority, overtaken: "asyncio.Future[None]") -> bool:
    """Whether this node may act as the leader; waits for the answer, but not once it is of no interest any more."""
    asking = asyncio.ensure_future(authority.confirmed())
    try:
        waited: set[asyncio.Future[Any]] = {asking, overtaken}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return asking.done() and asking.result() and not overtaken.done()
    finally:
        asking.cancel()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class PluginContext:
    """Implements `hookspecs.Context`. Plugins may keep things by it, in a WeakKeyDictionary too."""

    name: str
    cluster: str
    config: Any
    log: FilteringBoundLogger
    folder: Path
    dry_run: bool
    leading: Authority
    record: Recorder
    runner: Callable[[Command], Awaitable[Finished]]
    reach: Callable[[Path], str]
    gather: Callable[[str], Mapping[str, object]]

    @property
    def state_dir(self) -> Path:
        """Make and return the plugin's own folder; raises OSError where that is not possible."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder

    def authority(self) -> float:
        """Seconds for which this node may still act as leader."""
        return self.leading.left()

    def hold_left(self) -> float:
        """Seconds for which what this node took as leader may stay with it."""
        return self.leading.hold_left()

    def release_left(self) -> float:
        """Seconds until others may lead."""
        return self.leading.release_left()

    def time_left(self) -> float:
        """Seconds that the present call of a hook has before it is ended."""
        call = present.get()
        return call.time_left() if call is not None else math.inf

    async def confirmed(self) -> bool:
        """Wait, for a bounded time, until it is known whether this node may act as leader; then say so."""
        return await self.leading.confirmed()

    def offers(self, kind: str) -> Mapping[str, object]:
        """What the loaded plugins offer to others under this kind, by name."""
        return self.gather(kind)

    def audit(self, action: str, outcome: str, **fields: object) -> None:
        """Leave a record of the plugin's own."""
        self.record(f"plugin.{self.name}.{action}", outcome, **fields)

    def barred(self, program: Path) -> str:
        """Why the user that `run` runs programs as could not start this one; empty where it could."""
        return self.reach(program)

    async def run(self, command: Command) -> Finished:
        """Run a program, bound as the present call is; what a leader does is begun only where this node still leads."""
        call = present.get()
        if call is not None and call.tie is Tie.AUTHORITY:
            command = dataclasses.replace(command, ends_with_authority=True)
        elif call is not None and call.tie is Tie.RELEASE:
            command = dataclasses.replace(command, releases=True)
        if command.ends_with_authority and not await self.confirmed():
            return _refused(command)
        return await self.runner(command)


def _refused(command: Command) -> Finished:
    finished = Finished(ending=Ending.SUPERSEDED, seconds=0.0, error=NO_AUTHORITY)
    if command.on_end is not None:
        command.on_end(finished)
    return finished
