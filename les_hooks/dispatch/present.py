"""The call of a hook in which a piece of code runs: what it is tied to, and how long it has. Private to `dispatch`."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from les_hooks.guard import Tie

__all__ = ["Present", "present"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A call that runs: what ends it beside its own limit, and the seconds that it has before it is ended."""

    tie: Tie
    time_left: Callable[[], float]


# By task and thread, and not in the context of the plugin: that one is the same for all its calls.
present: ContextVar[Present | None] = ContextVar("les_hooks_call", default=None)
"""The present call; None outside of any."""
