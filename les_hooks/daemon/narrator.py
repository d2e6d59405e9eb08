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
        self._past = past
        self._next_seq = next_seq
        self._wall = wall
        self._view: View | None = None
        self._members: dict[Address, Member] = {}
        self._leader: Address | None = None
        self._previous: Address | None = None
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

    def again(self, reason: Reason) -> Event:
        """What stands is told again: that this node leads, or whom it accepts."""
        leading = self._view is not None and self._view.leading
        kind = EventKind.REASSERTED if leading else EventKind.LEADER_CHANGED
        return self._event(kind, reason, replay=True)

    def tell(self, view: View) -> list[Event]:
        """Take a new view, and return the events that lead to it, in their order."""
        if not view.settled:
            return []
        before, self._view = self._view, view
        led = before is not None and before.leading
        events = []
        if led and not view.leading:
            events.append(self._event(EventKind.DEMOTED, view.reason))
        self._term = view.term
        if before is None:
            events.append(self._event(EventKind.STARTED, Reason.STARTUP))
        events += self._departures(view.departed)
        events += self._arrivals(view.members)
        if view.leading and not led:
            events.append(self._event(EventKind.ELECTED, view.reason, leader=view.leader))
        elif view.leading and before is not None and view.term > before.term:
            events.append(self._event(EventKind.REASSERTED, view.reason))
        events += self._turn(view)
        return events

    def _departures(self, departed: tuple[Departure, ...]) -> Iterator[Event]:
        for gone in departed:
            if self._members.pop(gone.address, None) is not None:
                left = gone.reason is Reason.GOODBYE
                kind = EventKind.MEMBER_LEFT if left else EventKind.MEMBER_LOST
                yield self._event(kind, gone.reason, member=gone.address)

    def _arrivals(self, members: tuple[Member, ...]) -> Iterator[Event]:
        fresh = [m for m in members if m.address not in self._members and m.address != self._origin.node]
        self._members |= {member.address: member for member in fresh}
        for member in fresh:
            known = member.address in self._past.members
            yield self._event(EventKind.MEMBER_JOINED, Reason.JOINED, member=member.address, replay=known)
        self._past = Past(leader=self._past.leader, term=self._past.term)

    def _turn(self, view: View) -> Iterator[Event]:
        gone = view.leader is None and view.leaderless
        if view.leader == self._leader or not (view.leader is not None or gone):
            return
        self._previous, self._leader = self._leader, view.leader
        repeats = (view.leader, view.term) == (self._past.leader, self._past.term)
        self._past = Past()
        yield self._event(EventKind.LEADER_CHANGED, view.reason, replay=repeats)

    def _event(
        self,
        kind: EventKind,
        reason: Reason,
        *,
        member: Address | None = None,
        replay: bool = False,
        leader: Address | None = None,
    ) -> Event:
        view = self._view
        seq = self._next_seq()
        accepted = leader or (view.leader if view is not None else None)
        previous = self._previous if kind is EventKind.LEADER_CHANGED else self._leader
        return Event(
            id=f"{self._origin.nonce}-{seq}",
            seq=seq,
            kind=kind,
            time=self._wall(),
            node=self._origin.node,
            name=self._origin.name,
            cluster=self._origin.cluster,
            role="leader" if view is not None and view.leading else "follower",
            term=self._term,
            leader=accepted,
            previous_leader=previous,
            members=tuple(m.address for m in view.members) if view is not None else (self._origin.node,),
            member=member,
            reason=reason,
            replay=replay,
        )
