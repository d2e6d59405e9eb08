"""From views to events: what has happened between what was told last and what is seen now. Written once, for every
backend. Pure but for the numbers and the time that it is given; imported by `daemon` only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Address, Departure, Member, View

__all__ = ["Narrator", "Origin", "Past"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who tells: the node's address, name and cluster, and the `nonce` of this boot that makes ids unique."""

    node: Address
    name: str
    cluster: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the process before this one had told: events that only repeat it are marked as a replay."""

    leader: str | None = None
    term: int = 0
    members: frozenset[str] = frozenset()


class Narrator:
    """Tells the story of one node, event by event.

    `next_seq` numbers the events, `wall` gives Unix seconds.
    """

    def __init__(self, origin: Origin, *, past: Past, next_seq: Callable[[], int], wall: Callable[[], float]) -> None:
        self._origin = origin
        self._next_seq = next_seq
        self._wall = wall
        self._view: View | None = None
        self._leading = False
        self._leader: Address | None = None
        self._previous: Address | None = None
        # The demotion may have overtaken what was told of this node as the leader, so that nobody heard it.
        self._unheard = False
        self._members: set[Address] = set()
        self._past = past
        self._known = set(past.members)
        self._term = past.term

    @property
    def leader(self) -> Address | None:
        """The leader that was told last."""
        return self._leader

    def startup(self) -> Event:
        """The demotion at every start, before anything is known."""
        return self._event(EventKind.DEMOTED, Reason.STARTUP)

    def stopping(self) -> Event:
        """This node is about to leave."""
        return self._event(EventKind.STOPPING, Reason.LEAVING)

    def crashed(self) -> Event:
        """The demotion that a daemon that died still owes."""
        return self._event(EventKind.DEMOTED, Reason.CRASHED)

    def retired(self) -> Event:
        """The demotion of plugins that are switched off, whatever this node is."""
        return self._event(EventKind.DEMOTED, Reason.RELOAD)

    def again(self, reason: Reason) -> Event:
        """What stands is told again: that this node leads, or whom it accepts."""
        kind = EventKind.REASSERTED if self._leading else EventKind.LEADER_CHANGED
        return self._event(kind, reason, replay=True)

    def tell(self, view: View) -> list[Event]:
        """Take a new view, and return the events that lead to it, in their order."""
        if not view.settled:
            return []
        before, self._view = self._view, view
        events = []
        if self._leading and not view.leading:
            self._leading, self._unheard = False, True
            events.append(self._event(EventKind.DEMOTED, view.reason))
        # A healed partition may bring a leader of a lower term, until that one has taken a new one.
        term, self._term = self._term, max(self._term, view.term)
        if before is None:
            events.append(self._event(EventKind.STARTED, Reason.STARTUP))
        events += self._departures(view.departed)
        events += self._arrivals(view.members)
        if view.leading and not self._leading:
            self._leading = True
            events.append(self._event(EventKind.ELECTED, view.reason))
        elif view.leading and self._term > term:
            events.append(self._event(EventKind.REASSERTED, view.reason))
        events += self._turn(view)
        return events

    def _departures(self, departed: tuple[Departure, ...]) -> Iterator[Event]:
        for gone in departed:
            if gone.address in self._members:
                self._members.remove(gone.address)
                kind = EventKind.MEMBER_LEFT if gone.reason is Reason.GOODBYE else EventKind.MEMBER_LOST
                yield self._event(kind, gone.reason, member=gone.address)

    def _arrivals(self, members: tuple[Member, ...]) -> Iterator[Event]:
        for member in members:
            if member.address not in self._members and member.address != self._origin.node:
                self._members.add(member.address)
                repeats = member.address in self._known
                self._known.discard(member.address)
                yield self._event(EventKind.MEMBER_JOINED, Reason.JOINED, member=member.address, replay=repeats)

    def _turn(self, view: View) -> Iterator[Event]:
        told = self._leader if self._leader is not None else self._past.leader
        if view.leader is None and (told is None or not view.leaderless):
            return
        if view.leader is not None and view.leader == self._leader and not (view.leading and self._unheard):
            return
        repeats = (view.leader, view.term) == (self._past.leader, self._past.term)
        self._past, self._unheard = Past(), False
        if told != view.leader:
            self._previous = Address(told) if told is not None else None
        self._leader = view.leader
        yield self._event(EventKind.LEADER_CHANGED, view.reason, replay=repeats)

    def _event(self, kind: EventKind, reason: Reason, *, member: Address | None = None, replay: bool = False) -> Event:
        view = self._view
        seq = self._next_seq()
        leader = view.leader if view is not None else None
        return Event(
            id=f"{self._origin.nonce}-{seq}",
            seq=seq,
            kind=kind,
            time=self._wall(),
            node=self._origin.node,
            name=self._origin.name,
            cluster=self._origin.cluster,
            role="leader" if self._leading else "follower",
            term=self._term,
            leader=leader,
            # Who led before `leader`: what was told last is that as long as `leader` is news.
            previous_leader=self._previous if leader == self._leader else self._leader,
            members=tuple(m.address for m in view.members) if view is not None else (self._origin.node,),
            member=member,
            reason=reason,
            replay=replay,
        )
