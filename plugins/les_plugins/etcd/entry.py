"""What stands in etcd: one key for each node, and in it one line of JSON. Values; private to `etcd`.

    <prefix>/<cluster>/line/<lease>.<stint>    a node that may lead; the one that was created first leads
    <prefix>/<cluster>/aside/<lease>.<stint>   a node that may not: unfit, an observer, or one that has just led
    <prefix>/<cluster>/trace/<lease>.<stint>   beside each key in line, at the same revision, and on no lease

Whether a node may lead is part of the key's name and never changes under it: who comes back is behind all others, by
etcd's own order. Each key is on the lease of its node, so that it goes when that node is not heard. Its trace stays
then, and goes with the key only where the node itself, or who cleaned up after it, takes both away: a trace without a
key is that of somebody who may have led and has not said that this is over.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from les_hooks.backends import Role
from les_hooks.members import NAME, Address, Boot, Part
from les_hooks.wire import excerpt, is_address, is_boot, phrase

__all__ = ["MOST_ENTRY_BYTES", "Entry", "Keys", "Own", "Parting", "Place", "Wanted", "read_entry", "write_entry"]

MOST_ENTRY_BYTES: Final = 4096
"""More is nothing that a node of ours writes."""


_TRACE = "trace"


class Place(StrEnum):
    """Where a node's key stands."""

    LINE = "line"
    """It may lead."""
    ASIDE = "aside"
    """It may not."""


class Parting(StrEnum):
    """Why a key is about to go, where its owner has said so."""

    NONE = ""
    GOODBYE = "goodbye"
    """It leaves."""
    CRASHED = "crashed"
    """Its process died, and somebody has cleaned up after it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself. Fields may be added; who does not know them leaves them alone.

    `role` is what it does by its own word, no sooner than it does; `ttl` the seconds of its lease. `since` is when this
    key was made, in Unix seconds by the clock of its node, for people only. `unfit` is why it may not lead, in words.
    `heir` is whom a leader that gave up wants as the next one.
    """

    address: Address
    name: str
    boot: Boot
    version: str
    part: Part = Part.MEMBER
    role: Role = Role.FOLLOWER
    ttl: Annotated[int, Meta(ge=1, le=86400)] = 1
    since: Annotated[float, Meta(ge=0, le=2**33)] = 0.0
    unfit: str = ""
    heir: Address | None = None
    parting: Parting = Parting.NONE


def write_entry(entry: Entry) -> bytes:
    """What stands in the key."""
    return msgspec.json.encode(entry)


def read_entry(data: bytes) -> Entry:
    """Read it back. Raises ValueError for what no node of ours writes."""
    if len(data) > MOST_ENTRY_BYTES:
        raise ValueError(f"is longer than {MOST_ENTRY_BYTES} bytes")
    try:
        entry = msgspec.json.decode(data, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not is_address(entry.address) or (entry.heir is not None and not is_address(entry.heir)):
        raise ValueError("has an address that is none")
    if not is_boot(entry.boot):
        raise ValueError("has a boot that is none")
    name = entry.name if NAME.fullmatch(entry.name) else ""
    return msgspec.structs.replace(entry, name=name, unfit=phrase(entry.unfit), version=excerpt(entry.version))


class Keys:
    """The names of the keys of one cluster."""

    def __init__(self, prefix: str, cluster: str) -> None:
        self.prefix = f"{prefix}/{cluster}/"
        """What all of them begin with."""

    def name(self, place: Place, lease: int, stint: int) -> str:
        """The key of a node, anew with each `stint`: in one revision the old one goes and the new one comes."""
        return f"{self.prefix}{place}/{lease:x}.{stint}"

    def trace(self, name: str) -> str:
        """The trace of a key in line, by the last part of its name."""
        return f"{self.prefix}{_TRACE}/{name}"

    def is_trace(self, key: str) -> bool:
        """Whether this key is one."""
        return self._folder(key) == _TRACE

    def place(self, key: str) -> Place | None:
        """Where this key stands; None for one that no node of ours makes."""
        folder = self._folder(key)
        return Place(folder) if folder in set(Place) else None

    def _folder(self, key: str) -> str:
        """What a name stands in; empty where that is not one name in one folder."""
        folder, _, name = key.removeprefix(self.prefix).partition("/")
        return folder if name and "/" not in name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The key of this node, as far as it knows; `revision` is the one that it was created at."""

    key: str
    place: Place
    stint: int
    revision: int
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The key that this node should have: a new one wherever `stint` is another."""

    place: Place
    stint: int
    entry: Entry
