"""A context for plugins under test: it runs programs for real, and remembers what was logged and audited."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from les_hooks.events import Event, EventKind, Reason
from les_hooks.processes import Command, Ending, Finished, Runner

__all__ = ["FakeContext", "an_event"]


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class FakeContext:
    """Implements `les_hooks.hookspecs.Context`; `seconds` is the authority that is left.

    While `confirming` is not set, others are being asked: there is no authority, and who wants to know waits. Where
    `refused` says why, no program is started. `hold` is for how long what was taken may stay; None: as long as there is
    authority. `release` is how long nobody else may lead.
    """

    config: Any
    name: str = "scripts"
    cluster: str = "web"
    state_dir: Path = Path("/nonexistent")
    dry_run: bool = False
    seconds: float = 60.0
    hold: float | None = None
    release: float = math.inf
    confirming: asyncio.Event | None = None
    refused: str = ""
    runner: Runner = field(default_factory=lambda: Runner(None))
    offered: dict[str, Mapping[str, object]] = field(default_factory=dict)
    audited: list[dict[str, Any]] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    captured: CapturingLogger = field(default_factory=CapturingLogger)

    @property
    def log(self) -> FilteringBoundLogger:
        """A log that ends up in `captured`."""
        return structlog.wrap_logger(  # type: ignore[no-any-return]  # untyped there
            self.captured, processors=[lambda logger, method, entry: ((), entry)]
        )

    @property
    def logged(self) -> list[dict[str, Any]]:
        """What was logged: the event's name and its keys."""
        return [call.kwargs for call in self.captured.calls]

    def authority(self) -> float:
        """As it was set."""
        return 0.0 if self.confirming is not None and not self.confirming.is_set() else self.seconds

    def hold_left(self) -> float:
        """As it was set."""
        return self.authority() if self.hold is None else self.hold

    def release_left(self) -> float:
        """As it was set."""
        return self.release

    def time_left(self) -> float:
        """As much as the authority that was set."""
        return self.seconds

    async def confirmed(self) -> bool:
        """Once nobody is being asked any more."""
        if self.confirming is not None:
            await self.confirming.wait()
        return self.seconds > 0

    def offers(self, kind: str) -> Mapping[str, object]:
        """As it was set."""
        return self.offered.get(kind, {})

    def audit(self, action: str, outcome: str, **fields: object) -> None:
        """Remember the record."""
        self.audited.append({"action": action, "outcome": outcome, **fields})

    def barred(self, program: Path) -> str:
        """As the runner's user is."""
        return self.runner.barred(program)

    async def run(self, command: Command) -> Finished:
        """Run it for real."""
        if self.refused:
            finished = Finished(ending=Ending.SUPERSEDED, seconds=0.0, error=self.refused)
            if command.on_end is not None:
                command.on_end(finished)
            return finished
        self.commands.append(command)
        return await self.runner.run(command)


def an_event(kind: EventKind = EventKind.ELECTED, **fields: Any) -> Event:
    """Return an event as a leader of three would tell it, with these fields changed."""
    plain: dict[str, Any] = {
        "id": "n1-1-7",
        "seq": 7,
        "kind": kind,
        "time": 1700000000.25,
        "node": "10.0.0.1:4000",
        "name": "a",
        "cluster": "web",
        "role": "leader",
        "term": 3,
        "leader": "10.0.0.1:4000",
        "previous_leader": "10.0.0.2:4000",
        "members": ("10.0.0.1:4000", "10.0.0.2:4000", "[fd00::3]:4000"),
        "member": None,
        "reason": Reason.LEADER_LOST,
        "replay": False,
    }
    return Event(**(plain | fields))
