"""What comes into the outbox: the rows of an event, what is held until it is known who leads, and the bounds.

For `store`, within whose transactions it works.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable

import msgspec

from les_hooks import Event
from les_plugins.webhook.outbox.rows import ROW_BYTES, Bounds, requeue
from les_plugins.webhook.settings import Endpoint
from les_plugins.webhook.who import RIPE_SECONDS, Standing, State, fact_of, is_news, place

__all__ = ["Incoming"]

# Members come and go; what is forgotten is told twice at worst.
_MOST_FACTS = 1024


class Incoming:
    """Writes events. It knows who leads by those that it has seen, and not by the file: that may be old."""

    def __init__(self, db: sqlite3.Connection, bounds: Bounds) -> None:
        self._db = db
        self._bounds = bounds
        self._standing = Standing()

    def tell(self, event: Event, endpoints: Iterable[Endpoint], now: float) -> Counter[str]:
        """Write the rows of an event, if it is news; returns how many rows of which endpoint had to go for it."""
        self._standing = self._standing.after(event)
        self._settle()
        fact = fact_of(event)
        known = self._known(fact.subject) if fact is not None else ""
        if not is_news(event, known):
            return Counter()
        if fact is not None:
            self._remember(fact.subject, fact.value, now)
        body = msgspec.json.encode(event)
        for endpoint in endpoints:
            state = place(event, endpoint, self._standing)
            if state is not None:
                held_for = self._standing.leader or ""
                # What was written already is ignored: the write is tried again where it is not known to have worked.
                self._db.execute(
                    "INSERT OR IGNORE INTO post (endpoint, delivery, event, size, created, state, held_for)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (endpoint.name, _delivery_id(event), body, len(body) + ROW_BYTES, now, state, held_for),
                )
        return self._shrink()

    def ripen(self, now: float) -> None:
        """Forget what the leader has posted by now."""
        if self._any_held():
            until = now - RIPE_SECONDS
            self._db.execute("DELETE FROM post WHERE state = 'held' AND held_for <> '' AND created < ?", (until,))

    def _settle(self) -> None:
        """Do with what is held as it stands now."""
        if not self._any_held():
            return
        if self._standing.leads:
            requeue(self._db, "state = 'held'", ())
        elif self._standing.leader is not None:
            self._db.execute("DELETE FROM post WHERE state = 'held' AND held_for <> ?", (self._standing.leader,))
        else:
            self._db.execute("UPDATE post SET held_for = '' WHERE state = 'held'")

    def _any_held(self) -> bool:
        return self._db.execute("SELECT 1 FROM tally WHERE state = 'held' AND rows > 0").fetchone() is not None

    def _known(self, subject: str) -> str:
        found = self._db.execute("SELECT value FROM fact WHERE subject = ?", (subject,)).fetchone()
        return found[0] if found else ""

    def _remember(self, subject: str, value: str, now: float) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", (subject, value, now))
        self._db.execute(
            "DELETE FROM fact WHERE subject IN (SELECT subject FROM fact ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (_MOST_FACTS,),
        )

    def _shrink(self) -> Counter[str]:
        """Make room: dead letters first, then the oldest of the endpoint that has the most."""
        gone: Counter[str] = Counter()
        while True:
            rows, size = self._db.execute("SELECT total(rows), total(bytes) FROM tally").fetchone()
            if rows <= self._bounds.rows and size <= self._bounds.bytes:
                return gone
            name, kind = self._db.execute(
                "SELECT endpoint, iif(state = 'dead', 'dead', 'waiting') AS kind FROM tally WHERE rows > 0"
                " GROUP BY endpoint, kind ORDER BY kind, total(rows) DESC, endpoint LIMIT 1"
            ).fetchone()
            which = "=" if kind == State.DEAD else "<>"
            # One by one where it is a little too much, which is always but after a change of the bounds.
            most = max(1, int(rows - self._bounds.rows) // 4)
            cursor = self._db.execute(
                f"DELETE FROM post WHERE id IN (SELECT id FROM post WHERE endpoint = ? AND state {which} 'dead'"  # noqa: S608  (constants)
                " ORDER BY id LIMIT ?)",
                (name, most),
            )
            gone[name] += cursor.rowcount


def _delivery_id(event: Event) -> str:
    """The `webhook-id` of an event, which must not hold a dot: it separates what is signed."""
    return event.id.replace(".", "_")
