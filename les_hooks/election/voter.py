"""The voter's half of a majority: its one vote, the promises on its disk, and what it must not have forgotten. Pure.

A vote is exclusive: while it runs nobody else gets it, unless its holder gives it back. Times are boottime seconds.
"""

from dataclasses import dataclass, field

from les_hooks.election.effects import Effect, Pledge
from les_hooks.election.frames import Electorate, Grant, Refusal, Request
from les_hooks.members import Address, Boot

__all__ = ["Vote", "Voter"]

# More than there are members at a time; who was dropped is long gone.
_MOST_RELEASED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A request that waits for its answer."""

    boot: Boot
    number: int
    term: int
    sitting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """The vote that runs: who has it, for which request, until when."""

    holder: Address
    boot: Boot
    number: int
    until: float


@dataclass(slots=True)
class Voter:
    """Holds the vote of this node; what must be written is appended to `effects`.

    `term` and `boot` are the pledge on its disk, or on its way there, `longest` the longest lease that the disk knows
    of. It is `quiet_until` every promise that it may have forgotten has run out. The last wish of each member waits
    here until it can be granted: so a vote that comes free goes to the next without a question.
    """

    electorate: Electorate
    effects: list[Effect]
    term: int
    boot: Boot | None
    longest: float
    quiet_until: float
    is_saved: bool = True
    is_writing: bool = False
    has_failed: bool = False
    vote: Vote | None = None
    wishes: dict[Address, Wish] = field(default_factory=dict)
    released: dict[Address, tuple[Boot, int]] = field(default_factory=dict)

    def asked(self, sender: Address, boot: Boot, request: Request) -> None:
        """Note what the process `boot` wishes for, unless it has taken that back."""
        if self.has_failed:
            self.has_failed = self.is_writing = False
        gone, number = self.released.get(sender, (None, 0))
        if gone == boot and request.number <= number:
            return
        known = self.wishes.get(sender)
        if known is None or known.boot != boot or known.number <= request.number:
            self.wishes[sender] = Wish(boot=boot, number=request.number, term=request.term, sitting=request.sitting)

    def answer(self, address: Address, boot: Boot, now: float) -> Grant | Refusal | None:
        """What the process `boot`, which is to lead, is answered to its wish; None where that has to wait."""
        wish = self.wishes.get(address)
        if wish is None or wish.boot != boot:
            return None
        if not wish.sitting and (wish.term, wish.boot) != (self.term, self.boot) and wish.term <= self.term:
            del self.wishes[address]
            return Refusal(number=wish.number, boot=boot, term=self.term)
        # Written before the vote is free, so that the next leader need not wait for the disk.
        if not self._is_pledged(wish) or self.is_bound(address, boot, now):
            return None
        del self.wishes[address]
        self.vote = Vote(holder=address, boot=boot, number=wish.number, until=now + self.electorate.lease)
        return Grant(number=wish.number, boot=boot)

    def is_bound(self, address: Address, boot: Boot, now: float) -> bool:
        """Whether this voter must not grant its vote to that process: another has it, or may have it."""
        if now < self.quiet_until:
            return True
        return self.vote is not None and now < self.vote.until and not self._has_vote(address, boot)

    def _has_vote(self, address: Address, boot: Boot) -> bool:
        # The address, too: it is what a certificate proves. Any member can say that it is the process of another's
        # boot, and could give back the vote of that one, or have it granted twice.
        return self.vote is not None and (self.vote.holder, self.vote.boot) == (address, boot)

    def _is_pledged(self, wish: Wish) -> bool:
        """Whether the disk knows what it must; has it written where it does not.

        Who leads in a lower term than the written one was pledged by a majority of the voters, be it without this one.
        """
        lease = self.electorate.lease
        if wish.term > self.term:
            self.term, self.boot, self.is_saved, self.is_writing = wish.term, wish.boot, False, False
        elif wish.sitting and wish.term < self.term and self.longest >= lease:
            return True
        if self.is_saved and self.longest >= lease:
            return True
        if not self.is_writing:
            self.is_writing = True
            self.effects.append(Pledge(term=self.term, boot=self.boot or wish.boot, lease=lease))
        return False

    def pledged(self, term: int, boot: Boot) -> None:
        """A pledge is on disk."""
        self.longest = max(self.longest, self.electorate.lease)
        if (term, boot) == (self.term, self.boot):
            self.is_saved, self.is_writing = True, False

    def unpledged(self) -> None:
        """The disk failed: the next request has it tried again, and not before, because a full disk fails at once."""
        self.has_failed = True

    def release(self, sender: Address, boot: Boot, number: int) -> None:
        """Take the vote back, and forget the wish, if they are for requests up to this number."""
        known, before = self.released.pop(sender, (None, 0))
        self.released[sender] = boot, max(number, before if known == boot else 0)
        if len(self.released) > _MOST_RELEASED:
            del self.released[next(iter(self.released))]
        wish = self.wishes.get(sender)
        if wish is not None and wish.boot == boot and wish.number <= number:
            del self.wishes[sender]
        if self.vote is not None and self._has_vote(sender, boot) and self.vote.number <= number:
            self.vote = None

    def undone(self, address: Address, boot: Boot) -> None:
        """The process at the address is gone, and so is all that it did as a leader: its vote is free."""
        wish = self.wishes.get(address)
        if wish is not None and wish.boot == boot:
            del self.wishes[address]
        if self._has_vote(address, boot):
            self.vote = None

    def forget(self, address: Address) -> None:
        """Forget what this member wished for and took back, over a link that has ended or been replaced.

        It asks again at every heartbeat for as long as it wishes. And the number up to which it took its wishes back
        may have been the word of somebody who went by its address: it would bind for as long as the process lives.
        """
        self.wishes.pop(address, None)
        self.released.pop(address, None)

    def next_chance(self) -> tuple[float, ...]:
        """When a wish that waits may be granted."""
        if not self.wishes:
            return ()
        return (self.quiet_until,) if self.vote is None else (self.quiet_until, self.vote.until)
