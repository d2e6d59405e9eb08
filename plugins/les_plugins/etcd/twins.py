"""Other processes at this node's own address. Pure; private to `etcd`."""

import math
from collections.abc import Iterator

from les_hooks.backends import Identity
from les_hooks.members import Boot
from les_plugins.etcd.entry import Place
from les_plugins.etcd.line import Line, Standing

__all__ = ["Twins"]


class Twins:
    """Who was there first of those that go by one address: the others stand aside."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.forget()

    def forget(self) -> None:
        """Know nothing of who was there first."""
        self._first = math.inf
        self._elders: set[Boot] = set()

    def placed(self, revision: int) -> None:
        """This node has a key of that revision."""
        self._first = min(self._first, revision)

    def find(self, line: Line) -> str:
        """The key of another process that was there before this one; empty for none."""
        for standing, boot in self._others(line):
            # Who has moved since was there before all the same: else the two would drive each other round.
            if standing.revision < self._first:
                self._elders.add(boot)
            if boot in self._elders:
                return standing.key
        return ""

    def all(self, line: Line) -> tuple[str, ...]:
        """The keys of all other processes at this address."""
        return tuple(standing.key for standing, _ in self._others(line))

    def _others(self, line: Line) -> Iterator[tuple[Standing, Boot]]:
        for standing in (*line.all(Place.LINE), *line.all(Place.ASIDE)):
            entry = standing.entry
            if entry is not None and entry.address == self._identity.address and entry.boot != self._identity.boot:
                yield standing, entry.boot
