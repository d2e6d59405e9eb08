"""What an operator is shown: endpoints, dead letters, and the sample of a test. Private to `webhook`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from les_hooks import Event, EventKind, Reason
from les_plugins.webhook.outbox.rows import Row, Tally
from les_plugins.webhook.workers import Worker

__all__ = ["dead_letter", "sample", "shown"]


def shown(name: str, tally: Tally, worker: Worker | None, now: float) -> Mapping[str, Any]:
    """One endpoint, and how it does; without a worker nothing is posted yet."""
    health = worker.health if worker is not None else None
    disabled = worker.disabled if worker is not None else bool(tally.disabled)
    failing = health is not None and health.failing_since is not None
    return {
        "name": name,
        "state": "disabled" if disabled else "failing" if failing else "ok",
        "queued": tally.queued,
        "held": tally.held,
        "failed": tally.dead,
        "delivered": tally.delivered,
        "bytes": tally.bytes,
        "oldest_seconds": None if tally.oldest is None else round(max(0.0, now - tally.oldest), 3),
        "disabled": tally.disabled or None,
        "disabled_at": tally.disabled_at,
        "failures": health.failures if health else 0,
        "failing_since": health.failing_since if health else None,
        "error": (health.error or None) if health else None,
        "error_at": health.error_at if health else None,
        "delivered_at": health.delivered_at if health else None,
        "next_attempt": health.next_attempt if health else None,
    }


def dead_letter(row: Row) -> Mapping[str, object]:
    """One dead letter."""
    try:
        event = msgspec.json.decode(row.event)
    except msgspec.MsgspecError:
        event = None
    return {
        "id": row.delivery,
        "endpoint": row.endpoint,
        "kind": event.get("kind") if isinstance(event, dict) else None,
        "created": row.created,
        "died": row.died,
        "attempts": row.attempts,
        "error": row.error,
        "event": event,
    }


def sample(last: Event | None, now: float, number: int) -> Event:
    """An event that did not happen, of this node as far as it is known."""
    node = last.node if last is not None else "127.0.0.1:4000"
    return Event(
        id=f"test-{number:012x}",
        seq=last.seq if last is not None else 0,
        kind=EventKind.ELECTED,
        time=now,
        node=node,
        name=last.name if last is not None else "test",
        cluster=last.cluster if last is not None else "test",
        role="leader",
        term=last.term if last is not None else 0,
        leader=node,
        previous_leader=None,
        members=(node,),
        member=None,
        reason=Reason.OPERATOR,
        replay=False,
    )
