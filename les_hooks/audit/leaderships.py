"""Who led when, as one node's audit trail tells it. Pure; for `les history`, and for the daemon, which keeps it up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

__all__ = ["Leadership", "Leaderships", "leaderships", "unix"]

_AWAY: Final = "this node stopped watching"
_DIED: Final = "this node died"
_NO_LEADER: Final = "no-leader"
# At a start, and for plugins that are switched off: told to be sure, whether this node led or not.
_NO_ENDINGS: Final = frozenset({"startup", "reload"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """One row. `name` is empty where the trail has none; `until` and `ended` are None while it lasts.

    `vacant`: for how many seconds nobody led before it, as this node measured it; None where it could not know. Times
    are Unix seconds.
    """

    leader: str
    name: str
    term: int
    since: float
    until: float | None = None
    ended: str | None = None
    vacant: float | None = None


class Leaderships:
    """Takes the records of a trail, one after the other, and keeps the last `most` leaderships, all by default."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._rows: list[Leadership] = []
        self._latest = 0.0
        self._boot: object = None
        self._away: float | None = None
        self._me: str | None = None

    @property
    def rows(self) -> Sequence[Leadership]:
        """The leaderships, the oldest first; of one that lasted when this node stopped, nothing is known since."""
        if self._away is None or not self._rows or self._rows[-1].until is not None:
            return tuple(self._rows)
        last = self._rows[-1]
        return (*self._rows[:-1], replace(last, until=max(last.since, self._away), ended=_AWAY))

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in the next record."""
        action, now = record["action"], unix(record)
        if action == "node.started" or record["boot"] != self._boot:
            self._begin(record)
        if action == "leader.elected":
            self._me = record["leader"]
        elif action == "leader.demoted" and str(record["reason"]) not in _NO_ENDINGS:
            self._give_up(str(record["reason"]), now)
        elif action == "node.stopped":
            self._away = now
        elif action in ("leader.changed", "leader.reasserted"):
            self._turn(record, now)
            self._away = None
        self._latest = now

    def _begin(self, record: Mapping[str, Any]) -> None:
        """Another process writes from here on; nobody knows what it missed."""
        self._boot = record["boot"]
        if self._latest and self._away is None:
            self._away = self._latest
            self._give_up(_DIED, self._latest)
        self._me = None

    @property
    def _sitting(self) -> Leadership | None:
        return self._rows[-1] if self._rows and self._rows[-1].until is None else None

    def _give_up(self, why: str, now: float) -> None:
        """Who wrote the trail leads no more, if it did."""
        if self._sitting is not None and self._sitting.leader == self._me:
            self._end(now, why)

    def _turn(self, record: Mapping[str, Any], now: float) -> None:
        """Take in that this leader leads now, or nobody does."""
        leader = None if record["leader"] is None else str(record["leader"])
        term, vacant = record["term"], _seconds(record.get("vacant_ms"))
        sitting, reason = self._sitting, str(record["reason"])
        # The leader before is heard for the last time well before that is news.
        ended = now - (vacant or 0.0)
        if sitting is not None and (sitting.leader, sitting.term) == (leader, term):
            return
        if sitting is not None and self._away is not None:
            self._end(self._away, _AWAY)
        elif sitting is not None:
            self._end(ended, reason)
        elif leader is not None and self._rows and self._rows[-1].ended == _NO_LEADER:
            self._end(ended, reason)  # now this is known, too
        if leader is not None:
            name = str(record.get("leader_name") or "")
            self._rows.append(Leadership(leader=leader, name=name, term=term, since=now, vacant=vacant))
            if self._most is not None:
                del self._rows[: -self._most]

    def _end(self, until: float, why: str) -> None:
        last = self._rows[-1]
        self._rows[-1] = replace(last, until=max(last.since, until), ended=why)


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
    except (ValueError, OverflowError):
        return 0.0


def _seconds(milliseconds: object) -> float | None:
    # Whoever changed the file may have written a number that no clock ever counts to.
    return round(milliseconds / 1000, 6) if isinstance(milliseconds, int | float) and milliseconds < 1e15 else None
