"""The kernel's links and addresses over rtnetlink, by pyroute2. For `vip`; nothing else imports pyroute2."""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWLINK

from les_hooks.text import error_words
from les_plugins.vip.kernel import UNIT_LINES, Assigned, Change, KernelError, Link, Placement

__all__ = ["ROUTE_PROTOCOL", "Netlink"]

ROUTE_PROTOCOL: Final = 76
"""What marks a host route as ours, as /etc/iproute2/rt_protos marks those of routing daemons; free there."""

# The kernel answers at once, and a socket whose buffer ran over never.
_ANSWER_SECONDS = 2.0
_REOPEN_SECONDS = 0.5

# More than these and it is told that something changed; a host with thousands of containers is to cost no memory.
_MOST_CHANGES = 256

_FOREVER = 0xFFFFFFFF
_ARPHRD_ETHER = 1
_IFF_UP, _IFF_LOOPBACK, _IFF_NOARP, _IFF_LOWER_UP = 0x1, 0x8, 0x80, 0x10000
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200
_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_LINK_KINDS = (RTM_NEWLINK, RTM_DELLINK)
_GROUPS = _RTNLGRP_LINK | _RTNLGRP_IPV4_IFADDR | _RTNLGRP_IPV6_IFADDR
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ESRCH, errno.ENXIO})

_WORDS: Final[Mapping[int, str]] = {
    errno.EPERM: f"the kernel refuses it without CAP_NET_ADMIN; put this into the unit: {UNIT_LINES}",
    errno.EACCES: "IPv6 is disabled on the interface; `les check` has the command that enables it",
    errno.ENODEV: "the interface is gone",
    errno.EAFNOSUPPORT: "netlink sockets are forbidden; add AF_NETLINK AF_PACKET to RestrictAddressFamilies= "
    "in the unit",
}


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
            ask.register_policy(dict.fromkeys(_LINK_KINDS, _LinkMessage))
            found = [_link(message) async for message in await ask.link("dump")]
        return {link.name: link for link in found}

    async def assigned(self) -> Sequence[Assigned]:
        """Every address of every interface."""
        async with _looking() as ask:
            return [_assigned(message) async for message in await ask.addr("dump")]

    async def put(self, placement: Placement) -> None:
        """Add the address, or have it stay as long from now on."""
        async with self._asking() as ask:
            await ask.addr("replace", **_arguments(placement))
            if placement.route:
                await ask.route("replace", **_route(placement))

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
                "del", dst=f"{assigned.ip}/{assigned.length}", oif=assigned.index, proto=ROUTE_PROTOCOL, family=_V6
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
                    watch.register_policy(dict.fromkeys(_LINK_KINDS, _LinkMessage))
                    await watch.bind(groups=_GROUPS)
                    self._note(Change())  # what was missed while no socket was open is seen by looking anew
                    while True:
                        async for message in watch.get():
                            self._note(_change(message))
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
        raise KernelError(_words(error.code), error.code) from error
    except OSError as error:
        raise KernelError(_words(error.errno or 0), error.errno or 0) from error
    except Exception as error:  # what pyroute2 cannot decode, and what else it stumbles over
        raise KernelError(f"netlink fails: {error_words(error)}") from error


class _LinkMessage(nlmsg):  # type: ignore[misc]  # untyped there
    """What is used of a link's message: to decode all of it would block the loop for milliseconds, for each link."""

    prefix = "IFLA_"
    fields = (("family", "B"), ("__align", "x"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
    nla_map = (
        ("IFLA_UNSPEC", "none"),
        ("IFLA_ADDRESS", "l2addr"),
        ("IFLA_BROADCAST", "none"),
        ("IFLA_IFNAME", "asciiz"),
    )


_V6 = socket.AF_INET6


def _words(code: int) -> str:
    return _WORDS.get(code) or f"the kernel refuses it: {os.strerror(code)}"


def _link(message: Any) -> Link:
    flags = int(message["flags"])
    mac = str(message.get_attr("IFLA_ADDRESS") or "")
    quiet = flags & (_IFF_LOOPBACK | _IFF_NOARP) or message["ifi_type"] != _ARPHRD_ETHER
    return Link(
        index=int(message["index"]),
        name=str(message.get_attr("IFLA_IFNAME")),
        mac=bytes.fromhex(mac.replace(":", "")) if len(mac) == 17 else bytes(6),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        speaks_arp=not quiet,
    )


def _change(message: Any) -> Change:
    event = str(message.get("event", ""))
    if message["header"]["type"] in _LINK_KINDS:
        return Change(link=str(message.get_attr("IFLA_IFNAME") or ""), index=int(message["index"]))
    if event not in ("RTM_NEWADDR", "RTM_DELADDR"):
        return Change()
    return Change(
        ip=str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
        length=int(message["prefixlen"]),
        index=int(message["index"]),
        gone=event == "RTM_DELADDR",
    )


def _assigned(message: Any) -> Assigned:
    info = message.get_attr("IFA_CACHEINFO") or {}
    valid = int(info.get("ifa_valid", _FOREVER))
    return Assigned(
        index=int(message["index"]),
        # IFA_ADDRESS is the other end where there is one.
        ip=str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
        length=int(message["prefixlen"]),
        valid=None if valid == _FOREVER else valid,
    )


def _arguments(placement: Placement) -> dict[str, object]:
    arguments: dict[str, object] = {
        "index": placement.index,
        "address": placement.ip,
        "prefixlen": placement.length,
        "preferred": placement.seconds,
        "valid": placement.seconds,
    }
    if ":" in placement.ip:
        # Duplicate address detection takes a second, and would leave the address dead where two have it for a moment.
        arguments["flags"] = _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE
    elif placement.label is not None:
        arguments["label"] = placement.label
    return arguments


def _route(placement: Placement) -> dict[str, object]:
    arguments: dict[str, object] = {
        "dst": f"{placement.ip}/{placement.length}",
        "oif": placement.index,
        "proto": ROUTE_PROTOCOL,
    }
    if ":" in placement.ip:
        # In bytes: pyroute2 does not know that it is a number.
        return arguments | {"family": _V6, "expires": struct.pack("=I", placement.seconds)}
    # A route goes with the address that it prefers: so it has the same lease.
    return arguments | {"scope": 253, "prefsrc": placement.ip}
