"""Who posts an event, and whether it is news. Pure; private to `webhook`.

Three nodes that post what all three are told make three copies; so what is news of the cluster is the leader's to
post. But when the leader dies, its loss is told before anybody leads: such rows are *held* until it is known who does.
"""

from dataclasses import dataclass
from enum import StrEnum

from les_hooks import Event, EventKind, Reason
from les_plugins.webhook.settings import Endpoint, SendFrom

__all__ = ["RIPE_SECONDS", "Fact", "Standing", "State", "fact_of", "is_news", "place"]

RIPE_SECONDS = 10.0
"""How long a follower keeps what its leader should post. A leader may be dead already when something else is told, as
where a rack loses power: that is found out within `timing.failure`, 1.5 s unless set otherwise."""

_BY_NODE = frozenset(
    {EventKind.STARTED, EventKind.STOPPING, EventKind.ELECTED, EventKind.DEMOTED, EventKind.REASSERTED}
)
_LEADS = "leader"
_MEMBER = "member"


class State(StrEnum):
    """What is to become of a row."""

    HELD = "held"
    """It is posted if this node turns out to lead, and dropped if another one does."""
    QUEUED = "queued"
    DEAD = "dead"
    """Given up; `les webhooks replay` posts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who leads, by the newest event seen; events of the two lanes may come here out of order. `seq` is its number."""

    seq: int = -1
    leads: bool = False
    leader: str | None = None

    def after(self, event: Event) -> "Standing":
        """What holds once this event is known, too."""
        if event.seq < self.seq:
            return self
        return Standing(seq=event.seq, leads=event.role == _LEADS, leader=event.leader)


def place(event: Event, endpoint: Endpoint, standing: Standing) -> State | None:
    """What this node does with the event; None where another one posts it."""
    if event.kind not in endpoint.events:
        return None
    by_node = event.kind in _BY_NODE if endpoint.send_from is None else endpoint.send_from is SendFrom.NODE
    if by_node or standing.leads:
        return State.QUEUED
    accepted_since = standing.leader is not None and standing.leader != event.leader
    return None if accepted_since else State.HELD


@dataclass(frozen=True, slots=True)
class Fact:
    """What an event says: that `subject` is now so and so."""

    subject: str
    value: str


def fact_of(event: Event) -> Fact | None:
    """What it says; None for one that says nothing which could be said again."""
    match event.kind:
        case EventKind.LEADER_CHANGED:
            return Fact("leader", f"{event.term} {event.leader}")
        case EventKind.ELECTED | EventKind.REASSERTED:
            return Fact("role", f"{_LEADS} {event.term}")
        case EventKind.DEMOTED if event.reason not in (Reason.CRASHED, Reason.RELOAD):
            return Fact("role", "follower")
        case EventKind.MEMBER_JOINED | EventKind.MEMBER_LEFT | EventKind.MEMBER_LOST:
            return Fact(f"{_MEMBER} {event.member}", event.kind)
        case _:
            return None


def is_news(event: Event, known: str) -> bool:
    """Whether the world has to hear of it; `known` is the value of its fact that was written last, or empty.

    A replay is skipped only where its fact was written: a crash between event and row loses nothing.
    """
    if event.kind is EventKind.DEMOTED:
        if event.reason is Reason.STARTUP:
            # It is told at every start, and is news where the daemon died as the leader.
            return known.startswith(_LEADS)
        # The plugin is switched off, or the daemon is dead and others wait; the next start tells of the latter.
        return event.reason not in (Reason.CRASHED, Reason.RELOAD)
    fact = fact_of(event)
    return not (event.replay and fact is not None and fact.value == known)
