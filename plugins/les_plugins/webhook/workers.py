"""One worker for each endpoint: posts its rows one by one, and goes on until they have arrived or are given up.

Private to `webhook`. Knows nothing of SQLite or HTTP: what is next, and what became of it, goes through `Queue`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from les_hooks import Event
from les_plugins.webhook.contract import Answer, Delivery, Poster, Verdict
from les_plugins.webhook.outbox import Unwritten
from les_plugins.webhook.outbox.rows import Row
from les_plugins.webhook.settings import Endpoint

__all__ = ["MOST_RETRY_AFTER_SECONDS", "Happening", "Health", "Queue", "Tell", "Worker"]

MOST_RETRY_AFTER_SECONDS = 3600.0
"""A receiver that names a longer pause is asked again sooner."""

_AT_ONCE = 32
_UNREADABLE_PAUSE_SECONDS = 1.0
_PARKED_PAUSE_SECONDS = 60.0
_NEVER_TRIED = "never tried: the endpoint failed, or was disabled, all of the time"


class Queue(Protocol):
    """The rows of all endpoints; see `Outbox`, which implements it."""

    async def head(self, endpoint: str, most: int) -> Sequence[Row]:
        """The next rows to post. Raises Unwritten."""

    def delivered(self, row: Row) -> None:
        """It has arrived."""

    def failed(self, row: Row, why: str) -> None:
        """It did not arrive, and is tried again."""

    def bury(self, row: Row, why: str) -> None:
        """It is given up."""

    async def expire(self, endpoint: str, before: float, why: str) -> int:
        """Give up what was written before that moment. Raises Unwritten."""

    def disable(self, endpoint: str, why: str) -> None:
        """The receiver wants nothing more."""


class Happening(StrEnum):
    """What somebody will want to know of an endpoint later: an action of the audit trail."""

    FAILING = "failing"
    RECOVERED = "recovered"
    GIVEN_UP = "given-up"
    DISABLED = "disabled"


class Tell(Protocol):
    """Hears what happens to an endpoint."""

    def __call__(self, happening: Happening, endpoint: str, *, count: int = 1, **fields: object) -> None:
        """`count` times the same."""


@dataclass(slots=True, kw_only=True)
class Health:
    """How an endpoint does. `failures` in a row, refusals too; times are Unix seconds."""

    failures: int = 0
    failing_since: float | None = None
    error: str = ""
    error_at: float | None = None
    delivered_at: float | None = None
    next_attempt: float | None = None


class Worker:
    """Posts what is queued for one endpoint.

    `chance` yields numbers from 0 to 1, `wall` Unix seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        queue: Queue,
        poster: Poster,
        tell: Tell,
        *,
        wall: Callable[[], float],
        chance: Callable[[], float],
        disabled: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.health = Health()
        self.disabled = disabled
        self._queue = queue
        self._poster = poster
        self._tell = tell
        self._wall = wall
        self._chance = chance
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._due = 0.0
        # How far in the schedule it is: attempts that failed in a row and may work later.
        self._step = 0
        self._ending = False

    def woken(self) -> None:
        """There may be new rows."""
        self._wake.set()

    def resume(self) -> None:
        """Try again now, whatever it was waiting for."""
        self.disabled = False
        self._step = 0
        self._hurry.set()
        self._wake.set()

    def finish(self) -> None:
        """Post what was never tried, and end; an endpoint that fails is given no more."""
        self._ending = True
        self._hurry.set()
        self._wake.set()

    async def run(self) -> None:
        """Until `finish` and the rows are at their end, or it is cancelled."""
        while not (self._ending and (self.disabled or self._step)):
            self._wake.clear()
            try:
                rows = [] if self.disabled else await self._queue.head(self.endpoint.name, _AT_ONCE)
                if not rows:
                    if self._ending:
                        return
                    await _sleep(self._wake, _PARKED_PAUSE_SECONDS if self.disabled else None)
                    if self.disabled:
                        await self._expire()
                    continue
                for row in rows:
                    if (self._ending and self._step) or not await self._deliver(row):
                        break
            except Unwritten:
                await _sleep(self._wake, _UNREADABLE_PAUSE_SECONDS)

    async def _deliver(self, row: Row) -> bool:
        """Post it, once; returns whether the next one may be posted."""
        await self._pause(row)
        if self._ending and self._step:
            return False
        try:
            event = msgspec.json.decode(row.event, type=Event)
        except msgspec.MsgspecError as error:
            self._bury(row, f"this version cannot read it: {error}", None)
            return True
        answer = await self._poster.post(Delivery(id=row.delivery, event=event))
        match answer.verdict:
            case Verdict.DELIVERED:
                self._queue.delivered(row)
                self._arrived(event)
            case Verdict.REFUSED:
                # Whoever refuses is there: the next one need not wait.
                self._step = 0
                self._not_arrived(answer, event)
                self._bury(row, answer.why, event)
            case Verdict.GONE:
                self._disable(row, answer.why)
                return False
            case Verdict.RETRY:
                await self._failed(row, answer, event)
                return False
        return True

    async def _pause(self, row: Row) -> None:
        """Wait until it is time for the next attempt, or somebody wants it at once."""
        if self._step:
            await _sleep(self._hurry, self._due - self._loop_time())
        elif row.attempts == 0:
            await _sleep(self._hurry, self._chance() * self.endpoint.pause(0))
        if not self._ending:
            self._hurry.clear()
        self.health.next_attempt = None

    def _arrived(self, event: Event) -> None:
        health = self.health
        health.delivered_at = self._wall()
        if health.failing_since is not None:
            seconds = round(self._wall() - health.failing_since, 3)
            self._tell(
                Happening.RECOVERED, self.endpoint.name, event_id=event.id, attempts=health.failures, seconds=seconds
            )
        self._at_ease()

    def _at_ease(self) -> None:
        self._step = 0
        self.health.failures, self.health.failing_since, self.health.next_attempt = 0, None, None

    def _not_arrived(self, answer: Answer, event: Event) -> None:
        health = self.health
        health.error, health.error_at = answer.why, self._wall()
        health.failures += 1
        if health.failing_since is None:
            health.failing_since = health.error_at
            self._tell(
                Happening.FAILING, self.endpoint.name, reason=answer.why, event_id=event.id, status=answer.status
            )

    async def _failed(self, row: Row, answer: Answer, event: Event) -> None:
        now = self._wall()
        self._not_arrived(answer, event)
        self._step += 1
        self._queue.failed(row, answer.why)
        left = row.created + self.endpoint.retry_for - now
        pause = self._chance() * self.endpoint.pause(self._step)
        if left > 0.0:
            # The last attempt is made at the end of the time, and not some time before.
            pause = min(pause, left)
        else:
            await self._expire()
        pause = max(pause, min(answer.retry_after or 0.0, MOST_RETRY_AFTER_SECONDS))
        self._due = self._loop_time() + pause
        self.health.next_attempt = now + pause

    def _loop_time(self) -> float:
        # Not `wall`: a clock that is set back must not make a pause of hours.
        return asyncio.get_running_loop().time()

    async def _expire(self) -> None:
        """Give up all that is too old, and not only what was tried: more attempts would be as many failures."""
        before = self._wall() - self.endpoint.retry_for
        if count := await self._queue.expire(self.endpoint.name, before, _NEVER_TRIED):
            why = self.health.error or "the endpoint is disabled"
            self._tell(Happening.GIVEN_UP, self.endpoint.name, count=count, reason=why)

    def _bury(self, row: Row, why: str, event: Event | None) -> None:
        self.health.error, self.health.error_at = why, self._wall()
        self._queue.bury(row, why)
        event_id = event.id if event is not None else row.delivery
        self._tell(Happening.GIVEN_UP, self.endpoint.name, reason=why, event_id=event_id)

    def _disable(self, row: Row, why: str) -> None:
        self.disabled = True
        self.health.error, self.health.error_at = why, self._wall()
        self._at_ease()
        self._queue.failed(row, why)
        self._queue.disable(self.endpoint.name, why)
        self._tell(Happening.DISABLED, self.endpoint.name, reason=why)


async def _sleep(until: asyncio.Event, seconds: float | None) -> None:
    """Sleep until that happens, and so long at most."""
    if seconds is None or seconds > 0.0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), seconds)
