"""The kernel's links and addresses over rtnetlink, by pyroute2's sockets. For `vip`; `rtnl` has the messages."""

import asyncio
import contextlib
import errno
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from les_hooks.text import error_words
from les_plugins.vip.kernel import Assigned, Change, KernelError, Link, Placement
from les_plugins.vip.rtnl import (
    LINK_KINDS,
    ROUTE_PROTOCOL,
    V6,
    LinkMessage,
    address_arguments,
    read_assigned,
    read_change,
    read_link,
    route_arguments,
    words,
)

__all__ = ["Netlink"]

# The kernel answers at once, and a socket whose buffer ran over never.
_ANSWER_SECONDS = 2.0
_REOPEN_SECONDS = 0.5

# More than these and it is told that something changed; a host with thousands of containers is to cost no memory.
_MOST_CHANGES = 256

_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_GROUPS = _RTNLGRP_LINK | _RTNLGRP_IPV4_IFADDR | _RTNLGRP_IPV6_IFADDR
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ESRCH, errno.ENXIO})


class Netlink:
    """Implements `Kernel`. To be used in one event loop; sockets are opened when they are first needed."""

    def __init__(self) -> None:
        self._requests: AsyncIPRoute | None = None
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._changes: deque[Change] = deque(maxlen=_MOST_CHANGES)
        self._watching: asyncio.Task[None] | None = None

    async def links(self) -> Mapping[str, Link]:
        """Every interface, by name."""
        async with _looking() as ask:
            ask.register_policy(dict.fromkeys(LINK_KINDS, LinkMessage))
            found = [read_link(message) async for message in await ask.link("dump")]
        return {link.name: link for link in found}

    async def assigned(self) -> Sequence[Assigned]:
        """Every address of every interface."""
        async with _looking() as ask:
            return [read_assigned(message) async for message in await ask.addr("dump")]

    async def put(self, placement: Placement) -> None:
        """Add the address, or have it stay as long from now on."""
        async with self._asking() as ask:
            await ask.addr("replace", **address_arguments(placement))
            if placement.route:
                await ask.route("replace", **route_arguments(placement))

    async def remove(self, assigned: Assigned) -> bool:
        """Remove the address; returns whether it was there. An IPv4 route that prefers it goes with it."""
        try:
            async with self._asking() as ask:
                if ":" in assigned.ip:
                    await self._remove_route(ask, assigned)
                await ask.addr("del", index=assigned.index, address=assigned.ip, prefixlen=assigned.length)
        except KernelError as error:
            if error.code in _ABSENT:
                return False
            raise
        return True

    async def _remove_route(self, ask: AsyncIPRoute, assigned: Assigned) -> None:
        with contextlib.suppress(NetlinkError):  # most have none
            await ask.route(
                "del", dst=f"{assigned.ip}/{assigned.length}", oif=assigned.index, proto=ROUTE_PROTOCOL, family=V6
            )

    async def changes(self) -> Sequence[Change]:
        """Wait until links or addresses have changed, and tell what did since the last call."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="vip-netlink")
        await self._news.wait()
        self._news.clear()
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    async def _watch(self) -> None:
        while True:
            # Whatever it stumbles over: what it cannot decode too, and a buffer that ran over.
            with contextlib.suppress(Exception):
                async with AsyncIPRoute() as watch:
                    watch.register_policy(dict.fromkeys(LINK_KINDS, LinkMessage))
                    await watch.bind(groups=_GROUPS)
                    self._note(Change())  # what was missed while no socket was open is seen by looking anew
                    while True:
                        async for message in watch.get():
                            self._note(read_change(message))
            await asyncio.sleep(_REOPEN_SECONDS)

    def _note(self, change: Change) -> None:
        if len(self._changes) == _MOST_CHANGES:
            self._changes[0] = change = Change()
        else:
            self._changes.append(change)
        self._news.set()

    def close(self) -> None:
        """Let go of the kernel."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self._drop()

    def _drop(self) -> None:
        if self._requests is not None:
            with contextlib.suppress(Exception):  # a broken socket, which is why it is dropped
                self._requests.close()
            self._requests = None

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[AsyncIPRoute]:
        """The socket for requests, for a bounded time; a broken one is replaced by the next call."""
        # One at a time: pyroute2 opens a transport for each of those that come before the first one is there.
        async with self._turn:
            if self._requests is None:
                self._requests = AsyncIPRoute()
            try:
                async with _bounded():
                    yield self._requests
            except BaseException as error:
                # A refusal is an answer. All else leaves one under way, to be stumbled over, or a broken socket.
                if not isinstance(error.__cause__, NetlinkError):
                    self._drop()
                raise


@contextlib.asynccontextmanager
async def _looking() -> AsyncIterator[AsyncIPRoute]:
    """A socket for one list: the kernel refuses a second one meanwhile, also where the first was cancelled."""
    async with AsyncIPRoute() as ask, _bounded():
        yield ask


@contextlib.asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    """A bounded time for an answer, and all that can go wrong as KernelError."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            yield
    except TimeoutError:
        raise KernelError(f"the kernel did not answer within {_ANSWER_SECONDS:g} s", errno.ETIMEDOUT) from None
    except NetlinkError as error:
        raise KernelError(words(error.code), error.code) from error
    except OSError as error:
        raise KernelError(words(error.errno or 0), error.errno or 0) from error
    except Exception as error:  # what pyroute2 cannot decode, and what else it stumbles over
        raise KernelError(f"netlink fails: {error_words(error)}") from error
