"""Which addresses the seeds stand for: names are looked up anew while nobody behind them is linked. In here only."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from les_hooks.backends.peers.links import Links
from les_hooks.backends.peers.settings import Settings
from les_hooks.election.messages import Message, SeedsKnown
from les_hooks.members import Address, join_host_port, parse_address

__all__ = ["Seeds"]

# A resolver that takes longer has not answered; its thread goes on, and is not doubled meanwhile.
_LOOKUP_SECONDS = 3.0

# How many addresses one name may stand for.
_MOST_ADDRESSES = 64

_Lookup = asyncio.Future[frozenset[Address]]


class Seeds:
    """Reports the addresses behind the configured seeds, and again whenever they change."""

    def __init__(
        self, settings: Settings, links: Links, *, report: Callable[[Message], None], log: FilteringBoundLogger
    ) -> None:
        self._retry = settings.retry
        self._own = settings.identity.address
        self._links = links
        self._report = report
        self._log = log
        self._found: dict[str, frozenset[Address]] = {}
        self._lookups: dict[str, _Lookup] = {}
        self._told: SeedsKnown | None = None
        self._replaced = asyncio.Event()
        self.replace(settings.seeds)

    def replace(self, seeds: tuple[str, ...]) -> None:
        """Take these instead, each `host:port`; `run` tells the machine."""
        self._configured = bool(seeds)
        self._numeric: set[Address] = set()
        self._names: dict[str, tuple[str, int]] = {}
        for host, port in map(parse_address, seeds):
            address = join_host_port(host, port)
            if _is_numeric(host):
                self._numeric.add(address)
            elif address != self._own:
                self._names[address] = host, port
        self._found = {name: found for name, found in self._found.items() if name in self._names}
        self._replaced.set()

    async def run(self) -> None:
        """Look up and report, again and again while there are names, or when the seeds are replaced."""
        try:
            while True:
                self._replaced.clear()
                await self._look_up()
                self._tell()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._retry if self._names else None):
                        await self._replaced.wait()
        finally:
            for lookup in self._lookups.values():
                lookup.cancel()

    def _tell(self) -> None:
        addresses = frozenset(self._numeric.union(*self._found.values())) - {self._own}
        unresolved = len(self._names.keys() - self._found.keys())
        news = SeedsKnown(addresses=addresses, unresolved=unresolved, configured=self._configured)
        if news != self._told:
            self._told = news
            self._report(news)

    async def _look_up(self) -> None:
        for name, (host, port) in self._names.items():
            if name not in self._lookups and not any(map(self._links.linked, self._found.get(name, ()))):
                self._lookups[name] = asyncio.ensure_future(_resolve(host, port))
        if not self._lookups:
            return
        done, _ = await asyncio.wait(self._lookups.values(), timeout=_LOOKUP_SECONDS)
        for name in [name for name, lookup in self._lookups.items() if lookup in done]:
            self._settle(name, self._lookups.pop(name))

    def _settle(self, name: str, lookup: _Lookup) -> None:
        """Take in what a lookup found; a name that cannot be looked up now keeps the addresses that it had."""
        error = lookup.exception()
        if name not in self._names:
            return
        if error is None and lookup.result():
            self._found[name] = lookup.result()
        elif name not in self._found:
            self._log.debug("seed-unresolved", seed=name, reason=str(error))


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _resolve(host: str, port: int) -> frozenset[Address]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    hosts = [str(info[4][0]) for info in infos[:_MOST_ADDRESSES]]
    # A link-local address means nothing on another host.
    return frozenset(join_host_port(found, port) for found in hosts if "%" not in found)
