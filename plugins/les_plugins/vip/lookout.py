"""Looking before an address is taken: who answers for it, and since when nobody does. For `vip`."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from les_plugins.vip.ether import Ether, Open
from les_plugins.vip.frames import probe
from les_plugins.vip.kernel import KernelError, Link
from les_plugins.vip.settings import VirtualAddress

__all__ = ["ANSWER_SECONDS", "LOOK_SECONDS", "Lookout"]

# RFC 5227 waits for seconds, as its hosts can; here a cluster is without its address meanwhile. Three questions bear
# the loss of two, and a host on the same link answers within a millisecond.
_QUESTIONS: Final = 3

ANSWER_SECONDS: Final = 0.03
"""How long a host on the same link may take to answer."""

LOOK_SECONDS: Final = 0.1
"""How long it takes to find out that nobody answers."""

# Who answered is asked alone, so that only two hosts hear how often.
_ASK_AGAIN_SECONDS: Final = 0.01

# While a leader is silent: at first enough to know before it is lost, then so as to notice if it comes back.
_WATCH_SECONDS: Final = (0.02, 0.02, 0.02, 0.02, 0.1)

# A silence that was heard longer ago than this says nothing any more.
_FRESH_SECONDS: Final = 1.0

# As many hosts as can claim an address before the rest of them makes no difference.
_MOST_CLAIMANTS: Final = 8
_MOST_REMEMBERED: Final = 16


class Lookout:
    """Asks who has an address, and remembers who answered; `clock` gives boottime seconds.

    `on_claim` is called with the hardware address of another host whenever it claims the address.
    """

    def __init__(
        self,
        address: VirtualAddress,
        *,
        clock: Callable[[], float],
        open_ether: Open,
        on_claim: Callable[[VirtualAddress, bytes], None],
    ) -> None:
        self.address = address
        self.link: Link | None = None
        self.claims: dict[bytes, float] = {}
        """The other hosts that claimed the address, and when each did so last."""
        self._clock = clock
        self._open = open_ether
        self._on_claim = on_claim
        self._ip = address.address
        self._ether: Ether | None = None
        self._own: frozenset[bytes] = frozenset()
        self._heard = asyncio.Event()
        self._asked: deque[float] = deque(maxlen=_MOST_REMEMBERED)
        self._watched_since = math.inf
        self._vigil: deque[float] = deque(maxlen=_MOST_REMEMBERED)

    # -- the link ------------------------------------------------------------------------------------------------------

    def move(self, link: Link | None, own: frozenset[bytes]) -> None:
        """Look on this link from now on; `own` are the hardware addresses of this host. Raises KernelError."""
        self._own = own
        before = self.link
        self.link = link
        if link is None or not link.speaks_arp:
            self.close()
        elif self._ether is None or before is None or (before.index, before.name) != (link.index, link.name):
            self.close()
            self._ether = self._open(link, self._ip, self._hear)

    @property
    def can_ask(self) -> bool:
        """Whether there is anybody to ask: not on loopback, nor in a tunnel."""
        return self._ether is not None

    def send(self, frame: bytes) -> bool:
        """Send a frame on the link; returns whether it took it."""
        return self._ether is not None and self._ether.send(frame)

    def close(self) -> None:
        """Hear nothing more."""
        if self._ether is not None:
            self._ether.close()
            self._ether = None

    # -- asking --------------------------------------------------------------------------------------------------------

    def ask(self, to: bytes | None = None) -> bool:
        """Ask who has the address: everybody, or one host; returns whether the link took the question."""
        if self.link is None or not self.send(probe(self._ip, self.link.mac, to)):
            return False
        self._asked.append(self._clock())
        return True

    def answered_since(self, when: float) -> bool:
        """Whether another host has claimed the address since then."""
        return any(last >= when for last in self.claims.values())

    async def is_free(self) -> bool:
        """Find out whether nobody has the address, within LOOK_SECONDS. Raises KernelError where nobody can be asked.

        A process that was stopped meanwhile hears first what was said, and judges then.
        """
        begun = self._clock()
        asked = 0
        for _ in range(_QUESTIONS):
            asked += self.ask()
            if await self._hears(ANSWER_SECONDS):
                return False
        if await self._hears(max(0.0, begun + LOOK_SECONDS - self._clock())):
            return False
        if not asked:
            raise KernelError("nobody can be asked who has it: the interface takes no packets")
        return True

    async def falls_silent(self, until: float) -> bool:
        """Ask those who answered again and again; returns whether they all stopped, False if not until then."""
        while (now := self._clock()) < until:
            last = max(self.claims.values(), default=-math.inf)
            # However late this process is to look: time alone, without questions, says nothing.
            unanswered = sum(asked > last for asked in self._asked)
            if now - last > _QUESTIONS * _ASK_AGAIN_SECONDS and unanswered >= _QUESTIONS:
                return True
            for mac in [mac for mac, heard in self.claims.items() if last - heard < LOOK_SECONDS]:
                self.ask(mac)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        return False

    async def watch(self) -> None:
        """Ask until cancelled: the holder fell silent, and it may be gone, or its host."""
        self._vigil.clear()
        self._watched_since = self._clock()
        pauses = iter(_WATCH_SECONDS)
        pause = 0.0
        while True:
            if self.ask():
                self._vigil.append(self._clock())
            pause = next(pauses, pause)
            await asyncio.sleep(pause)

    @property
    def is_silent(self) -> bool:
        """Whether nobody has answered since the holder fell silent, though enough was asked until just now."""
        now = self._clock()
        enough = sum(asked <= now - ANSWER_SECONDS for asked in self._vigil) >= _QUESTIONS
        return enough and self._is_watched and not self.answered_since(self._watched_since)

    @property
    def is_answered(self) -> bool:
        """Whether somebody has answered since the holder fell silent, as far as was asked until just now."""
        return self._is_watched and self.answered_since(self._watched_since)

    @property
    def _is_watched(self) -> bool:
        """Whether `watch` was at work until just now, so that what it heard is worth something."""
        return bool(self._vigil) and self._clock() - self._vigil[-1] < _FRESH_SECONDS

    # -- hearing -------------------------------------------------------------------------------------------------------

    def _hear(self, mac: bytes) -> None:
        if mac in self._own:
            return
        if mac not in self.claims and len(self.claims) >= _MOST_CLAIMANTS:
            del self.claims[min(self.claims, key=self.claims.__getitem__)]
        self.claims[mac] = self._clock()
        self._heard.set()
        self._on_claim(self.address, mac)

    async def _hears(self, seconds: float) -> bool:
        """Wait that long for a claim."""
        self._heard.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            # Both at once, for a process that was stopped: it was said in time, and read late.
            return self._heard.is_set()
        return True
