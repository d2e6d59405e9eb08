"""Choices made by bytes: the same bytes, the same choices. For scripts that an engine of bytes can steer."""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Dice"]

T = TypeVar("T")


class Dice:
    """Hands out choices until its bytes are used up, and the first of each from then on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        """Whether there is a byte left."""
        return self._at < len(self._data)

    def below(self, end: int) -> int:
        """A number from 0 on, and below `end`, which is at most 256."""
        if not self.left:
            return 0
        self._at += 1
        return self._data[self._at - 1] % end

    def pick(self, choices: Sequence[T]) -> T:
        """One of these, at most 256."""
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[T], most: int) -> tuple[T, ...]:
        """Up to `most` of these, one after the other."""
        return tuple(self.pick(choices) for _ in range(self.below(most + 1)))
