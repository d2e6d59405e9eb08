"""The outbox: what is to be posted, on disk before anybody is told. Private to `webhook`.

What others call is here; it goes through `writer`, the one thread that works on the file, to `store`, what is done with
rows, and its half `incoming`, what becomes of an event that is told. `file` makes the file, and `rows` are the values.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from les_hooks import Event
from les_plugins.webhook.outbox.rows import Bounds, Row, Tally
from les_plugins.webhook.outbox.store import Store
from les_plugins.webhook.outbox.writer import Reporter, Unwritten, Writer
from les_plugins.webhook.settings import Endpoint

__all__ = ["Outbox", "Unwritten"]


class Outbox:
    """The rows of one node. Its methods are called in the loop; see `Writer` for what it is made with."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        endpoints: Callable[[], Mapping[str, str]],
        reporter: Reporter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reporter = reporter
        self._wall = wall
        self._writer = Writer(path, bounds, endpoints, reporter, wall)
        self._unmarked: set[tuple[str, str]] = set()

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """How much there is by endpoint, as of the last commit."""
        return self._writer.tallies

    @property
    def trouble(self) -> str:
        """Why nothing can be written at present; empty where it can."""
        return self._writer.trouble

    def tell(self, event: Event, endpoints: Iterable[Endpoint]) -> "asyncio.Future[Counter[str]]":
        """Write the rows of an event; done once they are on the disk. Raises Unwritten where too much waits."""

        def after(dropped: Counter[str]) -> None:
            for endpoint, rows in dropped.items():
                self._reporter.dropped(endpoint, rows)

        now = self._wall()
        return self._writer.submit(
            lambda store: store.tell(event, endpoints, now), writes=True, durable=True, after=after
        )

    async def head(self, endpoint: str, most: int) -> Sequence[Row]:
        """The next rows to post. Raises Unwritten where the file cannot be read."""
        rows = await self._writer.submit(lambda store: store.head(endpoint, most + len(self._unmarked)))
        return [row for row in rows if (row.endpoint, row.delivery) not in self._unmarked]

    async def dead(self, endpoint: str | None, most: int) -> Sequence[Row]:
        """The newest dead letters. Raises Unwritten where the file cannot be read."""
        return await self._writer.submit(lambda store: store.dead(endpoint, most))

    def delivered(self, row: Row) -> None:
        """It has arrived."""
        self._mark(lambda store: store.delivered(row), row)

    def failed(self, row: Row, why: str) -> None:
        """It did not arrive, and is tried again."""
        self._mark(lambda store: store.failed(row, why))

    def bury(self, row: Row, why: str) -> None:
        """It is given up."""
        now = self._wall()
        self._mark(lambda store: store.bury(row, why, now), row)

    async def expire(self, endpoint: str, before: float, why: str) -> int:
        """Give up what was written before that moment; returns how many rows. Raises Unwritten."""
        now = self._wall()
        return await self._writer.submit(lambda store: store.expire(endpoint, before, why, now), writes=True)

    def disable(self, endpoint: str, why: str) -> None:
        """The receiver wants nothing more."""
        now = self._wall()
        self._mark(lambda store: store.disable(endpoint, why, now))

    def ripen(self) -> None:
        """Forget what the leader has posted by now."""
        now = self._wall()
        self._mark(lambda store: store.ripen(now))

    async def replay(
        self, known: Iterable[str], *, delivery: str | None, endpoint: str | None, since: float | None
    ) -> Counter[str]:
        """Queue dead letters anew; returns how many of whom. Raises Unwritten."""
        now = self._wall()
        return await self._writer.submit(
            lambda store: store.replay(delivery=delivery, endpoint=endpoint, since=since, known=known, now=now),
            writes=True,
            durable=True,
        )

    async def close(self, seconds: float) -> None:
        """Write what waits, for so long at most, and let go of the file."""
        await self._writer.close(seconds)

    def _mark(self, work: Callable[[Store], Any], done: Row | None = None) -> None:
        """Write it when that is possible; what is `done` with is not read again, and posted again after a restart."""
        try:
            # That it came to nothing is known by the trouble there is; asyncio complains of what nobody looks at.
            self._writer.submit(work, writes=True).add_done_callback(lambda mark: mark.cancelled() or mark.exception())
        except Unwritten:
            if done is not None:
                self._unmarked.add((done.endpoint, done.delivery))
