"""What the machine wants done, and what has happened. Values only; the shell carries them out in their order.

Requests are imperative, facts are in the past tense.
"""

from dataclasses import dataclass

from les_hooks.election.frames import Frame
from les_hooks.members import Address, Boot, View

__all__ = ["Changed", "Dial", "Drop", "Effect", "Left", "Pledge", "Save", "Send"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Keep a link to this address from now on: dial at once, and again until Drop; report each attempt."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Stop dialing this address, and close the link to the member of this name if there is one."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send the frame over the link to this member; nothing happens if there is none."""

    address: Address
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Write the term and the newest stamp to disk, synced, then report Saved or SaveFailed for the term."""

    term: int
    newest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """Write to disk, synced, that this voter grants `term` to `boot`, for `lease` seconds; then report it Pledged."""

    term: int
    boot: Boot
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The view of the cluster is now this one."""

    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """This node is out of the cluster; the links may be closed once what was sent is on its way."""


Effect = Dial | Drop | Send | Save | Pledge | Changed | Left
