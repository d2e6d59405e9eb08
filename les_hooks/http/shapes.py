"""The JSON objects of the API, as types: what `openapi` makes schemas of. For this package only.

They describe what `control.report` makes and `docs/cli.md` explains; a test holds them against a real node. Fields
may be added to the objects, so that none of them is closed.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from les_hooks.audit.leaderships import Leadership
from les_hooks.control.security import Mode
from les_hooks.election.reporting import VoterReport
from les_hooks.election.roles import Role
from les_hooks.events import Event
from les_hooks.members import MemberKind, Part
from les_hooks.plugins import PluginState

__all__ = ["Event", "Gap", "Index", "Leadership", "Status"]


class Index(msgspec.Struct):
    """Where to find the rest of the API."""

    status: str
    history: str
    events: str
    openapi: str


class Gap(msgspec.Struct):
    """Where events are missing: the number that the reader knew, and the one that follows now, if there is one."""

    after: int
    next: int | None


class NodeFacts(msgspec.Struct):
    """Which node it is. `boot` is the start counter; `uptime` is in seconds."""

    name: str
    address: str
    part: Part
    version: str
    boot: int
    pid: int
    started: float
    uptime: float
    stopping: bool


class Unaccepted(msgspec.Struct):
    """A member that leads by its own word, where this node accepts nobody; `why` is empty where that is not known."""

    address: str
    name: str
    why: str


class Standing(msgspec.Struct):
    """A member as this node knows it; `start_time` is its stamp, null for who has none."""

    address: str
    name: str
    kind: MemberKind
    part: Part
    role: str
    fit: bool
    unfit: str
    direct: bool
    start_time: float | None
    version: str


class Successor(msgspec.Struct):
    """A place in the line of succession; `why` a member is passed over is empty for who could lead."""

    address: str
    name: str
    why: str


class Maintenance(msgspec.Struct):
    """Whether the node is in maintenance, until when and so for how many seconds, why, and by which user."""

    on: bool
    until: float | None
    left: float
    note: str
    uid: int | None


class Lanes(msgspec.Struct):
    """How many events wait."""

    role: int
    membership: int


class PluginStatus(msgspec.Struct):
    """A plugin, and what it says of itself where it is loaded."""

    name: str
    distribution: str
    version: str
    state: PluginState
    why: str
    hooks: list[str]
    status: Any | UnsetType = UNSET
    status_error: str | UnsetType = UNSET


class AuditFacts(msgspec.Struct):
    """How the audit trail does; `degraded` is why it cannot be written, `dropped` how many records were lost."""

    path: str
    seq: int
    degraded: str | None
    dropped: int


class Configuration(msgspec.Struct):
    """Which file the node was configured from, and when."""

    source: str | None
    loaded: float


class Certificate(msgspec.Struct):
    """A node's certificate: the hosts that it names, and its end."""

    hosts: list[str]
    expires: float


class Security(msgspec.Struct):
    """What keeps strangers out: a word, words for people, which secrets, the certificate; `public` is `/state`."""

    mode: Mode
    summary: str
    fingerprints: list[str]
    certificate: Certificate | None
    public: bool


class Listening(msgspec.Struct):
    """Where the listener is, and whether it asks for a token."""

    url: str
    token: bool


class Link(msgspec.Struct):
    """A link to another node: its age and its last round trip in seconds."""

    address: str
    name: str
    age: float
    rtt: float | None
    dialed: str | None


class Votes(msgspec.Struct):
    """How a leader is found; all but `mode` is there with `majority` only."""

    mode: str
    majority: int | UnsetType = UNSET
    lease: float | UnsetType = UNSET
    vote: str | UnsetType | None = UNSET
    waiting: float | UnsetType = UNSET
    voters: list[VoterReport] | UnsetType = UNSET


class Backend(msgspec.Struct):
    """What the backend tells. A plugin's has a `summary`, `failing` for how many seconds what it asks has not answered,
    null where it does, and what else it likes; the rest is of `peers`.
    """

    summary: str | UnsetType = UNSET
    failing: float | UnsetType | None = UNSET
    address: str | UnsetType = UNSET
    links: list[Link] | UnsetType = UNSET
    dialed: list[str] | UnsetType = UNSET
    quorum: Votes | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


class Status(msgspec.Struct):
    """All that a node tells of itself. Moments are Unix seconds, lengths of time seconds."""

    node: NodeFacts
    cluster: str
    role: Role
    term: int
    leader: str | None
    leader_name: str | None
    unaccepted: Unaccepted | None
    is_me: bool
    authority: float
    time: float
    settled: bool
    alone_in: float | None
    members: list[Standing]
    succession: list[Successor]
    warnings: list[str]
    maintenance: Maintenance
    lanes: Lanes
    plugins: list[PluginStatus]
    audit: AuditFacts
    guard: int | None
    state_dir: str
    config: Configuration
    security: Security
    http: Listening | None
    backend: Backend
