"""Records of an audit trail as one node writes them. For tests of what reads trails."""

from collections.abc import Mapping
from typing import Any

__all__ = ["ME", "changed", "elected", "record"]

ME = "a:1"


def record(second: int, action: str, **more: Any) -> dict[str, Any]:
    """A record, so many seconds past the hour."""
    core: dict[str, Any] = {
        "schema": "les.audit/1",
        "time": f"2026-03-01T08:{second // 60:02}:{second % 60:02}.000000Z",
        "seq": second,
        "boot": 1,
        "node": "a",
        "cluster": "les",
        "action": action,
        "outcome": "success",
        "reason": None,
        "term": 1,
        "leader": None,
        "event_id": None,
    }
    return core | more


def changed(second: int, leader: str | None, reason: str = "leader-lost", **more: Any) -> dict[str, Any]:
    """The cluster has another leader, or none."""
    return record(second, "leader.changed", leader=leader, reason=reason, **more)


def elected(second: int, **more: Any) -> tuple[Mapping[str, Any], ...]:
    """This node begins to lead."""
    return (
        record(second, "leader.elected", leader=ME, reason="first", **more),
        changed(second, ME, "first", **more),
    )
