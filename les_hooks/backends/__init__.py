"""How a view of the cluster is had: the interface that the daemon wants from any engine. `peers` is the one built in.

The daemon imports it; a backend imports `election`, `wire` and the values, and nothing above them.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from les_hooks.events import Reason
from les_hooks.members import Address, Boot, Mandate, View

__all__ = ["Backend", "Disk", "OnAuthority", "OnView"]


OnView = Callable[[View], None]
"""Called with each new view, in order; returns at once and does not raise."""

OnAuthority = Callable[[Mandate], None]
"""Called with how long this node may lead, before the view that goes with it.

It is called when `confirming` changes, too: who waits for that is not to wait for the next heartbeat.
"""


class Disk(Protocol):
    """What a backend has written down, synced. Both raise OSError; calls come one after the other."""

    async def save(self, term: int, newest: float) -> None:
        """Write the highest term and the newest stamp that are known."""

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Write that this voter grants `term` to `boot`, for `lease` seconds."""


class Backend(Protocol):
    """An engine that says who leads; made with an OnView, an OnAuthority and a Disk. Times are boottime seconds.

    It also calls `on_beat` regularly from the loop of its election, and so shows that this still turns.
    """

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader."""

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

    def step_down(self, reason: Reason, note: str = "") -> None:
        """Give up leadership, and stay unfit for a while; nothing happens on a node that does not lead."""

    def transfer(self, target: Address) -> None:
        """Give up leadership, and have that member take it; nothing happens on a node that does not lead."""

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """Say why this node may not lead from now on; an empty `unfit` means that it may. A leader is demoted."""

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Look for these nodes from now on, and for those before no more."""

    async def leave(self, limit: float) -> None:
        """Say goodbye and close; a leader is demoted first, by a view. Returns when done, or after `limit` seconds."""

    def status(self) -> Mapping[str, object]:
        """What `les status` shows of the engine, as plain JSON values."""
