"""The cluster that a plugin under test seems to be in: this node and another one. Private to the package."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from les_hooks.events import Event, EventKind, Reason
from les_hooks.testing.loop import Stage

__all__ = ["CLUSTER", "Cluster", "HarnessAuthority"]

NODE, OTHER = "10.0.0.1:4000", "10.0.0.2:4000"
"""The node that the plugin seems to run on, and the other one."""

CLUSTER = "les"
"""Its name."""

# What the clock of the events shows at first: 2026-01-01.
_START = 1_767_225_600.0

_REASONS = {
    EventKind.STARTED: Reason.STARTUP,
    EventKind.STOPPING: Reason.LEAVING,
    EventKind.DEMOTED: Reason.OUTRANKED,
    EventKind.REASSERTED: Reason.CONFLICT,
    EventKind.LEADER_CHANGED: Reason.LEADER_LOST,
    EventKind.MEMBER_JOINED: Reason.JOINED,
    EventKind.MEMBER_LEFT: Reason.GOODBYE,
    EventKind.MEMBER_LOST: Reason.TIMEOUT,
}
_LEADING = frozenset({EventKind.ELECTED, EventKind.REASSERTED})
_ABOUT_MEMBERS = frozenset({EventKind.MEMBER_JOINED, EventKind.MEMBER_LEFT, EventKind.MEMBER_LOST})


@dataclass(slots=True)
class Cluster:
    """Makes events that follow from those before."""

    stage: Stage
    leader: str | None = None
    term: int = 0
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def now(self) -> float:
        """Unix seconds."""
        return _START + self.stage.ahead

    def event(self, kind: EventKind, fields: Mapping[str, Any]) -> Event:
        """The event of this kind that would come next, with these fields changed."""
        leads = kind in _LEADING or (self.leader == NODE and kind is not EventKind.DEMOTED)
        leader = NODE if leads else OTHER if kind is EventKind.DEMOTED else self.leader
        seq = next(self.numbers)
        values: dict[str, Any] = {
            "id": f"harness-{seq}",
            "seq": seq,
            "kind": kind,
            "time": self.now,
            "node": NODE,
            "name": "a",
            "cluster": CLUSTER,
            "role": "leader" if leads else "follower",
            "term": self.term + 1 if kind is EventKind.ELECTED else self.term,
            "leader": leader,
            "previous_leader": self.leader if self.leader != leader else None,
            "members": (NODE, OTHER),
            "member": OTHER if kind in _ABOUT_MEMBERS else None,
            "reason": _REASONS.get(kind, Reason.FIRST),
            "replay": False,
        }
        return Event(**values | dict(fields))

    def happened(self, event: Event) -> None:
        """What comes next follows from this one."""
        self.leader, self.term = event.leader, event.term


@dataclass(slots=True)
class HarnessAuthority:
    """Implements `dispatch.Authority`; all times are on the clock that `advance` moves.

    `hold_until` is None where what the node took stays as long as its authority does.
    """

    stage: Stage
    until: float = 1e9
    hold_until: float | None = None
    release_by: float = math.inf

    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.until - self.stage.ahead)

    def hold_left(self) -> float:
        """Seconds."""
        return self.left() if self.hold_until is None else max(0.0, self.hold_until - self.stage.ahead)

    def release_left(self) -> float:
        """Seconds."""
        return max(0.0, self.release_by - self.stage.ahead)

    async def confirmed(self) -> bool:
        """Nobody else has to be asked."""
        return self.left() > 0.0
