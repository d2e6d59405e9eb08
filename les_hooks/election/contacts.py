"""Whom this node tries to reach: seeds for ever, members, and addresses that it was told of. Rules 2, 3 and 5."""

import math
from dataclasses import dataclass, field

from les_hooks.election.effects import Dial, Drop, Effect
from les_hooks.members import Address

__all__ = ["Contacts"]

# Far beyond any cluster that elects by unanimity; it bounds what a peer's member list can make this node dial.
_MOST_CONTACTS = 256

# A member that fell silent may be cut off with others who do not know our seeds: it is looked for this long.
_LOOK_FOR_LOST = 3600.0


@dataclass(slots=True)
class Contacts:
    """The addresses that are dialed, and how far the first round of seeds has got.

    `known`: the seeds were looked up. `alone`: the configuration names seeds, and all of them are this node, a
    cluster of one. `heard_at` is the boottime at which another member was first heard.
    """

    me: Address
    seeds: frozenset[Address] = frozenset()
    known: bool = False
    alone: bool = False
    untried: set[Address] = field(default_factory=set)
    selves: set[Address] = field(default_factory=set)
    wanted: set[Address] = field(default_factory=set)
    estranged: dict[Address, float] = field(default_factory=dict)
    heard_at: float = math.inf

    def set_seeds(self, seeds: frozenset[Address], unresolved: int, *, configured: bool) -> list[Effect]:
        """Take the seeds' present addresses; those that are no seeds any more go when they next fail."""
        fresh = seeds - self.seeds - self.selves - {self.me}
        self.untried |= fresh
        self.untried &= seeds
        self.seeds = seeds - self.selves - {self.me}
        self.known = True
        self.alone = configured and not unresolved and not self.seeds
        return [effect for seed in sorted(fresh) for effect in self.want(seed)]

    def tried(self, address: Address) -> None:
        """An attempt at the address has ended, either way."""
        self.untried.discard(address)

    def is_self(self, address: Address) -> list[Effect]:
        """The address leads back to this node."""
        self.selves.add(address)
        self.alone = self.alone or self.seeds == {address}
        self.seeds -= {address}
        self.tried(address)
        return self.unwant(address)

    def want(self, address: Address) -> list[Effect]:
        """Try to reach the address from now on."""
        if address in self.wanted or address in self.selves or address == self.me:
            return []
        if len(self.wanted) >= _MOST_CONTACTS and address not in self.seeds:
            return []
        self.wanted.add(address)
        return [Dial(address=address)]

    def unwant(self, address: Address) -> list[Effect]:
        """Leave the address alone, unless there is another reason to try it."""
        if address not in self.wanted or address in self.seeds or address in self.estranged:
            return []
        self.wanted.discard(address)
        return [Drop(address=address)]

    def lost(self, address: Address, now: float) -> list[Effect]:
        """A member fell silent: break its link, which may hang, and look for it for a while."""
        if address in self.wanted and len(self.estranged) < _MOST_CONTACTS:
            self.estranged[address] = now + _LOOK_FOR_LOST
        self.wanted.discard(address)
        return [Drop(address=address), *self.want(address)]

    def tidy(self, members: frozenset[Address], now: float) -> None:
        """Stop looking for who was found, or looked for too long; that address goes when it next fails."""
        self.estranged = {a: end for a, end in self.estranged.items() if end > now and a not in members}

    def settled_at(self, settle: float) -> float:
        """The boottime from which this node may take part in an election; infinite while that is open."""
        if self.alone:
            return -math.inf
        return math.inf if self.untried or not self.known else self.heard_at + settle
