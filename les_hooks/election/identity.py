"""What a machine is given for life: who it is, what its disk remembers, and how long things take. Values only."""

import math
from dataclasses import dataclass

from les_hooks.members import Address, Boot, Part

__all__ = ["Identity", "Memory", "Timing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of one node."""

    address: Address
    name: str
    version: str
    boot: Boot
    part: Part = Part.MEMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the disk remembers, all zero for nothing.

    `term` and `newest` are the highest term and the newest stamp that were known. As a voter this node last granted
    `granted_term`, to the process `granted_boot`, and never for longer than `longest_lease` seconds. `kept`: there was
    something to remember; without, this node may have forgotten a promise.
    """

    term: int = 0
    newest: float = 0.0
    granted_term: int = 0
    granted_boot: Boot | None = None
    longest_lease: float = 0.0
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds; `[timing]` of the configuration tells what each is for."""

    heartbeat: float = 0.5
    failure: float = 1.5
    settle: float = 0.5
    hold: float = 30.0
    loop_rate: float = 5.0
    lease: float = 4.0
    alone_after: float = math.inf
