"""Who led when, as one node's audit trail tells it. Pure; for `les history`, and for the daemon, which keeps it up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

__all__ = ["Leadership", "Leaderships", "leaderships", "unix"]

_AWAY: Final = "this node stopped watching"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """One row: `until` and `ended` are None while it lasts. Times are Unix seconds."""

    leader: str
    term: int
    since: float
    until: float | None = None
    ended: str | None = None


class Leaderships:
    """Takes the records of a trail, one after the other, and keeps the last `most` leaderships, all by default."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._rows: list[Leadership] = []
        self._latest = 0.0
        self._away: float | None = None

    @property
    def rows(self) -> Sequence[Leadership]:
        """The leaderships, the oldest first; of one that lasted when this node stopped, nothing is known since."""
        if self._away is None or not self._rows or self._rows[-1].until is not None:
            return tuple(self._rows)
        return (*self._rows[:-1], replace(self._rows[-1], until=self._away, ended=_AWAY))

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in the next record."""
        action, now = record["action"], unix(record)
        if action == "node.started":
            self._away = self._latest or None
        elif action == "node.stopped":
            self._away = now
        elif action in ("leader.changed", "leader.reasserted"):
            self._turn(record, now)
            self._away = None
        self._latest = now

    def _turn(self, record: Mapping[str, Any], now: float) -> None:
        """Take in that this leader leads now, or nobody does."""
        leader, term, rows = record["leader"], record["term"], self._rows
        sitting = rows[-1] if rows and rows[-1].until is None else None
        if sitting is not None and (sitting.leader, sitting.term) == (leader, term):
            return
        if sitting is not None:
            ended = (now, str(record["reason"])) if self._away is None else (self._away, _AWAY)
            rows[-1] = replace(sitting, until=ended[0], ended=ended[1])
        if leader is not None:
            rows.append(Leadership(leader=leader, term=term, since=now))
            if self._most is not None:
                del rows[: -self._most]


def leaderships(found: Iterable[Mapping[str, Any]]) -> Sequence[Leadership]:
    """What the records of a trail say of leaderships, the oldest first."""
    known = Leaderships()
    for record in found:
        known.take(record)
    return known.rows


def unix(record: Mapping[str, Any]) -> float:
    """When the record was written, in Unix seconds; 0.0 where that cannot be read."""
    try:
        return datetime.fromisoformat(str(record["time"])).timestamp()
    except ValueError:
        return 0.0
