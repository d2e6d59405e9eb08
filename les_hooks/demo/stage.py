"""Who lives, who leads and who knows whom, as far as the nodes have told. Pure; for this package."""

from dataclasses import dataclass, field
from enum import Enum

from les_hooks.demo.notes import Happened
from les_hooks.events import EventKind, Reason

__all__ = ["Place", "Stage"]


class Place(Enum):
    """What a node is at the moment."""

    OUTSIDE = "outside"
    """It runs, or not yet, and is no part of the cluster, or not any more."""
    FOLLOWS = "follows"
    LEADS = "leads"
    GONE = "gone"
    """Its process has ended."""


@dataclass(slots=True)
class _Actor:
    place: Place = Place.OUTSIDE
    accepts: str | None = None
    knows: set[str] = field(default_factory=set)


class Stage:
    """The cluster as the audience sees it. Nodes are named; `addresses` are what they call each other."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self._names = {address: name for name, address in addresses.items()}
        self._actors = {name: _Actor() for name in addresses}

    def enter(self, node: str) -> None:
        """A process of the node has been started."""
        self._actors[node] = _Actor()

    def exit(self, node: str) -> None:
        """The node's process has ended."""
        self._actors[node] = _Actor(place=Place.GONE)

    def hear(self, node: str, note: Happened) -> None:
        """Take in what the node has told."""
        actor = self._actors[node]
        if actor.place is Place.GONE:
            return  # what is cleaned up in its name
        match note.kind:
            case EventKind.STARTED:
                actor.place = Place.FOLLOWS
            case EventKind.ELECTED:
                actor.place = Place.LEADS
            case EventKind.DEMOTED if note.reason is Reason.LEAVING:
                actor.place = Place.OUTSIDE
            case EventKind.DEMOTED if actor.place is Place.LEADS:
                actor.place = Place.FOLLOWS
            case EventKind.LEADER_CHANGED:
                actor.accepts = note.leader
            case EventKind.MEMBER_JOINED if note.member:
                actor.knows.add(note.member)
            case EventKind.MEMBER_LOST | EventKind.MEMBER_LEFT if note.member:
                actor.knows.discard(note.member)
            case _:
                pass

    def place(self, node: str) -> Place:
        """What the node is."""
        return self._actors[node].place

    def name(self, address: str | None) -> str:
        """What a person calls the node at the address."""
        return self._names.get(address, address) if address else "nobody"

    @property
    def leader(self) -> str | None:
        """Who leads, None while nobody or more than one does."""
        leading = [name for name, actor in self._actors.items() if actor.place is Place.LEADS]
        return leading[0] if len(leading) == 1 else None

    @property
    def agreed(self) -> bool:
        """Whether all who live know each other and accept the one who leads."""
        living = {name: actor for name, actor in self._actors.items() if actor.place is not Place.GONE}
        leader = self.leader
        return leader is not None and all(
            actor.accepts == self.addresses[leader]
            and actor.knows == {self.addresses[other] for other in living if other != name}
            for name, actor in living.items()
        )

    def is_settled(self, node: str) -> bool:
        """Whether the node has accepted a leader: from then on, who joins is news."""
        return self._actors[node].accepts is not None
