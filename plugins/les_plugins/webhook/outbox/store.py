"""The outbox's file: what goes out of it, and what is known of it. For `writer`, whose thread alone calls it.

Methods that change something run within a transaction of the caller's.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from les_hooks import Event
from les_plugins.webhook.outbox.file import open_file
from les_plugins.webhook.outbox.incoming import Incoming
from les_plugins.webhook.outbox.rows import Bounds, Row, Tally, requeue, select
from les_plugins.webhook.settings import Endpoint
from les_plugins.webhook.who import State

__all__ = ["Store"]

# The number alone may mean another row: those of a file that was begun anew count from 1 again.
_THIS = "id = ? AND delivery = ?"


@dataclass(slots=True, kw_only=True)
class Store:
    """One open file."""

    path: Path
    bounds: Bounds
    _db: sqlite3.Connection = field(init=False)
    _incoming: Incoming = field(init=False)

    def __post_init__(self) -> None:
        self._db = open_file(self.path)
        self._incoming = Incoming(self._db, self.bounds)

    @contextlib.contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """One transaction; what is `durable` is on the disk once it is committed, as far as the disk is true to that.

        What is not is in order, and a power cut may take it. Setting this costs a microsecond, a sync milliseconds.
        """
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite has done it by itself for some errors.
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # -- what comes in -------------------------------------------------------------------------------------------------

    def tell(self, event: Event, endpoints: Iterable[Endpoint], now: float) -> Counter[str]:
        """Write the rows of an event, if it is news; returns how many rows of which endpoint had to go for it."""
        return self._incoming.tell(event, endpoints, now)

    def ripen(self, now: float) -> None:
        """Forget what the leader has posted by now."""
        self._incoming.ripen(now)

    # -- what goes out -------------------------------------------------------------------------------------------------

    def head(self, endpoint: str, most: int) -> Sequence[Row]:
        """The next rows to post."""
        return select(self._db, "endpoint = ? AND state = 'queued' ORDER BY id LIMIT ?", (endpoint, most))

    def delivered(self, row: Row) -> None:
        """It has arrived."""
        self._db.execute(f"DELETE FROM post WHERE {_THIS}", (row.id, row.delivery))  # noqa: S608  (constants)
        self._db.execute("UPDATE endpoint SET delivered = delivered + 1 WHERE name = ?", (row.endpoint,))

    def failed(self, row: Row, why: str) -> None:
        """It did not arrive, and is tried again."""
        values = (why, row.id, row.delivery)
        self._db.execute(f"UPDATE post SET attempts = attempts + 1, error = ? WHERE {_THIS}", values)  # noqa: S608  (constants)

    def bury(self, row: Row, why: str, now: float) -> None:
        """It is given up."""
        self._db.execute(
            f"UPDATE post SET state = 'dead', attempts = attempts + 1, error = ?, died = ? WHERE {_THIS}",  # noqa: S608  (constants)
            (why, now, row.id, row.delivery),
        )

    def expire(self, endpoint: str, before: float, why: str, now: float) -> int:
        """Give up what was written before that moment; returns how many rows. `why` is for those never tried."""
        return self._db.execute(
            "UPDATE post SET state = 'dead', error = iif(error = '', ?, error), died = ?"
            " WHERE endpoint = ? AND state = 'queued' AND created <= ?",
            (why, now, endpoint, before),
        ).rowcount

    def disable(self, endpoint: str, why: str, now: float) -> None:
        """The receiver wants nothing more."""
        self._db.execute("UPDATE endpoint SET disabled = ?, disabled_at = ? WHERE name = ?", (why, now, endpoint))

    # -- what the operator does ----------------------------------------------------------------------------------------

    def enrol(self, targets: Mapping[str, str], now: float) -> Sequence[str]:
        """Know these endpoints, by name, and where each leads; an endpoint that leads elsewhere is enabled again.

        Rows of other endpoints are given up. Returns the names of those that were enabled.
        """
        enabled = [
            name
            for name, target in targets.items()
            if self._db.execute(
                "SELECT 1 FROM endpoint WHERE name = ? AND target <> ? AND disabled <> ''", (name, target)
            ).fetchone()
        ]
        for name, target in targets.items():
            self._db.execute(
                "INSERT INTO endpoint (name, target) VALUES (?, ?) ON CONFLICT DO UPDATE SET"
                " disabled = iif(target = excluded.target, disabled, ''), target = excluded.target",
                (name, target),
            )
        names = msgspec.json.encode(sorted(targets)).decode()
        others = "NOT IN (SELECT value FROM json_each(?))"
        self._db.execute(
            f"UPDATE post SET state = 'dead', error = 'the endpoint is no longer configured', died = ?"  # noqa: S608  (constants)
            f" WHERE state <> 'dead' AND endpoint {others}",
            (now, names),
        )
        self._db.execute(f"DELETE FROM endpoint WHERE name {others}", (names,))  # noqa: S608  (constants)
        return enabled

    def dead(self, endpoint: str | None, most: int) -> Sequence[Row]:
        """The newest dead letters, of one endpoint or all, newest last."""
        values: tuple[object, ...]
        where, values = ("", ()) if endpoint is None else (" AND endpoint = ?", (endpoint,))
        return select(self._db, f"state = 'dead'{where} ORDER BY died DESC, id DESC LIMIT ?", (*values, most))[::-1]

    def replay(
        self, *, delivery: str | None, endpoint: str | None, since: float | None, known: Iterable[str], now: float
    ) -> Counter[str]:
        """Queue dead letters anew, behind what waits, with all of their time before them; returns how many of whom.

        Endpoints that are meant are enabled again, and counted even without any. What is None does not narrow it down.
        """
        names = [name for name in known if endpoint in (None, name)]
        where = "state = 'dead' AND endpoint IN (SELECT value FROM json_each(?))"
        values: list[object] = [_json(names)]
        for column, value in (("delivery =", delivery), ("died >=", since)):
            if value is not None:
                where += f" AND {column} ?"
                values.append(value)
        found = requeue(self._db, where, values, now)
        meant = names if endpoint is not None else list(found)
        enabled = self._db.execute(
            "UPDATE endpoint SET disabled = '', disabled_at = NULL"
            " WHERE disabled <> '' AND name IN (SELECT value FROM json_each(?)) RETURNING name",
            (_json(meant),),
        ).fetchall()
        for (name,) in enabled:
            found[name] += 0
        return found

    def tallies(self) -> Mapping[str, Tally]:
        """How much there is, by endpoint."""
        found: dict[str, Tally] = {}
        for name, delivered, disabled, at in self._db.execute(
            "SELECT name, delivered, disabled, disabled_at FROM endpoint"
        ):
            found[name] = Tally(delivered=delivered, disabled=disabled, disabled_at=at)
        for name, state, rows, size in self._db.execute("SELECT endpoint, state, rows, bytes FROM tally"):
            tally = found.setdefault(name, Tally())
            setattr(tally, State(state), rows)
            tally.bytes += size
        for name, tally in found.items():
            if tally.queued:
                (tally.oldest,) = self._db.execute(
                    "SELECT created FROM post WHERE endpoint = ? AND state = 'queued' ORDER BY id LIMIT 1", (name,)
                ).fetchone()
        return found


def _json(names: Sequence[str]) -> str:
    return msgspec.json.encode(names).decode()
