"""The terms of one node: which it proposes, which it leads in, and what its disk knows of them. Rule 11."""

from dataclasses import dataclass

from les_hooks.election.effects import Effect, Save
from les_hooks.election.frames import LAST_TERM
from les_hooks.election.standing import Standing

__all__ = ["Terms"]


@dataclass(slots=True)
class Terms:
    """`led` is the term of the own leadership, 0 without one. What must be written is appended to `effects`.

    `remembered` is the term and the stamp that the disk knows, or has been asked to write; `is_lost`: it failed to.
    """

    standing: Standing
    effects: list[Effect]
    remembered: tuple[int, float]
    led: int = 0
    proposal: int = 0
    is_saved: bool = False
    is_lost: bool = False

    def are_ready(self) -> bool:
        """Whether a term above all that are known is on disk; proposes one if there is none.

        Where somebody claimed the last term, that one is proposed again and again: it repeats in members mode, and no
        voter of a majority grants it twice.
        """
        needed = min(self.standing.term + 1, LAST_TERM)
        if self.proposal < needed:
            self.proposal, self.is_saved = needed, False
            self.effects.append(Save(term=self.proposal, newest=self.standing.newest))
        return self.is_saved

    def saved(self, term: int) -> None:
        """The term is on disk."""
        self.is_saved = self.is_saved or term == self.proposal

    def unsaved(self) -> None:
        """The disk has failed to write."""
        self.is_lost = True

    def begin(self) -> None:
        """Lead in the proposed term from now on."""
        self.led = self.standing.term = self.proposal
        self.remembered = self.led, self.standing.stamp
        self.withdraw()

    def withdraw(self) -> None:
        """What was proposed is not wanted any more."""
        self.proposal = 0

    def remember(self) -> None:
        """Have the disk know of the newest term and stamp, so that neither goes back when everybody restarts."""
        known = self.standing.term, self.standing.stamp
        if known != self.remembered:
            self.remembered = known
            self.effects.append(Save(term=self.standing.term, newest=self.standing.newest))

    def retry(self) -> None:
        """Have the disk try again what it failed to write; once a heartbeat, because a full one fails at once."""
        if self.is_lost:
            self.is_lost = False
            self.effects.append(Save(term=self.standing.term, newest=self.standing.newest))
