"""Announcing an address: when it is taken, now and then while it is held, and against rivals. For `vip`."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from les_plugins.vip.frames import announcements
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import Announce

__all__ = ["Herald"]

# Two hosts that both insist would otherwise fill the network. RFC 5227 says 10 s, for hosts that nobody fails over to.
_DEFENCE_SECONDS: Final = 1.0

_IPV6_FORWARDING: Final = Path("/proc/sys/net/ipv6/conf")


class Herald:
    """Tells the link of `lookout` that its address is here, where `may` says that it may say so.

    `wall` gives Unix seconds, `clock` boottime seconds.
    """

    def __init__(
        self,
        lookout: Lookout,
        announce: Announce,
        *,
        may: Callable[[], bool],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.last: float | None = None
        """When the address was last announced, in Unix seconds."""
        self._lookout = lookout
        self._announce = announce
        self._may = may
        self._clock = clock
        self._wall = wall
        self._defended = -_DEFENCE_SECONDS
        self._speaking: asyncio.Task[None] | None = None

    def shout(self, announce: Announce | None = None) -> None:
        """Announce the address now, several times at growing intervals, and now and then until `hush`.

        `announce` is how from now on, where that has changed.
        """
        self.hush()
        self._announce = announce or self._announce
        self._say()
        self._speaking = asyncio.create_task(self._go_on(), name=f"vip-announce-{self._lookout.address.ip}")

    def defend(self) -> None:
        """Somebody else claims it: contradict, but not as often as they."""
        if self._clock() - self._defended >= _DEFENCE_SECONDS:
            self._defended = self._clock()
            self._say()

    def hush(self) -> None:
        """Announce it no more."""
        if self._speaking is not None:
            self._speaking.cancel()
            self._speaking = None

    async def _go_on(self) -> None:
        pause = self._announce.interval
        for _ in range(self._announce.count - 1):
            await self._say_again(pause)
            pause *= 2
        while self._announce.refresh:
            await self._say_again(self._announce.refresh)

    async def _say_again(self, pause: float) -> None:
        await asyncio.sleep(pause)
        self._say()
        # Who has it all the same would not hear of us otherwise, nor we of them.
        self._lookout.ask()

    def _say(self) -> None:
        link = self._lookout.link
        # Who was frozen has lost the address long ago, and would take the clients of the next one with it.
        if link is None or not self._may():
            return
        frames = announcements(self._lookout.address.address, link.mac, router=_forwards(link.name))
        sent = [self._lookout.send(frame) for frame in frames]
        if all(sent):
            self.last = self._wall()


def _forwards(interface: str) -> bool:
    """Whether this host is a router for IPv6 on the interface."""
    with contextlib.suppress(OSError):
        return (_IPV6_FORWARDING / interface / "forwarding").read_text().strip() == "1"
    return False
