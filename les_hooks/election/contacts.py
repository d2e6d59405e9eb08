"""Whom this node tries to reach: seeds for ever, members, and addresses that it was told of. Rules 2, 3 and 5."""

import math
from dataclasses import dataclass, field

from les_hooks.election.effects import Dial, Drop, Effect
from les_hooks.members import Address

__all__ = ["Contacts"]

# How many addresses that somebody named are tried at a time. It bounds what strangers can make this node dial, and
# leaves the rest to seeds and members; who is left out is named again, or dials us.
_MOST_HEARD_OF = 64

# How many are wanted besides the seeds, whatever for: no flood of links and lost members takes the place at the dialer
# of a seed that is looked up anew.
_MOST_WANTED = 384

# A member that fell silent may be cut off with others who do not know our seeds: it is looked for this long. Far more
# than any cluster has that elects by unanimity.
_LOOK_FOR_LOST = 3600.0
_MOST_LOST = 256


@dataclass(slots=True)
class Contacts:
    """The addresses that are dialed, and how far the first round of seeds has got.

    `known`: the seeds were looked up; `complete`: the configuration names some, and each has its address. `untried`
    were never tried to the end. `selves` are the seeds behind which this very process answered last; where an address
    moves from host to host, it is another tomorrow. `heard_at` is the boottime at which another member was first heard.
    From `alone_at` on this node need not have heard anybody: its owner said so.
    """

    me: Address
    seeds: frozenset[Address] = frozenset()
    known: bool = False
    complete: bool = False
    untried: set[Address] = field(default_factory=set)
    selves: set[Address] = field(default_factory=set)
    wanted: set[Address] = field(default_factory=set)
    estranged: dict[Address, float] = field(default_factory=dict)
    heard_at: float = math.inf
    alone_at: float = math.inf

    def set_seeds(self, seeds: frozenset[Address], unresolved: int, *, configured: bool) -> list[Effect]:
        """Take the seeds' present addresses; those that are no seeds any more are dropped by `tidy`."""
        self.seeds = seeds - {self.me}
        self.selves &= self.seeds
        self.known = True
        self.complete = configured and not unresolved
        return [effect for seed in sorted(self.seeds) for effect in self.want(seed)]

    @property
    def alone(self) -> bool:
        """Whether this node is a cluster of one: there are seeds, and all of them are itself at present."""
        return self.complete and self.seeds <= self.selves

    def tried(self, address: Address) -> None:
        """An attempt at the address has ended, either way."""
        self.untried.discard(address)

    def answered(self, address: Address) -> None:
        """Another process answered at the address."""
        self.tried(address)
        self.selves.discard(address)

    def is_self(self, address: Address) -> list[Effect]:
        """The address leads back to this node at present; a seed is tried on for ever."""
        self.tried(address)
        if address in self.seeds:
            self.selves.add(address)
        return self.unwant(address)

    def want(self, address: Address) -> list[Effect]:
        """Try to reach the address of a seed or of a member, or the other end of a link, from now on."""
        if address in self.wanted or address == self.me:
            return []
        if address not in self.seeds and len(self.wanted) >= len(self.seeds) + _MOST_WANTED:
            return []
        self.wanted.add(address)
        self.untried.add(address)
        return [Dial(address=address)]

    def hear_of(self, address: Address) -> list[Effect]:
        """Try an address once of which nothing is known but that somebody named it, unless there are too many."""
        return self.want(address) if len(self.untried - self.seeds) < _MOST_HEARD_OF else []

    def unwant(self, address: Address) -> list[Effect]:
        """Leave the address alone, unless there is another reason to try it."""
        if address not in self.wanted or address in self.seeds or address in self.estranged:
            return []
        self.wanted.discard(address)
        self.untried.discard(address)
        return [Drop(address=address)]

    def lost(self, address: Address, now: float, *, met: bool) -> list[Effect]:
        """A member fell silent: break its link, which may hang, and look for it for a while.

        For who was never `met`, and stood only in the words of others, they will look themselves.
        """
        if met and address in self.wanted and len(self.estranged) < _MOST_LOST:
            self.estranged[address] = now + _LOOK_FOR_LOST
        return self.redial(address)

    def redial(self, address: Address) -> list[Effect]:
        """Break the link, which hangs, and try a new one."""
        self.wanted.discard(address)
        effects = [Drop(address=address), *self.want(address)]
        self.tried(address)  # long ago: nobody waits for it
        return effects

    def tidy(self, engaged: frozenset[Address], now: float) -> list[Effect]:
        """Leave alone what is no seed, not looked for, tried, and not engaged: no member and not linked."""
        self.estranged = {a: end for a, end in self.estranged.items() if end > now and a not in engaged}
        idle = self.wanted - engaged - self.seeds - self.estranged.keys() - self.untried
        return [effect for address in sorted(idle) for effect in self.unwant(address)]

    def settled_at(self, settle: float) -> float:
        """The boottime from which this node may take part in an election; infinite while that is open."""
        if self.alone:
            return -math.inf
        if self.untried & self.seeds or not self.known:
            return math.inf
        return self.alone_at if self.heard_at == math.inf else self.heard_at + settle
