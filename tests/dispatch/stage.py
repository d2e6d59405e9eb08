"""A dispatcher with plugins made of plain objects, an authority that the test sets, and all that is recorded."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog
from structlog.testing import LogCapture

from les_hooks.dispatch import Dispatcher, PluginContext, PluginSettings
from les_hooks.events import Event
from les_hooks.hookspecs import hookimpl
from les_hooks.plugins import Registry
from les_hooks.processes import Runner
from tests.telling import an_event

__all__ = ["Leading", "Offer", "Stage", "plugin", "staged"]


def plugin(**hooks: Any) -> object:
    """An object whose hooks are these functions and methods."""
    for function in hooks.values():
        hookimpl(getattr(function, "__func__", function))
    return SimpleNamespace(**hooks)


@dataclass(frozen=True)
class Offer:
    """What stands for an entry point."""

    name: str
    plugin: object
    value: str = "tests"
    dist: Distribution | None = None

    def load(self) -> object:
        return self.plugin


class Leading:
    """An authority that is what the test says; `confirming` makes who asks wait."""

    def __init__(self) -> None:
        self.seconds = 5.0
        self.release_by = math.inf
        self.asked = 0
        self.confirming: asyncio.Future[None] | None = None

    def left(self) -> float:
        return self.seconds

    def hold_left(self) -> float:
        return self.seconds

    def release_left(self) -> float:
        return max(0.0, self.release_by - asyncio.get_running_loop().time())

    async def confirmed(self) -> bool:
        self.asked += 1
        if self.confirming is not None:
            await asyncio.shield(self.confirming)
        return self.seconds > 0


@dataclass
class Stage:
    """What is on it, and what has happened."""

    dispatcher: Dispatcher
    registry: Registry
    authority: Leading
    records: list[dict[str, Any]] = field(default_factory=list)
    released: list[Event] = field(default_factory=list)
    failed: list[tuple[str, ...]] = field(default_factory=list)
    critical: list[str] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    logged: list[Any] = field(default_factory=list)

    def tell(self, kind: str, **changes: Any) -> Event:
        """Submit an event."""
        event = an_event(kind, **changes)
        self.dispatcher.submit(event)
        return event

    def note_release(self, event: Event, failed: Sequence[str]) -> None:
        """A demotion has ended."""
        self.released.append(event)
        self.failed.append(tuple(failed))

    async def settle(self) -> None:
        """Wait until all is done."""
        assert await self.dispatcher.drained(10_000.0)

    def outcomes(self, event: Event | None = None) -> list[str]:
        """How the calls for the event ended, in order."""
        return [str(r["outcome"]) for r in self.records if event is None or r["event_id"] == event.id]

    def words(self) -> list[str]:
        """The names of what was logged."""
        return [entry["event"] for entry in self.logged]


@asynccontextmanager
async def staged(
    *plugins: object,
    timeout: float = 30.0,
    critical: Sequence[int] = (),
    names: Sequence[str] = (),
    before_acting: Callable[[], Awaitable[object]] | None = None,
) -> AsyncIterator[Stage]:
    """A dispatcher that works until the end of the block; plugins are called a, b, c."""
    names = names or "abcdefgh"[: len(plugins)]
    registry = Registry([Offer(name, plugin) for name, plugin in zip(names, plugins, strict=True)])
    registry.load(names)
    assert registry.loaded == tuple(names), registry.infos()
    authority = Leading()
    loop = asyncio.get_running_loop()
    capture = LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), [capture])
    stage: Stage
    dispatcher = Dispatcher(
        registry=registry,
        authority=authority,
        record=lambda action, outcome, /, **fields: stage.records.append(
            {"action": action, "outcome": outcome, **fields}
        ),
        log=log,
        clock=loop.time,
        on_released=lambda event, failed: stage.note_release(event, failed),
        on_critical=lambda name: stage.critical.append(name),
        on_broken=lambda error: stage.broken.append(error),
        **({} if before_acting is None else {"before_acting": before_acting}),
    )
    stage = Stage(dispatcher, registry, authority, logged=capture.entries)
    contexts = {
        name: PluginContext(
            name=name,
            cluster="web",
            config=None,
            log=log,
            folder=Path("/nonexistent"),
            dry_run=False,
            leading=authority,
            record=lambda action, outcome, /, **fields: None,
            reach=lambda _program: "",
            runner=Runner(None, time.monotonic).run,
            gather=lambda kind: {},
        )
        for name in names
    }
    settings = {name: PluginSettings(timeout=timeout, critical=index in critical) for index, name in enumerate(names)}
    dispatcher.configure(contexts, settings)
    dispatcher.start()
    try:
        yield stage
    finally:
        await dispatcher.close()
