"""Work of plugins that lasts as long as the node runs: their `while_running` hooks. Imported by `node` only."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from les_hooks.backoff import Backoff
from les_hooks.daemon.fitness import Asker
from les_hooks.dispatch import CallResult, Overtaken

__all__ = ["HOOK", "Lasting"]

HOOK = "while_running"

# Each call bounds its own end; this is for what nobody thought of.
_END_SECONDS = 15.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Work:
    """One plugin's work. When `wanted` is taken back, `over` ends the call that runs."""

    plugin: str
    context: object
    over: Overtaken
    wanted: bool = True
    backoff: Backoff = field(default_factory=Backoff)

    def overtake(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


class Lasting:
    """Keeps the work running; `on_broken` is called with an error of ours, after which some of it may not."""

    def __init__(
        self, dispatcher: Asker, *, log: FilteringBoundLogger, on_broken: Callable[[BaseException], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._log = log
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._works: dict[str, _Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, contexts: Mapping[str, object]) -> None:
        """Have exactly these plugins' work running; that of those with another context than before is begun anew."""
        for plugin in [plugin for plugin in self._works if plugin not in contexts]:
            self._drop(self._works.pop(plugin))
        for plugin, context in contexts.items():
            work = self._works.get(plugin)
            if work is None:
                self._works[plugin] = self._begin(plugin, context)
            elif work.context is not context:
                work.context = context
                work.overtake()

    async def close(self) -> None:
        """End all work, in bounded time; may be called again."""
        self.keep({})
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=_END_SECONDS)
            for task in hanging:
                task.cancel()

    def _begin(self, plugin: str, context: object) -> _Work:
        work = _Work(plugin=plugin, context=context, over=self._loop.create_future())
        task = self._loop.create_task(self._keep(work), name=f"while-running-{plugin}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return work

    def _drop(self, work: _Work) -> None:
        work.wanted = False
        work.overtake()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_broken(error)

    async def _keep(self, work: _Work) -> None:
        while work.wanted:
            work.over = self._loop.create_future()
            result = await self._dispatcher.ask(work.plugin, HOOK, None, work.over)
            if not work.over.done():
                self._log.warning("work-ended", plugin=work.plugin, hook=HOOK, error=_error(result))
                await asyncio.wait({work.over}, timeout=work.backoff.after(result.seconds if result else 0.0))


def _error(result: CallResult | None) -> str:
    return (result.error if result is not None else "") or "returned"
