"""Somebody in the middle of two links, without the secret: keeps, repeats, exchanges, changes and makes up messages.

What must hold: an end takes a message only if it is the next one that the other end of the same link has sent to it,
unchanged; whatever else comes ends the link with Unproven, and nothing else is raised.
"""

from dataclasses import dataclass, field
from typing import Final

from les_hooks.security import Dialed, Listened, Seal, Secret, Unproven
from tests.fuzz.dice import Dice

__all__ = ["intercept"]

_OURS: Final = (Secret("les_" + "a" * 43), Secret("les_" + "b" * 43))
_MOST_STEPS: Final = 60
_MOST_BYTES: Final = 255


@dataclass
class _End:
    """One end of a link: what it has sent, what it has taken, and its `seal` while it stands."""

    sent: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    seal: Seal | None = None
    broken: bool = False


class _Link:
    """A dialer and a listener, each with a nonce that no other link has."""

    def __init__(self, number: int) -> None:
        self.dialed = Dialed(_OURS[number % 2], bytes([number]) * 32)
        self.listened = Listened(_OURS, bytes([128 + number]) * 32)
        self.dialer, self.listener = _End(), _End(sent=[self.listened.challenge])

    def deliver(self, end: _End, message: bytes) -> None:
        """Hand a message to an end, and hold what it makes of it against what the other end has sent."""
        if end.broken:
            return
        other = self.listener if end is self.dialer else self.dialer
        due = other.sent[len(end.taken)] if len(end.taken) < len(other.sent) else None
        try:
            frame = self._take(end, message)
        except Unproven:
            end.broken = True
            return
        if message != due:
            # The challenge proves nothing yet: whoever takes a wrong one says something that nobody else takes.
            assert end is self.dialer
            assert not end.taken
            end.broken = True
            return
        end.taken.append(message)
        assert message.endswith(frame)

    def _take(self, end: _End, message: bytes) -> bytes:
        if end.seal is not None:
            return end.seal.open(message)
        if end is self.dialer:
            first, end.seal = self.dialed.answer(message, b"hello")
            end.sent.append(first)
            return b""
        hello, end.seal, _ = self.listened.take(message)
        end.sent.append(end.seal.seal(b"hello too"))
        return hello


def intercept(data: bytes) -> None:
    """Tell the story that the bytes choose."""
    dice = Dice(data)
    links = (_Link(0), _Link(1), _Link(2))
    ends = [(link, end) for link in links for end in (link.dialer, link.listener)]
    for _ in range(_MOST_STEPS):
        if not dice.left:
            break
        link, end = dice.pick(ends)
        match dice.below(16):
            case 0 | 1 | 2 | 3 if end.seal is not None:
                end.sent.append(end.seal.seal(bytes(dice.below(_MOST_BYTES) for _ in range(dice.below(40)))))
            case 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11:  # as it should be
                other = link.listener if end is link.dialer else link.dialer
                link.deliver(end, other.sent[min(len(end.taken), len(other.sent) - 1)] if other.sent else b"")
            case 12 if end.sent:  # its own words
                link.deliver(end, dice.pick(end.sent))
            case 13 | 14:
                heard = dice.pick(ends)[1].sent
                link.deliver(end, _changed(dice, dice.pick(heard) if heard else b""))
            case _:
                link.deliver(end, bytes(dice.below(_MOST_BYTES) for _ in range(dice.below(140))))


def _changed(dice: Dice, message: bytes) -> bytes:
    """The message as it is, or not quite."""
    place = dice.below(256) % (len(message) + 1)
    match dice.below(4):
        case 0:
            return message
        case 1:
            return message[:place]
        case 2:
            return message + b"\0"
        case _:
            return message[:place] + bytes([dice.below(256)]) + message[place + 1 :]
