"""How a view of the cluster is had: the interface that the daemon wants from any engine. `peers` is the one built in.

The daemon imports it; a backend imports `election`, `wire` and the values, and nothing above them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from les_hooks.events import Reason
from les_hooks.members import View

__all__ = ["Backend", "OnAuthority", "OnView", "Save"]


OnView = Callable[[View], None]
"""Called with each new view, in order; returns at once and does not raise."""

OnAuthority = Callable[[float], None]
"""Called with the boottime until which this node may lead, -inf for not at all, before the view that goes with it.

It is called when `confirming` changes, too: who waits for that is not to wait for the next heartbeat.
"""

Save = Callable[[int, float], Awaitable[None]]
"""Writes the term and the newest stamp to disk, synced; raises OSError. Calls come one after the other."""


class Backend(Protocol):
    """An engine that says who leads; made with an OnView, an OnAuthority and a Save. Times are boottime seconds.

    It also calls `on_beat` regularly from the loop of its election, and so shows that this still turns.
    """

    @property
    def authority_end(self) -> float:
        """Until when this node may act as a leader; -inf when it may not."""

    @property
    def confirming(self) -> bool:
        """Whether a leader must wait before its next side effect, until the others have answered."""

    def look(self) -> None:
        """Notice what the clocks say now; to be called in the loop before authority is relied on."""

    async def start(self) -> None:
        """Take what this node needs of its host, without being seen by others; raises StartError."""

    async def join(self) -> None:
        """Take part from now on; views follow. Raises StartError."""

    def released(self) -> None:
        """The hooks of the demotion have ended."""

    def step_down(self, reason: Reason) -> None:
        """Give up leadership, and stay unfit for a while; nothing happens on a node that does not lead."""

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Look for these nodes from now on, and for those before no more."""

    async def leave(self, limit: float) -> None:
        """Say goodbye and close; a leader is demoted first, by a view. Returns when done, or after `limit` seconds."""

    def status(self) -> Mapping[str, object]:
        """What `les status` shows of the engine, as plain JSON values."""
