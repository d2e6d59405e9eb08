"""A host and what lives on it: clocks, a disk that outlives processes, and at most one process."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from les_hooks.daemon.narrator import Narrator, Origin, Past
from les_hooks.election.effects import Effect
from les_hooks.election.identity import Identity, Memory
from les_hooks.election.machine import Machine
from les_hooks.election.messages import Message
from les_hooks.members import Address, Boot, Part
from tests.election.sim.clocks import Clock

if TYPE_CHECKING:
    from tests.election.sim.network import Stream

__all__ = ["Disk", "Host", "Process"]


@dataclass(slots=True)
class Disk:
    """What is written there is there for ever, unless the disk is wiped.

    `counter` counts starts. `seconds` is what a write takes. A `broken` one fails, and what it was to write may be
    there all the same.
    """

    counter: int = 0
    memory: Memory = field(default_factory=Memory)
    seconds: float = 0.001
    broken: bool = False
    wiped: int = 0

    def save(self, term: int, newest: float) -> None:
        """Have the term and the stamp written."""
        known = self.memory
        self.memory = replace(known, term=max(known.term, term), newest=max(known.newest, newest))

    def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Have a vote written."""
        known = self.memory
        self.memory = replace(
            known,
            term=max(known.term, term),
            granted_term=term,
            granted_boot=boot,
            longest_lease=max(known.longest_lease, lease),
        )

    def wipe(self) -> None:
        """Lose everything."""
        self.counter, self.memory = 0, Memory()
        self.wiped += 1


class Process:
    """One life of a daemon: its machine, its links and what it dials, and the events that it tells its hooks."""

    __slots__ = (
        "armed",
        "boot",
        "demoting",
        "dialing",
        "host",
        "identity",
        "led",
        "links",
        "machine",
        "narrator",
        "since",
        "trying",
        "waiting",
        "writes",
    )

    def __init__(self, host: "Host", machine: Machine, since: float) -> None:
        self.host = host
        self.machine = machine
        self.identity: Identity = machine.identity
        self.boot = machine.identity.boot
        self.since = since
        self.links: dict[Address, Stream] = {}
        self.dialing: dict[Address, int] = {}
        self.trying: dict[Address, int] = {}
        self.armed = math.inf
        self.waiting: list[Message] = []
        self.writes: deque[tuple[Callable[..., None], Effect]] = deque()
        self.led = False
        self.demoting = False
        origin = Origin(node=host.address, name=host.address, cluster="test", nonce=self.boot.nonce)
        numbers = iter(range(1, 1_000_000))
        self.narrator = Narrator(origin, past=Past(), next_seq=numbers.__next__, wall=lambda: 0.0)


@dataclass(slots=True)
class Host:
    """`paused` processes do not run while their host accepts for them; `powered` off, nothing answers at all.

    `seeds` is whom a process looks for, all others if None. `lag` is how late timers ring.
    """

    address: Address
    part: Part = Part.MEMBER
    clock: Clock = field(default_factory=Clock)
    disk: Disk = field(default_factory=Disk)
    process: Process | None = None
    powered: bool = True
    paused: bool = False
    cleaning: bool = False
    demote_seconds: float = 0.0
    lag: float = 0.0
    seeds: tuple[str, ...] | None = None

    @property
    def machine(self) -> Machine | None:
        """The machine that runs here."""
        return self.process.machine if self.process is not None else None
