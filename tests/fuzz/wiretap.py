"""Somebody between three nodes that dial and three that listen, without the secret: delivers what they say to whom he
likes, again, in another order, changed, or made up.

What must hold: an end takes a message only if it is the next one that its partner has sent, unchanged, and the two are
each other's partners; whatever else comes ends the link with Unproven, and nothing else is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from les_hooks.security import Dialed, Listened, Seal, Secret, Unproven
from tests.fuzz.dice import Dice

__all__ = ["intercept"]

_OURS: Final = (Secret("les_" + "a" * 43), Secret("les_" + "b" * 43))
_MOST_STEPS: Final = 60
_MOST_BYTES: Final = 255


@dataclass(eq=False)
class _End:
    """One end of a link: what it has sent and taken, who sent that, and its `seal` once it has one."""

    begins: Dialed | Listened
    sent: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    partner: "_End | None" = None
    seal: Seal | None = None
    broken: bool = False

    def take(self, message: bytes, ends: "Sequence[_End]") -> None:
        """Be given a message, and hold what this end makes of it against what its partner has said."""
        if self.broken:
            return
        try:
            self._take(message)
        except Unproven:
            self.broken = True
            return
        if not self.taken:
            self.partner = next((end for end in ends if end.sent[:1] == [message]), None)
        if self.partner is None:
            # Who takes a challenge that nobody made has proven itself to nobody, and hears nothing more.
            assert isinstance(self.begins, Dialed)
            assert not self.taken
        else:
            assert [message] == self.partner.sent[len(self.taken) : len(self.taken) + 1]
            assert isinstance(self.begins, Dialed) or self.partner.partner is self
        self.taken.append(message)

    def _take(self, message: bytes) -> None:
        if self.seal is not None:
            assert message.endswith(self.seal.open(message))
        elif isinstance(self.begins, Dialed):
            first, self.seal = self.begins.answer(message, b"hello")
            self.sent.append(first)
        else:
            hello, self.seal, _ = self.begins.take(message)
            assert hello == b"hello"
            self.sent.append(self.seal.seal(b"hello too"))

    def due(self, ends: "Sequence[_End]") -> bytes:
        """What it should be given next; empty where that was not sent yet."""
        meant = ends[(ends.index(self) + len(ends) // 2) % len(ends)]
        return b"".join((self.partner or meant).sent[len(self.taken) : len(self.taken) + 1])


def _ends() -> Sequence[_End]:
    dialers = [_End(Dialed(_OURS[number % 2], bytes([number]) * 32)) for number in range(3)]
    listeners = [Listened(_OURS, bytes([128 + number]) * 32) for number in range(3)]
    return [*dialers, *(_End(listener, sent=[listener.challenge]) for listener in listeners)]


def intercept(data: bytes) -> None:
    """Tell the story that the bytes choose."""
    dice, ends = Dice(data), _ends()
    for _ in range(_MOST_STEPS):
        if not dice.left:
            break
        end = dice.pick(ends)
        kind = dice.below(32)
        if kind < 10 and end.seal is not None:
            end.sent.append(end.seal.seal(bytes(dice.below(_MOST_BYTES) for _ in range(dice.below(40)))))
        elif kind < 26:
            if due := end.due(ends):
                end.take(due, ends)
        elif kind < 28:
            end.take(dice.pick(end.sent or [b""]), ends)  # its own words
        elif kind < 30:
            end.take(dice.pick(dice.pick(ends).sent or [b""]), ends)
        elif kind < 31:
            end.take(_changed(dice, dice.pick(dice.pick(ends).sent or [b""])), ends)
        else:
            end.take(bytes(dice.below(_MOST_BYTES) for _ in range(dice.below(140))), ends)


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
