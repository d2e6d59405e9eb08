"""Who is in the cluster: addresses, boots, members, and the view of all of them. Values only; anybody may import it."""

import ipaddress
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import msgspec

from les_hooks.events import Reason

__all__ = [
    "NAME",
    "NO_MANDATE",
    "UNSTAMPED",
    "Address",
    "Boot",
    "Departure",
    "Mandate",
    "Member",
    "MemberKind",
    "Part",
    "View",
    "join_host_port",
    "parse_address",
]

Address = NewType("Address", str)
"""`host:port` or `[v6]:port`, as `parse_address` returns it; it names a member."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a node's and a cluster's name may be made of: safe in a variable and a terminal."""

UNSTAMPED = 4102444800.0
"""The stamp of who has none: the year 2100, which an original never nominates."""

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_MOST_PORT = 65535


class Boot(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One process at an address: `counter` rises with every start, `nonce` tells two of equal counter apart."""

    counter: int
    nonce: str


def join_host_port(host: str, port: int) -> Address:
    """Write host and port as an address; an IPv6 host gets its brackets."""
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def parse_address(text: str) -> tuple[str, int]:
    """Take `host:port` apart; IPv6 hosts stand in brackets.

    Returns the host (IP addresses in their shortest form, names in lower case) and the port (1 to 65535).
    Raises ValueError with the reason. `join_host_port(*parse_address(text))` is the address's one spelling.
    """
    host, colon, digits = text.rpartition(":")
    if not colon or not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(_MOST_PORT)):
        raise ValueError("is not host:port")
    port = int(digits)
    if not 0 < port <= _MOST_PORT:
        raise ValueError("has no port between 1 and 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        if bracketed or not _HOST.fullmatch(host):
            raise ValueError("has no usable host") from None
        return host.lower(), port
    if "%" in bare:
        raise ValueError("has an IPv6 scope, which means something else on every host")
    if (ip.version == 6) != bracketed:
        raise ValueError("writes an IPv6 address without brackets, or another one in them")
    return str(ip), port


class MemberKind(StrEnum):
    """What kind of node stands behind an address."""

    LES = "les"
    ORIGINAL = "original"


class Part(StrEnum):
    """Which part a node is configured to take; `[cluster] role`."""

    MEMBER = "member"
    """It votes, and may lead."""
    WITNESS = "witness"
    """It votes, never leads, and runs no hooks."""
    OBSERVER = "observer"
    """It neither votes nor leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node as this node knows it. `start_time` is its stamp in Unix seconds, UNSTAMPED where it has none.

    `unfit` is why it may not lead at present, in its own words; empty for who is fit.
    """

    address: Address
    name: str
    kind: MemberKind
    boot: Boot
    start_time: float
    part: Part
    role: str
    fit: bool
    unfit: str
    direct: bool
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A member that is gone since the last view, and why: GOODBYE means that it left, all else that it was lost."""

    address: Address
    name: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mandate:
    """How long a leader may act on what it knows, in boottime seconds.

    It may begin what a leader does until `act_until`, -inf for a node that does not lead; then its demotion begins. Who
    was a leader until then has until `release_by` to end all of it, infinite where nobody can take its place meanwhile.

    What it took as a leader may stay with it until `hold_until`, which an orderly demotion goes on to move; -inf for
    who holds nothing, who lost its authority or does not know whether it did, and who has ended its demotion.
    """

    act_until: float
    release_by: float
    hold_until: float = -math.inf


NO_MANDATE = Mandate(act_until=-math.inf, release_by=math.inf)
"""That of who does not lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The cluster as one node sees it at one moment; every backend yields these and nothing else.

    `leading`: this node leads, in `term`. `leader`: the sitting leader that this node accepts, itself included;
    `leaderless` says that its absence has lasted long enough to be told. `members` are sorted by seniority and
    hold this node. `settled`: this is a first view worth acting on. `reason` is why leadership stands as it does.
    `leader_silent`: `leader`, another node, was not heard for half of the time after which it is lost, or its
    connection broke, and this node may be the next to lead.
    `vacant`: for how many seconds nobody led before `leader` did, as far as this node saw: since the last sign of life
    of the leader before, or since that one gave up. None where nobody led before, or this node slept meanwhile.
    """

    leading: bool
    leader: Address | None
    leaderless: bool
    term: int
    members: tuple[Member, ...]
    departed: tuple[Departure, ...]
    settled: bool
    reason: Reason
    leader_silent: bool = False
    vacant: float | None = None
