"""What the demo does to its cluster, as data. Imported by `director` and above."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["ACTS", "Act", "Deed"]


class Deed(StrEnum):
    """What can be done to the cluster."""

    START = "start"
    """Start all nodes, one after another."""
    KILL = "kill"
    """SIGKILL to whoever leads."""
    STOP = "stop"
    """SIGTERM to whoever leads."""
    RETURN = "return"
    """Start the node that went last."""

    @property
    def moves_leadership(self) -> bool:
        """Whether another node has to lead afterwards."""
        return self in (Deed.KILL, Deed.STOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One deed, the line that announces it (`{node}` is who it is done to), and seconds to watch what follows."""

    deed: Deed
    says: str
    watch: float


ACTS: Final = (
    Act(deed=Deed.START, says="start {node}", watch=2.2),
    Act(deed=Deed.KILL, says="kill -9 {node}: the leader dies without a word", watch=2.8),
    Act(deed=Deed.RETURN, says="start {node} again: it comes back as the most junior", watch=1.8),
    Act(deed=Deed.STOP, says="kill -TERM {node}: the leader is asked to stop", watch=2.8),
    Act(deed=Deed.RETURN, says="start {node} again: leadership does not fail back", watch=1.8),
)
"""About fifteen seconds, with what the nodes take themselves."""
