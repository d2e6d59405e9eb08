"""Whether this node may act as the leader at this moment, asked right before each side effect. Imported by `daemon`."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from les_hooks.backends import Backend
from les_hooks.members import NO_MANDATE, Mandate

__all__ = ["BackendAuthority"]


class BackendAuthority:
    """Implements `dispatch.Authority` with what the backend knows; `clock` is boottime seconds.

    `patience` is how many seconds `confirmed` waits for an answer: who is silent for longer is lost anyway.
    """

    def __init__(self, backend: Backend, clock: Callable[[], float], patience: float) -> None:
        self._backend = backend
        self._clock = clock
        self._patience = patience
        self._changed = asyncio.Event()
        self._thread = threading.get_ident()

    def left(self) -> float:
        """Seconds for which this node may act, 0.0 when it must not. Plugins may ask from threads of theirs."""
        return max(0.0, self._present().act_until - self._clock())

    def hold_left(self) -> float:
        """Seconds for which what this node took may stay with it, 0.0 when it must be gone. From any thread, too."""
        return max(0.0, self._present().hold_until - self._clock())

    def release_left(self) -> float:
        """Seconds until others may lead, 0.0 once they may; infinite where this node need not fear that."""
        return max(0.0, self._backend.mandate.release_by - self._clock())

    def _present(self) -> Mandate:
        if threading.get_ident() == self._thread:
            self._backend.look()
        return NO_MANDATE if self._backend.confirming else self._backend.mandate

    def changed(self) -> None:
        """The backend knows something new."""
        self._changed.set()

    async def confirmed(self) -> bool:
        """Wait while the others are being asked, then say whether this node may act."""
        self._backend.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._backend.confirming:
                    self._changed.clear()
                    await self._changed.wait()
        return self.left() > 0.0
