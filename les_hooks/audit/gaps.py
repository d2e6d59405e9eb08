"""Numbers of records that are missing so far. Imported by `verify` only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from les_hooks.audit.findings import Place

__all__ = ["Gap", "Gaps"]

# More are counted as one.
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The numbers from `first` to `last`, which belong between two lines; `why` is what is known of it."""

    first: int
    last: int
    after: Place
    before: Place
    why: str


class Gaps:
    """Those that are still open, in their order."""

    def __init__(self) -> None:
        self._open: list[Gap] = []

    @property
    def open(self) -> Sequence[Gap]:
        """What is missing."""
        return tuple(self._open)

    def add(self, first: int, last: int, after: Place, before: Place, why: str) -> None:
        """Take note that these numbers were passed over."""
        if len(self._open) < _MOST:
            self._open.append(Gap(first=first, last=last, after=after, before=before, why=why))
        else:
            self._open[-1] = replace(self._open[-1], last=last, before=before)

    def fill(self, number: int) -> bool:
        """Take note that this one was found after all; returns whether it was missing."""
        for i, gap in enumerate(self._open):
            if gap.first <= number <= gap.last:
                rest = (replace(gap, last=number - 1), replace(gap, first=number + 1))
                self._open[i : i + 1] = [part for part in rest if part.first <= part.last]
                return True
        return False
