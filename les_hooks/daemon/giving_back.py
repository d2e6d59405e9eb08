"""When a node that led gives its votes back: not while anything of its leadership may still act. Imported by `node`."""

import asyncio
import math
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from les_hooks.audit import Action, Audit, Outcome
from les_hooks.backends import Backend
from les_hooks.events import Event

__all__ = ["GivingBack"]

# Nobody tells when a process group is gone, and the loop's timers stand still while the host sleeps: look this often.
_LOOK_SECONDS = 0.1


class GivingBack:
    """Tells the backend that a demotion has ended, and so that others may lead: at once where all of it is undone.

    Where it is not, the votes are kept until they run out; or, if nothing but an end is missing, until that has come.
    Where nobody can lead meanwhile, or everybody may, there is nothing to wait for. `remains` names what still runs;
    `clock` is boottime.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        remains: Callable[[], Sequence[str]],
        clock: Callable[[], float],
        audit: Audit,
        log: FilteringBoundLogger,
    ) -> None:
        self._backend = backend
        self._remains = remains
        self._clock = clock
        self._audit = audit
        self._log = log
        self._timer: asyncio.TimerHandle | None = None

    def demoted(self, event: Event, failed: Sequence[str]) -> None:
        """The demote hooks have ended; these plugins did not undo what they did."""
        running, left = self._remains(), self._left()
        if (failed or running) and 0.0 < left < math.inf:
            self._log.warning("votes-kept", seconds=round(left, 3), failed=list(failed), running=list(running))
            self._audit.record(
                Action.VOTES_KEPT,
                Outcome.FAILURE,
                reason=_words(failed, running),
                term=event.term,
                event_id=event.id,
                seconds=round(left, 3),
            )
        self._look(failed=bool(failed))

    def close(self) -> None:
        """Tell nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _left(self) -> float:
        return self._backend.mandate.release_by - self._clock()

    def _look(self, *, failed: bool) -> None:
        left = self._left()
        if 0.0 < left < math.inf and (failed or self._remains()):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left, _LOOK_SECONDS), lambda: self._look(failed=failed))
        else:
            self._backend.released()


def _words(failed: Sequence[str], running: Sequence[str]) -> str:
    parts = [
        f"not undone: {', '.join(failed)}" if failed else "",
        f"still running: {', '.join(running)}" if running else "",
    ]
    return "; ".join(part for part in parts if part)
