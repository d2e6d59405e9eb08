"""Who hears of each record of the audit trail: plugins, by their hook `recorded`, and who asks for the last ones.

Imported by `node` only.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from structlog.typing import FilteringBoundLogger

from les_hooks.dispatch import PluginContext
from les_hooks.plugins import Registry
from les_hooks.text import error_words

__all__ = ["Recorded"]

Record = Mapping[str, Any]

_REMEMBERED = 500
# Records that wait for the loop: a thread that writes without end must not fill the memory.
_MOST_WAITING = 10_000
# The loop has heartbeats to send: a flood is passed on in portions, of a few milliseconds each.
_AT_ONCE = 200


class Recorded:
    """Passes records on in the loop, in their order; `hear` may be called from any thread.

    `tell` are those of ours that want to know, before the plugins.
    """

    def __init__(self, registry: Registry, log: FilteringBoundLogger, *tell: Callable[[Record], None]) -> None:
        self._registry = registry
        self._log = log
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._contexts: Mapping[str, PluginContext] = {}
        self._waiting: deque[Record] = deque(maxlen=_MOST_WAITING)
        self._lock = threading.Lock()
        self._called = False
        self._missed = 0
        self._last: deque[Record] = deque(maxlen=_REMEMBERED)
        self._complained: set[tuple[str, int]] = set()

    @property
    def last(self) -> Sequence[Record]:
        """The last records, the oldest first."""
        return tuple(self._last)

    def configure(self, contexts: Mapping[str, PluginContext]) -> None:
        """Take the contexts of the loaded plugins, by name."""
        self._contexts = contexts

    def hear(self, record: Record) -> None:
        """Take a record, to be passed on in the next round of the loop."""
        with self._lock:
            self._missed += len(self._waiting) == _MOST_WAITING
            self._waiting.append(record)
            called, self._called = self._called, True
        if called:
            return
        try:
            self._loop.call_soon_threadsafe(self._pass_on)
        except RuntimeError:  # the loop is closed: nobody is left to hear of it
            return

    def _pass_on(self) -> None:
        with self._lock:
            records = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            self._called = bool(self._waiting)
            missed, self._missed = self._missed, 0
        if self._called:
            self._loop.call_soon(self._pass_on)
        if missed:
            self._log.warning("records-missed", count=missed)
        hooks = [one for one in self._registry.implementations("recorded") if one.plugin in self._contexts]
        for record in records:
            self._last.append(record)
            for tell in self._tell:
                tell(record)
            for found in hooks:
                context = self._contexts[found.plugin]
                try:
                    found.function(**found.bind(record=record, ctx=context))
                except (Exception, SystemExit) as error:  # a stranger's code
                    self._complain(found.plugin, context, error)

    def _complain(self, plugin: str, context: PluginContext, error: BaseException) -> None:
        """Say it once: a fault of this kind would otherwise be a line for each record."""
        if (plugin, id(context)) not in self._complained:
            self._complained.add((plugin, id(context)))
            self._log.warning("recorded-failed", plugin=plugin, error=error_words(error))
