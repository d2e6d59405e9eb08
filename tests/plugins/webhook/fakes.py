"""A queue in memory, a poster that answers what it is told to, and a place for what is told of endpoints."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from les_plugins.webhook.contract import Answer, Delivery, Verdict
from les_plugins.webhook.outbox import Unwritten
from les_plugins.webhook.outbox.rows import Row
from les_plugins.webhook.who import State
from les_plugins.webhook.workers import Happening
from tests.fake_context import an_event

__all__ = ["FakePoster", "FakeQueue", "Told", "a_row", "answer"]


def answer(verdict: Verdict = Verdict.DELIVERED, *, why: str = "", retry_after: float | None = None) -> Answer:
    """What came of an attempt."""
    return Answer(verdict=verdict, seconds=0.01, why=why, retry_after=retry_after)


def a_row(number: int, *, created: float = 0.0, attempts: int = 0, event: bytes | None = None) -> Row:
    """The row of an event with this number."""
    return Row(
        id=number,
        endpoint="hook",
        delivery=f"n-{number}",
        event=msgspec.json.encode(an_event(seq=number, id=f"n-{number}")) if event is None else event,
        created=created,
        state=State.QUEUED,
        attempts=attempts,
        error="",
        died=None,
    )


@dataclass(slots=True)
class FakeQueue:
    """Implements `workers.Queue`."""

    rows: list[Row] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)
    disabled: str = ""
    broken: bool = False

    async def head(self, endpoint: str, most: int) -> Sequence[Row]:
        """The next rows."""
        if self.broken:
            raise Unwritten("disk full")
        return self.rows[:most]

    def delivered(self, row: Row) -> None:
        """It has arrived."""
        self.rows = [each for each in self.rows if each.id != row.id]

    def failed(self, row: Row, why: str) -> None:
        """It did not."""

    def bury(self, row: Row, why: str) -> None:
        """It is given up."""
        self.delivered(row)
        self.dead.append((row.delivery, why))

    async def expire(self, endpoint: str, before: float, why: str) -> int:
        """All that is too old."""
        old = [row for row in self.rows if row.created <= before]
        for row in old:
            self.bury(row, "expired")
        return len(old)

    def disable(self, endpoint: str, why: str) -> None:
        """Nothing more is wanted."""
        self.disabled = why


@dataclass(slots=True)
class FakePoster:
    """Answers with what `answers` makes of the delivery and the number of the attempt; `took` seconds later."""

    answers: Callable[[Delivery, int], Answer] = lambda _delivery, _attempt: answer()
    took: float = 0.0
    posted: list[tuple[float, str]] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    closed: bool = False

    async def post(self, delivery: Delivery) -> Answer:
        """Note when, and what."""
        self.posted.append((asyncio.get_running_loop().time(), delivery.id))
        await asyncio.sleep(self.took)
        return self.answers(delivery, len(self.posted))

    async def close(self) -> None:
        """Note it."""
        self.closed = True

    @property
    def ids(self) -> list[str]:
        """What was posted."""
        return [identity for _, identity in self.posted]


@dataclass(slots=True)
class Told:
    """Implements `workers.Tell`."""

    heard: list[tuple[Happening, int]] = field(default_factory=list)

    def __call__(self, happening: Happening, endpoint: str, *, count: int = 1, **fields: object) -> None:
        self.heard.append((happening, count))
