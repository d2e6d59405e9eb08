"""What a machine is given for life: who it is and how long things take. Values only."""

from dataclasses import dataclass

from les_hooks.members import Address, Boot

__all__ = ["Identity", "Timing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of one node."""

    address: Address
    name: str
    version: str
    boot: Boot


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds; `[timing]` of the configuration tells what each is for."""

    heartbeat: float = 0.5
    failure: float = 1.5
    settle: float = 0.5
    hold: float = 30.0
    loop_rate: float = 5.0
