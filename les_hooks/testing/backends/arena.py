"""What the author of a backend gives to the conformance test: where it is to run, and what may be asked of it there.

Imported through `les_hooks.testing.backends`.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from les_hooks.backends import Backend, Engine
from les_hooks.members import Address

__all__ = ["Arena", "Place", "Traits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What may be asked of the backend in this arena; durations in seconds.

    `replaced_within`: until there is a leader where nobody has to be waited for, and until the nodes have heard of
    each other. `lost_within`: until a node that crashed or was cut off is lost, and another one leads in its place.
    `leads_alone`: a cluster of one node has a leader. `exclusive`: there is one leader at most, even where the network
    is cut. `can_cut`: the arena can cut a node off.
    """

    replaced_within: float
    lost_within: float
    leads_alone: bool = True
    exclusive: bool = True
    can_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node runs: its address, and the table of the plugin as its `config_type`."""

    address: Address
    config: Any = None


class Arena(Protocol):
    """A cluster that does not exist yet; each check has one of its own. Nodes have numbers, from 0 on."""

    @property
    def traits(self) -> Traits:
        """What may be asked."""

    @property
    def engine(self) -> Engine:
        """What is tested."""

    async def place(self, node: int) -> Place:
        """Where this node runs: the same place whenever it is asked for."""

    async def crash(self, node: int, backend: Backend) -> None:
        """Have the process of this backend die without a word, as far as others can see it."""

    async def cut(self, node: int) -> None:
        """Have nothing reach this node, and nothing come from it; only called where `traits.can_cut`."""

    async def heal(self, node: int) -> None:
        """Undo `cut`."""

    async def close(self) -> None:
        """Take away what was made; all backends have left, or crashed."""
