"""What a provider of floating addresses is: one protocol, and one module with one small class for each.

Private to `floating_ip`. A provider only speaks: when to look, to call and to wait is the keeper's part. Its module has
the struct of its table in `les.toml` too, an `Entry`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from les_hooks.events import Event
from les_hooks.processes import Command, Finished
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.http import Authorize, Explain, Http, no_explanation
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.world import World
from les_plugins.lookup import Lookup

__all__ = ["Call", "Entry", "Holder", "Pending", "Provider", "Standing", "Tools"]


class Standing(StrEnum):
    """Who holds an address, as seen from this node."""

    MINE = "mine"
    ANOTHER = "another"
    NOBODY = "nobody"
    UNKNOWN = "unknown"
    """Nobody has found out. A provider never says so: it raises Trouble, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds an address: `id` as the provider calls it, where that is known.

    `version` is what the provider wants to see again with a change, so that a change in between is not lost.
    """

    standing: Standing
    id: str = ""
    version: str = ""

    @classmethod
    def seen(cls, whose: str | int | None, mine: str, version: str = "") -> "Holder":
        """From the id that the provider says (None or empty for nobody) and this node's own."""
        name = "" if whose is None else str(whose)
        standing = Standing.NOBODY if not name else Standing.MINE if name == mine else Standing.ANOTHER
        return cls(standing=standing, id=name, version=version)

    def __str__(self) -> str:
        return f"{self.standing} ({self.id})" if self.id else str(self.standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A change that the provider has accepted and not finished. `more`: once it is, another one is needed."""

    id: str
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A change, as an operator may see it: nothing in it is secret."""

    method: str
    path: str
    body: object

    def __str__(self) -> str:
        return f"{self.method} {self.path} {msgspec.json.encode(self.body).decode()}"


class Provider(Protocol):
    """One address at one provider. Each method raises Trouble where its answer is not known for certain."""

    async def holder(self) -> Holder:
        """Ask who holds the address."""

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call next; reads only."""

    async def assign(self, held: Holder) -> Pending | None:
        """Ask for the address, which `held` says who holds. None where it is done with the answer.

        Accepted is not done: the keeper waits for what is pending, and looks again in any case.
        """

    async def done(self, pending: Pending) -> bool:
        """Whether the change has been made. Raises Trouble (FAILED) where it never will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a provider works with, for one leadership (or one look).

    `permit` raises Trouble where this node may not act. `own_id` remembers what the metadata service said. `run` runs
    programs, `event` is what they are told of.
    """

    world: World
    allowance: Allowance
    permit: Callable[[], None]
    own_id: OwnId
    timeout: float
    run: Callable[[Command], Awaitable[Finished]]
    event: Event | None = None
    lookup: Lookup = field(default_factory=Lookup)

    def http(self, base: str, authorize: Authorize, explain: Explain = no_explanation) -> Http:
        """The API of a provider, where calls are counted, and changes are this node's only while it leads."""
        return Http(
            base=base,
            timeout=self.timeout,
            wall=self.world.wall,
            allowance=self.allowance,
            permit=self.permit,
            authorize=authorize,
            explain=explain,
            lookup=self.lookup,
        )

    def login(self, base: str, explain: Explain, most_bytes: int) -> Http:
        """Where tokens are had: calls are counted, and are not the leader's alone."""
        return Http(
            base=base,
            timeout=self.timeout,
            most_bytes=most_bytes,
            wall=self.world.wall,
            allowance=self.allowance,
            explain=explain,
            lookup=self.lookup,
        )

    def metadata(self, base: str) -> Http:
        """The metadata service of this host: nothing is counted or changed there."""
        return Http(base=base, timeout=self.timeout, wall=self.world.wall, lookup=self.lookup)


class Entry(Protocol):
    """One table of an address in `les.toml`."""

    @property
    def address(self) -> str:
        """The address, in its shortest form."""

    @property
    def calls_per_hour(self) -> int:
        """How many calls its provider may be asked in an hour."""

    @property
    def programs(self) -> tuple[Path, ...]:
        """The programs that it has run."""

    def problems(self, environ: Mapping[str, str]) -> list[str]:
        """What is wrong with it on this host, without asking anybody."""

    def provider(self, tools: Tools) -> Provider:
        """What speaks to its provider."""
