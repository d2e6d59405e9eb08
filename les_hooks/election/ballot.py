"""The leader's half of a majority: requests sent, grants counted, and the authority that they make. Pure.

A grant is counted from when its request was *sent*, for a little less than the voter's own lease: the leader's clock
starts first and ends first, as long as no two clocks differ by more than 1 % in rate. Times are boottime seconds.
"""

import math
from dataclasses import dataclass, field

from les_hooks.election.frames import Electorate, Request
from les_hooks.members import Address

__all__ = ["Ballot"]

# How far the rate of a clock may be off. Crystals are off by less than 0.01 %; NTP slews by up to 0.05 %.
_DRIFT = 0.01

# A leader that would have to demote at once had better not begin; and what is left of a lease when it does demote is
# for its hooks.
_RESERVE = 1 / 3


@dataclass(slots=True)
class Ballot:
    """What this node asked for, and what it was granted. `end` is when fewer than a majority of the grants are left.

    `number` is that of the last request, and grants up to `floor` are void: they were given back, or asked for in
    another `term`. `sent` is when the requests were sent, and `since` when that one was that a voter granted last.
    `doubted`: only what was asked for since then proves that this node still leads.
    """

    electorate: Electorate
    number: int = 0
    floor: int = 0
    term: int = 0
    end: float = -math.inf
    proven: float = -math.inf
    doubted: float = -math.inf
    sent: dict[int, float] = field(default_factory=dict)
    since: dict[Address, float] = field(default_factory=dict)

    @property
    def counted(self) -> float:
        """Seconds for which a grant counts."""
        return self.electorate.lease * (1 - _DRIFT) / (1 + _DRIFT)

    @property
    def reserve(self) -> float:
        """Seconds before `end` at which a leader demotes, and with which nobody begins to lead."""
        return self.electorate.lease * _RESERVE

    @property
    def act_until(self) -> float:
        """Until when a leader may begin anything."""
        return self.end - self.reserve

    @property
    def in_doubt(self) -> bool:
        """Whether the grants are older than the doubt about them."""
        return self.proven < self.doubted

    def ask(self, term: int, now: float, *, sitting: bool) -> Request:
        """Count the next request, to be sent now to every voter."""
        if term != self.term:
            self.void()
            self.term = term
        self.number += 1
        self.sent = {number: sent for number, sent in self.sent.items() if sent + self.electorate.lease > now}
        self.sent[self.number] = now
        return Request(number=self.number, term=term, sitting=sitting)

    def granted(self, voter: Address, number: int) -> None:
        """Count a grant."""
        sent = self.sent.get(number)
        if sent is None or number <= self.floor or voter not in self.electorate.voters:
            return
        self.since[voter] = max(sent, self.since.get(voter, -math.inf))
        granted = sorted(self.since.values(), reverse=True)
        if len(granted) >= self.electorate.majority:
            self.proven = granted[self.electorate.majority - 1]
            self.end = self.proven + self.counted

    def holds(self, voter: Address, now: float) -> bool:
        """Whether the voter's grant still counts."""
        return now < self.since.get(voter, -math.inf) + self.counted

    def void(self) -> None:
        """What was granted up to now counts no more, and what still comes for it does not either."""
        self.floor = self.number
        self.since.clear()
        self.end = self.proven = -math.inf

    def doubt(self, now: float) -> None:
        """This node may have stood still without noticing: what it knows needs proof."""
        self.doubted = now
