"""What hooks are told: the event, its kinds and its reasons. Values only; anybody may import it."""

from enum import StrEnum

import msgspec

__all__ = ["Event", "EventKind", "Lane", "Reason"]


class Lane(StrEnum):
    """The two queues of events; a slow member script never delays a role change."""

    ROLE = "role"
    MEMBERSHIP = "membership"


class EventKind(StrEnum):
    """What can happen; the value is the name in logs, scripts and folders (`<value>.d`)."""

    STARTED = "started"
    STOPPING = "stopping"
    ELECTED = "elected"
    DEMOTED = "demoted"
    REASSERTED = "reasserted"
    LEADER_CHANGED = "leader-changed"
    MEMBER_JOINED = "member-joined"
    MEMBER_LEFT = "member-left"
    MEMBER_LOST = "member-lost"
    WHILE_LEADER = "while-leader"

    @property
    def hook(self) -> str:
        """The name of the hook that plugins implement for it."""
        word = self.value.replace("-", "_")
        return word if self is EventKind.WHILE_LEADER else f"on_{word}"

    @property
    def lane(self) -> Lane:
        """The queue that it waits in."""
        return Lane.ROLE if self in _ROLE_LANE else Lane.MEMBERSHIP


_ROLE_LANE = frozenset(
    {
        EventKind.ELECTED,
        EventKind.DEMOTED,
        EventKind.REASSERTED,
        EventKind.LEADER_CHANGED,
        EventKind.WHILE_LEADER,
    }
)


class Reason(StrEnum):
    """Why an event happened: a closed list, the same word in logs, scripts, audit and docs."""

    STARTUP = "startup"
    """The node has just started."""
    LEAVING = "leaving"
    """The node was told to stop."""
    FIRST = "first"
    """Nobody led before, as far as this node knows."""
    LEADER_LOST = "leader-lost"
    """The leader before could no longer be reached."""
    LEADER_LEFT = "leader-left"
    """The leader before said goodbye."""
    LEADER_RESIGNED = "leader-resigned"
    """The leader before gave up leadership and stayed."""
    OUTRANKED = "outranked"
    """A more senior node is to lead."""
    CONFLICT = "conflict"
    """Two leaders met, and this is how it ended."""
    OPERATOR = "operator"
    """An operator asked for it."""
    MAINTENANCE = "maintenance"
    """An operator has put the node into maintenance."""
    TRANSFER = "transfer"
    """An operator had it handed over to another node."""
    UNFIT = "unfit"
    """A check of the node fails."""
    NO_MAJORITY = "no-majority"
    """Too few voters renewed their grants in time."""
    LEASE_LOST = "lease-lost"
    """The store that leadership rests on did not renew it in time, or has taken it back."""
    CRITICAL = "critical"
    """A plugin marked critical failed while this node was to lead."""
    SLEPT = "slept"
    """The node did not run for longer than its authority lasts."""
    UNSAVED = "unsaved"
    """The state directory could not be written."""
    CRASHED = "crashed"
    """The daemon died without doing it; somebody else does it now."""
    RELOAD = "reload"
    """The configuration was read anew."""
    NO_LEADER = "no-leader"
    """Nobody leads any more."""
    JOINED = "joined"
    """A member was heard for the first time."""
    GOODBYE = "goodbye"
    """The member said that it leaves."""
    REFUSED = "refused"
    """The member's host refused the connection: its process is gone."""
    TIMEOUT = "timeout"
    """Nobody heard the member in time."""
    RESTARTED = "restarted"
    """Another process answers at the member's address."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that hooks are told; scripts read it as one line of JSON. Fields are added, never renamed.

    `id` is unique over all nodes and restarts; `seq` counts this node's events and is never reused; `time` is
    Unix seconds. `node` is the address and `name` the name of the node that tells it. `role` is `leader` or
    `follower` once the event has happened. `term` is the term of `leader`, or of the leadership that ended.
    `member` is the address concerned, in membership events. `replay`: it was told before.
    """

    id: str
    seq: int
    kind: EventKind
    time: float
    node: str
    name: str
    cluster: str
    role: str
    term: int
    leader: str | None
    previous_leader: str | None
    members: tuple[str, ...]
    member: str | None
    reason: Reason
    replay: bool
