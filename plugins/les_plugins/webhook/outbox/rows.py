"""What the outbox holds, as values; and how rows are read and queued anew, for both halves of its file."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from les_plugins.webhook.who import State

__all__ = ["ROW_BYTES", "Bounds", "Row", "Tally", "requeue", "select"]

_COLUMNS = "id, endpoint, delivery, event, created, state, attempts, error, died"

ROW_BYTES = 256
"""What a row takes beside its event, about: its columns and its place in two indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event for one endpoint; `event` is its JSON, `created` and `died` are Unix seconds."""

    id: int
    endpoint: str
    delivery: str
    event: bytes
    created: float
    state: State
    attempts: int
    error: str
    died: float | None


@dataclass(slots=True, kw_only=True)
class Tally:
    """How much there is for one endpoint. `oldest` is when the row that is next was written, in Unix seconds."""

    queued: int = 0
    held: int = 0
    dead: int = 0
    bytes: int = 0
    oldest: float | None = None
    delivered: int = 0
    disabled: str = ""
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait, dead letters included."""

    rows: int
    bytes: int


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
