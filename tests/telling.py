"""Events for tests, made in one line."""

from itertools import count
from typing import Any

from les_hooks.events import Event, EventKind, Reason

__all__ = ["an_event"]

_seq = count(1)

_REASONS = {
    EventKind.STARTED: Reason.STARTUP,
    EventKind.STOPPING: Reason.LEAVING,
    EventKind.DEMOTED: Reason.OUTRANKED,
    EventKind.MEMBER_JOINED: Reason.JOINED,
    EventKind.MEMBER_LEFT: Reason.GOODBYE,
    EventKind.MEMBER_LOST: Reason.TIMEOUT,
}


def an_event(kind: EventKind | str, **changes: Any) -> Event:
    """An event of node 10.0.0.1:4000, with a number of its own."""
    kind, seq = EventKind(kind), next(_seq)
    values: dict[str, Any] = {
        "id": f"boot-{seq}",
        "seq": seq,
        "kind": kind,
        "time": 1_700_000_000.0 + seq,
        "node": "10.0.0.1:4000",
        "name": "a",
        "cluster": "web",
        "role": "leader" if kind in (EventKind.ELECTED, EventKind.REASSERTED) else "follower",
        "term": 1,
        "leader": "10.0.0.1:4000",
        "previous_leader": None,
        "members": ("10.0.0.1:4000", "10.0.0.2:4000"),
        "member": "10.0.0.2:4000" if kind.value.startswith("member-") else None,
        "reason": _REASONS.get(kind, Reason.FIRST),
        "replay": False,
    }
    return Event(**values | changes)
