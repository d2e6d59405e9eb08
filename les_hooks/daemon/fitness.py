"""Whether this node may lead as far as its plugins' checks and its operator go. Imported by `node` only.

All that is known becomes one text, which the backend hears when it changes.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit
from les_hooks.daemon.lasting import Asker, Lasting
from les_hooks.events import Reason
from les_hooks.text import printable

__all__ = ["MOST_WORDS", "RELOAD_PATIENCE_SECONDS", "Fitness"]

MOST_WORDS = 256
"""The characters that a frame has for why a node is unfit."""

RELOAD_PATIENCE_SECONDS = 10.0
"""How long after a reload a check that is new, or has a new configuration, may take to say its first word."""

# Bad news goes out at once, all other news as often as this: each is a record, and a frame to every member.
_PACE_SECONDS = 0.5


@dataclass(slots=True, kw_only=True, eq=False)
class _Check:
    """One plugin's check. `unfit` is what it said last, None as long as its silence counts against the node.

    `call` is the call of it that runs: what an earlier one says comes too late.
    """

    plugin: str
    context: object
    unfit: str | None
    call: object = None
    patience: asyncio.TimerHandle | None = None

    @property
    def words(self) -> str:
        """Why the node is unfit, empty where this check has nothing against it."""
        if self.unfit is None:
            return f"plugin {self.plugin} has not said yet"
        return f"{self.plugin}: {self.unfit}" if self.unfit else ""

    def at_ease(self) -> None:
        """It has spoken, or is gone: nobody waits for its first word any more."""
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None


class Fitness:
    """Keeps the checks running and tells the backend, by `tell`, why this node may not lead, whenever that changes.

    Fails closed: a check that has not spoken yet, has raised or has ended makes the node unfit. `on_broken` is called
    with an error of ours, after which a verdict may be out of date.
    """

    def __init__(
        self,
        dispatcher: Asker,
        *,
        tell: Callable[[str, Reason], None],
        audit: Audit,
        log: FilteringBoundLogger,
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self._tell_backend = tell
        self._audit = audit
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._checks: dict[str, _Check] = {}
        self._calls = Lasting(dispatcher, "check", on_end=self._miss, on_broken=on_broken, offered=self._offer)
        self._maintenance = ""
        self._lacks = ""
        self._told = ("", Reason.UNFIT)  # what a backend begins with
        self._next_news = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def unfit(self) -> str:
        """Why this node may not lead, as the backend was told; empty where it may."""
        return self._told[0]

    def maintained(self, words: str) -> None:
        """The node is in maintenance, for these reasons; empty when that has ended."""
        self._maintenance = words
        self._look()

    def lack(self, words: str) -> None:
        """What this node must have to lead cannot be had, for these reasons; empty when it can."""
        self._lacks = words
        self._look()

    def watch(self, contexts: Mapping[str, object], patience: float = 0.0) -> None:
        """Have exactly these plugins' checks running: those with another context than before are begun anew.

        Who is new, or begun anew, has `patience` seconds to say something; what it said before holds meanwhile, and
        who has not said anything does not make the node unfit before that. A reload shall move no leadership by itself.
        """
        for plugin in [plugin for plugin in self._checks if plugin not in contexts]:
            self._checks.pop(plugin).at_ease()
        # In the order of the plugins, as the text is.
        checks, self._checks = self._checks, {}
        for plugin, context in contexts.items():
            check = self._checks[plugin] = checks.get(plugin) or self._begin(plugin, context, patience)
            if check.context is not context:
                check.context = context
                check.call = None
                self._await_word(check, patience)
        self._calls.keep(contexts)
        self._look()

    async def close(self) -> None:
        """End all checks, in bounded time. What was told last stays."""
        for check in self._checks.values():
            check.at_ease()
        self._checks = {}
        if self._timer is not None:
            self._timer.cancel()
        await self._calls.close()

    # -- one check -----------------------------------------------------------------------------------------------------

    def _begin(self, plugin: str, context: object, patience: float) -> _Check:
        check = _Check(plugin=plugin, context=context, unfit="" if patience else None)
        self._await_word(check, patience)
        return check

    def _offer(self, plugin: str) -> Mapping[str, object]:
        """What its next call gets: the way to report."""
        check = self._checks[plugin]
        call = check.call = object()
        return {"report": lambda unfit: self._hear(check, call, unfit)}

    def _hear(self, check: _Check, call: object, unfit: str) -> None:
        if not isinstance(unfit, str):
            raise TypeError(f"report takes a str, empty for a fit node, and not {type(unfit).__name__}")
        if check.call is call:
            check.at_ease()
            # At once: who reports a megabyte is not to have it kept.
            check.unfit = _line([unfit]) or ("gives no reason" if unfit else "")
            self._look()

    def _miss(self, plugin: str, error: str) -> None:
        """The check has ended, which it must not."""
        check = self._checks[plugin]
        self._log.warning("check-ended", plugin=plugin, error=error or "returned")
        check.call = None
        check.at_ease()
        check.unfit = _line([f"its check is broken: {error}" if error else "its check has ended by itself"])
        self._look()

    def _await_word(self, check: _Check, patience: float) -> None:
        check.at_ease()
        if patience:
            check.patience = self._loop.call_later(patience, self._lose_patience, check)

    def _lose_patience(self, check: _Check) -> None:
        check.patience = None
        check.unfit = None
        self._look()

    # -- all of them ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Tell what there is to tell now, or as soon as it may be told."""
        words = _line([self._maintenance, self._lacks, *(check.words for check in self._checks.values())])
        news = (words, Reason.MAINTENANCE if self._maintenance else Reason.UNFIT)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if news == self._told:
            return
        now = self._loop.time()
        if now >= self._next_news or (words and not self.unfit):
            self._next_news = now + _PACE_SECONDS
            self._tell(*news)
        else:
            self._timer = self._loop.call_at(self._next_news, self._look)

    def _tell(self, words: str, reason: Reason) -> None:
        self._told = (words, reason)
        if words:
            self._log.warning("node-unfit", reason=words)
            self._audit.record(Action.NODE_UNFIT, reason=words)
        else:
            self._log.info("node-fit")
            self._audit.record(Action.NODE_FIT)
        self._tell_backend(words, reason)


def _line(parts: Iterable[str]) -> str:
    """All that is said, on one line that a frame has room for."""
    words = printable("; ".join(part.strip() for part in parts if part.strip())[: 2 * MOST_WORDS])
    return words if len(words) <= MOST_WORDS else f"{words[: MOST_WORDS - 1]}…"
