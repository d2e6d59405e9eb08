"""The heartbeat of this node, the authority that hangs on it, and the clocks that it watches. Rule 13."""

from dataclasses import dataclass, field

from les_hooks.election.identity import Timing
from les_hooks.election.messages import Instant
from les_hooks.members import Address

__all__ = ["Pulse", "Question"]

# A wall clock that gains this much on the time since boot was set, or the whole machine was paused. NTP slews by at
# most 0.5 ms a second, so that from one look to the next it never gains this honestly.
_JUMP_SECONDS = 1.0


@dataclass(slots=True)
class Question:
    """What a member was asked: it has answered with any frame that answers ours up to `number`, `until` a boottime."""

    number: int
    until: float


@dataclass(slots=True)
class Pulse:
    """`due` is the next heartbeat, `timely` the last one that was not late; boottime seconds.

    `awaited` are the answers that this node wants after a jump of the wall clock before it leads, or acts as leader.
    """

    timing: Timing
    due: float
    timely: float
    offset: float
    awaited: dict[Address, Question] = field(default_factory=dict)

    def lateness(self, now: float) -> float | None:
        """Seconds by which the heartbeat is late; None where none is due."""
        return now - self.due if now >= self.due else None

    def beat(self, now: float, lateness: float) -> None:
        """Count a heartbeat; a late one gives no authority, so that the next comes before what is left of it ends."""
        if lateness <= self.timing.heartbeat:
            self.timely = now
            self.due += self.timing.heartbeat
        else:
            left = self.authority_end - now
            self.due = now + (min(self.timing.heartbeat, left / 2) if left > 0 else self.timing.heartbeat)

    def has_jumped(self, now: Instant) -> bool:
        """Whether the wall clock jumped forward since the last look."""
        offset = now.wall - now.boottime
        jumped = offset > self.offset + _JUMP_SECONDS
        self.offset = offset
        return jumped

    @property
    def authority_end(self) -> float:
        """Until when a leader may act on what it knows, in members mode."""
        return self.timely + self.timing.failure

    def ask(self, address: Address, number: int, now: float) -> None:
        """Await the answer of a member to our frame of this number."""
        self.awaited[address] = Question(number=number, until=now + self.timing.failure)

    def relinked(self, address: Address, number: int) -> None:
        """The member has a new link, and our first frame over it has this number."""
        if address in self.awaited:
            self.awaited[address].number = number

    def answered(self, address: Address, acked: int) -> bool:
        """A member has answered our frames up to this number; returns whether it was the last that was awaited."""
        question = self.awaited.get(address)
        if question is None or question.number > acked:
            return False
        del self.awaited[address]
        return not self.awaited

    def give_up(self, now: float) -> bool:
        """Await no more who had their time; returns whether they were the last.

        Burial is not enough: a member that others still hear is not buried, and may never be linked again.
        """
        waited = bool(self.awaited)
        self.awaited = {address: question for address, question in self.awaited.items() if question.until > now}
        return waited and not self.awaited

    def forgive(self, seconds: float) -> None:
        """This node slept that long: nobody is to blame for answers that it missed."""
        for question in self.awaited.values():
            question.until += seconds
