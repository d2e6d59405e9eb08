"""What is read of the status of a node, and of what the plugin `webhook` says there. Values; for `metrics` only.

The objects of docs/cli.md: what is not needed is passed over, and what is not as it is described there is refused.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

__all__ = ["Endpoint", "Link", "Member", "Plugin", "Quorum", "Told", "endpoints", "read"]

T = TypeVar("T")


class NodePart(msgspec.Struct, frozen=True):
    """Which node it is."""

    name: str
    address: str
    part: str
    version: str
    stopping: bool


class Member(msgspec.Struct, frozen=True):
    """A member of the cluster."""

    address: str
    part: str
    fit: bool


class Maintenance(msgspec.Struct, frozen=True):
    """Whether the node is in maintenance."""

    on: bool


class Plugin(msgspec.Struct, frozen=True):
    """A plugin, and what it says of itself."""

    name: str
    state: str
    hooks: list[str]
    status: Any = None


class AuditPart(msgspec.Struct, frozen=True):
    """How the trail does."""

    degraded: str | None
    dropped: int


class Link(msgspec.Struct, frozen=True):
    """A link to another member."""

    address: str
    rtt: float | None = None


class Voter(msgspec.Struct, frozen=True):
    """A configured voter."""

    heard: bool
    granted: bool


class Quorum(msgspec.Struct, frozen=True):
    """How many votes there are; no voters in members mode."""

    mode: str = ""
    majority: int = 0
    voters: list[Voter] = []


class Backend(msgspec.Struct, frozen=True):
    """The engine; another than the built-in one may have neither links nor voters.

    `failing` is for how many seconds what it asks has not answered, `summary` what it says of itself in words.
    """

    links: list[Link] | None = None
    quorum: Quorum = Quorum()
    summary: str | None = None
    failing: float | None = None


class Certificate(msgspec.Struct, frozen=True):
    """That of the node; it ends at `expires`, in Unix seconds."""

    expires: float


class Security(msgspec.Struct, frozen=True):
    """What keeps strangers out; no certificate without TLS."""

    certificate: Certificate | None = None


class Told(msgspec.Struct, frozen=True):
    """A status."""

    node: NodePart
    cluster: str
    role: str
    term: int
    leader: str | None
    leader_name: str | None
    is_me: bool
    authority: float
    settled: bool
    members: list[Member]
    warnings: list[Any]
    maintenance: Maintenance
    lanes: dict[str, int]
    plugins: list[Plugin]
    audit: AuditPart
    backend: Backend
    security: Security = Security()


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint of the plugin `webhook`; `failed` are the deliveries that were given up."""

    name: str
    state: Literal["ok", "failing", "disabled"]
    queued: int
    failed: int
    delivered: int
    oldest_seconds: float | None


class _Webhook(msgspec.Struct, frozen=True):
    endpoints: list[Endpoint]


def read(status: Mapping[str, Any]) -> Told:
    """Read a status; raises msgspec.ValidationError where it is none."""
    return msgspec.convert(status, Told)


def endpoints(plugin: Plugin) -> list[Endpoint]:
    """Those of the plugin `webhook`, none where it does not tell of them as that plugin does."""
    try:
        return msgspec.convert(plugin.status, _Webhook).endpoints
    except msgspec.ValidationError:
        return []
