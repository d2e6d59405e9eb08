"""Statements that both halves of the outbox's file need. For `store` and `incoming`."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from les_plugins.webhook.rows import ROW_BYTES, Row
from les_plugins.webhook.who import State

__all__ = ["requeue", "select"]

_COLUMNS = "id, endpoint, delivery, event, created, state, attempts, error, died"


def select(db: sqlite3.Connection, where: str, values: Sequence[object]) -> Sequence[Row]:
    """The rows that `where` means, which is a text of ours."""
    cursor = db.execute(f"SELECT {_COLUMNS} FROM post WHERE {where}", values)  # noqa: S608  (our own texts)
    return [
        Row(
            id=number,
            endpoint=endpoint,
            delivery=delivery,
            event=event,
            created=created,
            state=State(state),
            attempts=attempts,
            error=error,
            died=died,
        )
        for number, endpoint, delivery, event, created, state, attempts, error, died in cursor
    ]


def requeue(db: sqlite3.Connection, where: str, values: Sequence[object], now: float | None = None) -> Counter[str]:
    """Queue these rows behind all others, in their order; with `now` they begin anew. Returns how many of whom."""
    rows = select(db, f"{where} ORDER BY id", values)
    for row in rows:
        created, error = (row.created, row.error) if now is None else (now, "")
        db.execute("DELETE FROM post WHERE id = ?", (row.id,))
        db.execute(
            "INSERT INTO post (endpoint, delivery, event, size, created, state, error)"
            " VALUES (?, ?, ?, ?, ?, 'queued', ?)",
            (row.endpoint, row.delivery, row.event, len(row.event) + ROW_BYTES, created, error),
        )
    return Counter(row.endpoint for row in rows)
