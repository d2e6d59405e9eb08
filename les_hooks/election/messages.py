"""What the machine is told: what others said, and reports from the shell around it. Values only; they never travel."""

from dataclasses import dataclass

from les_hooks.election.frames import Hello, Spoken
from les_hooks.events import Reason
from les_hooks.members import Address, Boot

__all__ = [
    "DialFailed",
    "Fitness",
    "Heard",
    "Instant",
    "Introduced",
    "Leave",
    "LinkDown",
    "LinkUp",
    "Message",
    "Order",
    "OriginalAnswered",
    "OriginalFailed",
    "PledgeFailed",
    "Pledged",
    "Released",
    "Report",
    "SaveFailed",
    "Saved",
    "SeedIsSelf",
    "SeedsKnown",
    "StepDown",
    "Transfer",
    "Undone",
]


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on both clocks: `boottime` in seconds since the host's boot, sleep included; `wall` in Unix seconds."""

    boottime: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedsKnown:
    """The seeds stand for these addresses now, without this node's own; `unresolved` names gave none yet.

    `configured`: the configuration names seeds; without any, this node waits to be introduced.
    """

    addresses: frozenset[Address]
    unresolved: int = 0
    configured: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedIsSelf:
    """At this address answers this very process; the shell tries a seed on, and reports each attempt."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp:
    """A link to the member `hello.address` stands; `dialed` is the address that was dialed for it, if it was ours."""

    hello: Hello
    dialed: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """The link to this member broke; the shell dials it again by itself while the machine wants it."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFailed:
    """One attempt to reach the address failed; `refused` is the host's own word that nothing listens there."""

    address: Address
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalAnswered:
    """A node of the old protocol answered `/state`: its members, its leader and its start time."""

    address: Address
    start_time: float
    leader: Address | None
    members: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalFailed:
    """A node of the old protocol did not answer a poll; `refused` as in DialFailed."""

    address: Address
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduced:
    """Somebody named this address in `GET /state/<address>`."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The term of a Save is on disk."""

    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveFailed:
    """The term of a Save could not be written."""

    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledged:
    """The pledge of this term to this process is on disk."""

    term: int
    boot: Boot


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeFailed:
    """It could not be written: nothing may be granted on it."""

    term: int
    boot: Boot


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The hooks of the demotion have ended: said once for every demotion, anything else is an IllegalTransition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDown:
    """This node is to give up leadership and stay unfit for a while: OPERATOR or CRITICAL. `note` is for people."""

    reason: Reason
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Whether this node may lead as far as its checks and its operator go: `unfit` is why not, empty where it may.

    `reason` is MAINTENANCE or UNFIT: what a demotion for it is to say.
    """

    unfit: str
    reason: Reason = Reason.UNFIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """This node is to hand leadership over to that member; nothing happens on a node that does not lead."""

    target: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """This node is about to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A frame that came over the link to the member `sender`."""

    sender: Address
    frame: Spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """The process `boot` at `address` is dead, and `les cleanup` has undone what it left: a Farewell came."""

    address: Address
    boot: Boot


Report = (
    SeedsKnown | SeedIsSelf | LinkUp | LinkDown | DialFailed | OriginalAnswered | OriginalFailed | Introduced | Undone
)
"""What the shell has to say of the network."""

Order = Saved | SaveFailed | Pledged | PledgeFailed | Released | StepDown | Fitness | Transfer | Leave
"""What the shell has to say of this node itself."""

Message = Heard | Report | Order
