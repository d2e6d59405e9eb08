"""The links to the other members: one for each pair, whoever dialed it. For this package only."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp.web import WebSocketResponse
from structlog.typing import FilteringBoundLogger

from les_hooks import wire
from les_hooks.backends.peers.greeting import Greeter, Greeting
from les_hooks.backends.peers.link import CLOSE_SECONDS, Link, Socket, check_peer, close_socket
from les_hooks.election.frames import Farewell, Frame, Hello
from les_hooks.election.messages import (
    Heard,
    LinkDown,
    LinkUp,
    Message,
    Undone,
)
from les_hooks.errors import PeerError
from les_hooks.members import Address
from les_hooks.security import Credentials
from les_hooks.serving import Sparing

__all__ = ["Links"]

# Two nodes that dial each other at the same moment make two links; both ends must close the same one of them.
_CROSSING_SECONDS = 2.0

# A call of this node to itself is asked about at once; what is left over are those that somebody else made of ours.
_MOST_OWN_CALLS = 64


class Links:
    """All links of this node. `report` gets what the machine is to know; `changed` is called when links come and go."""

    def __init__(
        self,
        own: Hello,
        greeter: Greeter,
        *,
        report: Callable[[Message], None],
        changed: Callable[[], None],
        now: Callable[[], float],
        wall: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        self._own = own
        self._greeter = greeter
        self._report = report
        self._changed = changed
        self._now = now
        self._wall = wall
        self._log = log
        # Any stranger can be refused as often as he likes, and a node that does not fit tries for ever.
        self._refusals = Sparing(log, once=True)
        self._own_calls: deque[tuple[str, int]] = deque(maxlen=_MOST_OWN_CALLS)
        self._links: dict[Address, Link] = {}
        # Which member answered at an address that is not its own: a seed by another name.
        self._aliases: dict[Address, Address] = {}

    def all(self) -> tuple[Link, ...]:
        """The links that stand, in the order of their members."""
        return tuple(link for _, link in sorted(self._links.items()))

    def linked(self, address: Address) -> bool:
        """Whether the member at this address has a link, be it under another name."""
        return address in self._links or self._aliases.get(address) in self._links

    def send(self, address: Address, frame: Frame) -> None:
        """Send a frame to the member if it has a link; one that does not read what it is sent loses it."""
        link = self._links.get(address)
        if link is None:
            return
        data = wire.encode(frame)
        if len(data) > wire.FRAME_LIMIT:
            self._log.error("frame-too-large", peer=address, size=len(data), limit=wire.FRAME_LIMIT)
        elif not link.send(data):
            link.reason = "does not read what it is sent"
            link.cut()

    async def accept(self, ws: WebSocketResponse[Any], remote: str, limit: float, proven: Callable[[], None]) -> None:
        """Serve a connection that another node made from the host `remote`; its hello must come in `limit` seconds.

        `proven` is called once it is a member's link.
        """
        try:
            async with asyncio.timeout(limit):
                first = await self._greeter.hear(ws, remote)
            if isinstance(first, Farewell):
                self._take_farewell(first)
        except (PeerError, TimeoutError) as error:
            await self._refuse(ws, remote, error.why if isinstance(error, PeerError) else "said no hello in time")
            return
        if isinstance(first, Greeting):
            await self._greet(ws, first, remote, proven)
        else:
            # An end without a reason: so it was taken.
            await close_socket(ws, "")

    def _take_farewell(self, farewell: Farewell) -> None:
        """Have the machine know that a process which died was undone; raises PeerError where that cannot be."""
        wire.check_hello(farewell, self._own.cluster)
        if farewell.boot == self._own.boot:
            raise PeerError(farewell.address, "takes leave of this very process")
        link = self._links.get(Address(farewell.address))
        if link is not None and link.hello.boot == farewell.boot:
            # The connections of a process that died broke before anybody could undo what it left.
            raise PeerError(farewell.address, "takes leave of a process that has a link to this node")
        self._log.info("farewell-taken", peer=farewell.address, boot=farewell.boot.counter)
        self._report(Undone(address=Address(farewell.address), boot=farewell.boot))

    async def _greet(
        self, ws: WebSocketResponse[Any], greeting: Greeting, remote: str, proven: Callable[[], None]
    ) -> None:
        hello = greeting.hello
        # An admitted link is admitted here before it is at the end that dialed, so that both agree on which one of
        # crossing links they keep. The hello goes to who is refused too: it tells why.
        try:
            check_peer(hello, self._own)
        except PeerError as error:
            if hello.boot == self._own.boot:
                self._own_calls.append(_end(ws, "peername"))
            with contextlib.suppress(ConnectionError):
                await ws.send_bytes(greeting.seal.seal(wire.encode(self._own)))
            if hello.boot != self._own.boot:
                await self._refuse(ws, f"{hello.address} from {remote}", error.why)
            return
        link = Link(ws, greeting, dialed=None, now=self._now)
        link.send(wire.encode(self._own))
        if self.admit(link):
            proven()
            await self.serve(link)
        else:
            await link.close()

    def is_own_call(self, ws: Socket) -> bool:
        """Whether this node dialed itself with it, and nobody in between passed on what was said to another."""
        return _end(ws, "sockname") in self._own_calls

    def admit(self, link: Link) -> bool:
        """Take the link as its member's, to be served from now on; False where the one that stands is to be kept."""
        old = self._links.get(link.address)
        if link.dialed is not None:
            self._aliases[link.dialed] = link.address
        if old is not None:
            same = old.hello.boot == link.hello.boot
            crossing = same and link.since - old.since < _CROSSING_SECONDS
            if crossing and self._initiator(old) < self._initiator(link):
                link.reason = "another link to this member is kept"
                return False
            old.reason = "replaced by a newer link"
            old.cut()
            if not same:
                self._report(LinkDown(address=link.address))
        self._links[link.address] = link
        self._log.info("link-up", peer=link.address, name=link.hello.name, dialed=link.dialed)
        self._refusals.forget()
        self._report(LinkUp(hello=link.hello, dialed=link.dialed))
        self._changed()
        return True

    async def serve(self, link: Link) -> None:
        """Carry an admitted link until it ends."""
        try:
            await link.run(lambda frame: self._hear(link, frame))
        finally:
            self._forget(link)
        self._log.info("link-ended", peer=link.address, reason=link.reason)
        await link.close()

    def drop(self, address: Address) -> None:
        """End the link to the member if there is one; nothing is reported."""
        self._aliases.pop(address, None)
        link = self._links.pop(address, None)
        if link is not None:
            link.reason = link.reason or "no longer wanted"
            link.cut()
            self._changed()

    def review(self, credentials: Credentials) -> None:
        """End the links that rest on what is accepted no more; whoever dialed them makes them anew, if it can."""
        for link in self.all():
            objection = credentials.objection(link.proved, link.authorities)
            if objection:
                link.reason = objection
                link.cut()

    async def close(self) -> None:
        """End all links, once what was sent over them is on its way."""
        links = self.all()
        self._links.clear()
        for link in links:
            link.reason = "this node leaves"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(link.drain() for link in links))
        await asyncio.gather(*(link.close() for link in links))

    def _hear(self, link: Link, frame: Frame) -> None:
        if isinstance(frame, Hello | Farewell):
            raise PeerError(link.address, "said hello twice")
        wire.check_terms(frame, self._wall(), link.address)
        if self._links.get(link.address) is link:
            self._report(Heard(sender=link.address, frame=frame))

    async def _refuse(self, ws: WebSocketResponse[Any], peer: str, reason: str) -> None:
        self._refusals.write(logging.WARNING, "link-refused", peer=peer, reason=reason)
        await close_socket(ws, reason)

    def _forget(self, link: Link) -> None:
        if self._links.get(link.address) is link:
            del self._links[link.address]
            self._report(LinkDown(address=link.address))
            self._changed()

    def _initiator(self, link: Link) -> str:
        return link.address if link.dialed is None else self._own.address


def _end(ws: Socket, which: str) -> tuple[str, int]:
    """Host and port of one end of the connection: `peername` or `sockname`."""
    host, port, *_ = ws.get_extra_info(which) or ("", 0)
    return host, port
