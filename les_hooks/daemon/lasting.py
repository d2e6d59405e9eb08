"""Hooks of plugins that last as long as the node runs, such as `while_running` and `check`: begun, kept, ended.

Imported by `node` and `fitness`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from les_hooks.backoff import Backoff
from les_hooks.dispatch import CallResult, Overtaken

__all__ = ["Asker", "Lasting"]

# Each call bounds its own end; this is for what nobody thought of.
_END_SECONDS = 15.0


class Asker(Protocol):
    """What is needed of a `Dispatcher`."""

    async def ask(
        self, plugin: str, hook: str, timeout: float | None, overtaken: Overtaken | None = None, **offered: object
    ) -> CallResult | None:
        """Call one hook of one plugin, until it ends or is overtaken."""


def _nothing(_plugin: str) -> Mapping[str, object]:
    return {}


@dataclass(slots=True, kw_only=True, eq=False)
class _Work:
    """One plugin's hook. When `wanted` is taken back, `over` ends the call that runs."""

    plugin: str
    context: object
    over: Overtaken
    wanted: bool = True
    backoff: Backoff = field(default_factory=Backoff)

    def overtake(self) -> None:
        """End the call that runs; the next one has the context of then."""
        if not self.over.done():
            self.over.set_result(None)


class Lasting:
    """Keeps one hook of several plugins running: whoever returns or raises is begun again with back-off.

    `on_end` hears of each end that nobody asked for, and `on_broken` of an error of ours, after which some of it may
    not run any more. `offered` gives what a call gets besides its context.
    """

    def __init__(
        self,
        dispatcher: Asker,
        hook: str,
        *,
        on_end: Callable[[str, str], None],
        on_broken: Callable[[BaseException], None],
        offered: Callable[[str], Mapping[str, object]] = _nothing,
    ) -> None:
        """`on_end` is called with the plugin and the error in words, which are empty where it returned."""
        self._dispatcher = dispatcher
        self._hook = hook
        self._on_end = on_end
        self._on_broken = on_broken
        self._offered = offered
        self._loop = asyncio.get_running_loop()
        self._works: dict[str, _Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, contexts: Mapping[str, object]) -> None:
        """Have exactly these plugins' hooks running; those with another context than before are begun anew."""
        for plugin in [plugin for plugin in self._works if plugin not in contexts]:
            work = self._works.pop(plugin)
            work.wanted = False
            work.overtake()
        for plugin, context in contexts.items():
            work = self._works.get(plugin) or self._begin(plugin, context)
            if work.context is not context:
                work.context = context
                work.overtake()

    async def close(self) -> None:
        """End all of them, in bounded time; may be called again."""
        self.keep({})
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=_END_SECONDS)
            for task in hanging:
                task.cancel()

    def _begin(self, plugin: str, context: object) -> _Work:
        work = self._works[plugin] = _Work(plugin=plugin, context=context, over=self._loop.create_future())
        task = self._loop.create_task(self._keep(work), name=f"{self._hook}-{plugin}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return work

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_broken(error)

    async def _keep(self, work: _Work) -> None:
        while work.wanted:
            work.over = self._loop.create_future()
            offered = self._offered(work.plugin)
            result = await self._dispatcher.ask(work.plugin, self._hook, None, work.over, **offered)
            if not work.over.done():
                self._on_end(work.plugin, result.error if result is not None else "")
                await asyncio.wait({work.over}, timeout=work.backoff.after(result.seconds if result else 0.0))
