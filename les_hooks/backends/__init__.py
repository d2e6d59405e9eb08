"""How a view of the cluster is had: the interface that the daemon wants from any engine. `peers` is the one built in,
others are plugins' (`docs/backends.md`).

The daemon imports it, and plugins do; a backend imports `election`, `wire` and the values, and nothing above them. A
plugin has what it needs of the election from here: `Identity`, `Instant`, and the roles that `les status` knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from les_hooks.election.identity import Identity
from les_hooks.election.messages import Instant
from les_hooks.election.roles import Role, Trigger, next_role
from les_hooks.events import Reason
from les_hooks.members import Address, Boot, Mandate, View

__all__ = [
    "Backend",
    "Disk",
    "Engine",
    "Identity",
    "Instant",
    "OnAuthority",
    "OnView",
    "Reports",
    "Role",
    "Seat",
    "Trigger",
    "next_role",
]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Which process of which node of which cluster it is, and how the node is configured; for an Engine.

    `hold` is for how many seconds a node stays unfit after it stepped down, `heartbeat` after how many `on_beat` is to
    be called at the latest. `config` is the plugin's table as its `config_type`. `term` is the highest term that the
    disk remembers, whatever backend it came from; a leader of this backend must have a higher one.
    """

    identity: Identity
    cluster: str
    hold: float
    heartbeat: float
    config: Any
    term: int
    log: FilteringBoundLogger


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What a backend tells its node, in the loop in which it was made: views, mandates, beats.

    `on_broken` is for an error of its own that it cannot go on after: the node then stops, and another one leads.
    """

    on_view: OnView
    on_authority: OnAuthority
    on_beat: Callable[[], None]
    on_broken: Callable[[BaseException], None]


class Engine(Protocol):
    """What a plugin's hook `backends` gives: it makes a backend for a node, and undoes what a dead one left."""

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> "Backend":
        """Make the backend of one process. It touches nothing before `start`."""

    async def release(self, seat: Seat) -> None:
        """Let others lead at once: the process of this seat is dead, and nothing of what it did as leader is left.

        Called by whoever cleaned up after it, and before a node joins anew. It must be bounded; what it raises is
        logged, as what it cannot say now runs out by itself.
        """


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
        """Give up leadership, and have that member take it; nothing happens on a node that does not lead.

        Raises ControlError where this backend cannot do that.
        """

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """Say why this node may not lead from now on; an empty `unfit` means that it may. A leader is demoted."""

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Look for these nodes from now on, and for those before no more; one that needs no seeds does nothing."""

    async def leave(self, limit: float) -> None:
        """Say goodbye and close; a leader is demoted first, by a view. Returns when done, or after `limit` seconds."""

    def status(self) -> Mapping[str, object]:
        """What `les status` shows of the engine, as plain JSON values.

        `summary` is a line for people, `warnings` a sentence each of what an operator should mend, `failing` for how
        many seconds what it asks has not answered (None where it does), `links` is whom this node has one with, where
        members have links; each may be absent, and the rest is free.
        """
