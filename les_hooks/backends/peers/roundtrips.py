"""How long the other end of a link takes to answer. Pure; for `link` only.

By WebSocket pings, since nothing else there says it: a beat is answered by the next one, up to a heartbeat later. The
kernel's own estimate (TCP_INFO) would cost nothing, but counts the 40 ms by which an idle connection delays its
acknowledgements: some ends of links on loopback stayed at 33 ms for good, beside others at 0.04 ms.
"""

from collections.abc import Callable

__all__ = ["EVERY_SECONDS", "FIRST_SECONDS", "RoundTrips"]

EVERY_SECONDS = 5.0
"""The time between two pings: a tenth of the frames that a link carries at rest, and of their cost."""

FIRST_SECONDS = 1.0
"""When the first one is sent: the moments after a link came up are busy with an election."""

_PAYLOAD_BYTES = 8


class RoundTrips:
    """Numbers the pings of one link; `last` is the last round trip in seconds, None before the first answer.

    `now` gives seconds. What is measured is what a frame and its answer would take: the network, and both daemons.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.last: float | None = None
        self._now = now
        self._due = now() + FIRST_SECONDS
        self._number = 0
        self._sent: float | None = None

    def ping(self) -> bytes | None:
        """The payload of a ping that is to be sent now; None where none is due."""
        now = self._now()
        if now < self._due:
            return None
        self._due, self._sent = now + EVERY_SECONDS, now
        self._number += 1
        return self._payload

    def pong(self, payload: bytes) -> None:
        """Take an answer; one that nobody asked for, or a late one, tells nothing."""
        if self._sent is not None and payload == self._payload:
            self.last, self._sent = max(0.0, self._now() - self._sent), None

    @property
    def _payload(self) -> bytes:
        return self._number.to_bytes(_PAYLOAD_BYTES)
