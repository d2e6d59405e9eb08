"""A sample event, as like the next real one as can be had. For `les hooks run`."""

import time
from collections.abc import Mapping
from typing import Any

from les_hooks.config import Config
from les_hooks.control.client import call
from les_hooks.errors import ControlError
from les_hooks.events import Event, EventKind, Reason

__all__ = ["sample_event"]

_LEADING = frozenset({EventKind.ELECTED, EventKind.REASSERTED, EventKind.WHILE_LEADER})
_ABOUT_A_MEMBER = frozenset({EventKind.MEMBER_JOINED, EventKind.MEMBER_LEFT, EventKind.MEMBER_LOST})
_ASK_SECONDS = 2.0


def sample_event(config: Config, kind: EventKind) -> Event:
    """The event, marked as a replay for the operator; terms and members are the daemon's, where one answers."""
    own = config.node.advertise
    stands = _ask(config)
    members = tuple(member["address"] for member in stands.get("members", ())) or (own, *_others(config))
    leading = kind in _LEADING
    following = kind is EventKind.LEADER_CHANGED
    leader = own if leading else stands.get("leader") or (members[0] if following else None)
    now = time.time()
    return Event(
        id=f"operator-{int(now * 1000)}",
        seq=0,
        kind=kind,
        time=now,
        node=own,
        name=config.node.name,
        cluster=config.cluster.name,
        role="leader" if leading else "follower",
        term=stands.get("term", 1),
        leader=leader,
        previous_leader=stands.get("leader"),
        members=members,
        member=next((m for m in members if m != own), own) if kind in _ABOUT_A_MEMBER else None,
        reason=Reason.OPERATOR,
        replay=True,
    )


def _ask(config: Config) -> Mapping[str, Any]:
    try:
        answer: Any = call(config.control.socket, "status", timeout=_ASK_SECONDS)
    except ControlError:
        return {}
    found: Mapping[str, Any] = answer
    return found


def _others(config: Config) -> tuple[str, ...]:
    return tuple(seed for seed in config.cluster.seeds if seed != config.node.advertise)
