"""What lies between the queue and the way out: what is delivered, and what came of it. Values; private to `webhook`.

The workers know a `Poster` and nothing of HTTP; what implements it knows nothing of queues.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from les_hooks import Event

__all__ = ["Answer", "Delivery", "Outgoing", "Poster", "Verdict"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint. `id` is the `webhook-id`: the same at each attempt, and it holds no dot.

    `test` marks a sample that an operator asked for.
    """

    id: str
    event: Event
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What a format makes of a delivery, anew at each attempt."""

    body: bytes
    content_type: str


class Verdict(StrEnum):
    """What an attempt means for the row."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """It may work later: no network, a timeout, 408, 425, 429, 5xx."""
    REFUSED = "refused"
    """It will never work: any other answer."""
    GONE = "gone"
    """410: the receiver wants nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt. All texts are fit for a terminal and hold no secret.

    `status` is that of HTTP, None where there was none; `why` is for people, and empty for what was delivered.
    `retry_after` and `seconds` (how long it took) are seconds. `request` and `reply` are for `les webhooks test`, and
    capped.
    """

    verdict: Verdict
    seconds: float
    status: int | None = None
    why: str = ""
    retry_after: float | None = None
    request: str = ""
    reply: str = ""


class Poster(Protocol):
    """The way to one endpoint."""

    async def post(self, delivery: Delivery) -> Answer:
        """Try once, within the endpoint's `timeout`. Raises nothing but CancelledError."""

    async def close(self) -> None:
        """Hang up."""
