"""The tables of `les.toml`, all but `[plugins]`: every key with its type, default and description.

A table within a table, such as `[security.tls]`, is a field that holds a struct.

Their descriptions are those of the schema and of `docs/configuration.md`; a test compares. The package re-exports them.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.config.access import ControlConfig, HttpConfig, SecurityConfig, TlsConfig
from les_hooks.config.addresses import listen_address
from les_hooks.config.written import Advertise, Derived, Duration, Interval, Listen, Name, Seed, Size, Wait
from les_hooks.members import Address, Part

__all__ = [
    "PEERS",
    "SECTIONS",
    "ClusterConfig",
    "ControlConfig",
    "HooksConfig",
    "HttpConfig",
    "LimitsConfig",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "NodeConfig",
    "Quorum",
    "SecurityConfig",
    "TimingConfig",
    "TlsConfig",
]

PEERS = "peers"
"""The backend that is built in."""

# As many as a frame can name members.
_MOST_SEEDS = 256
# Each frame repeats the list for every member that it tells of. Five voters survive the loss of two.
_MOST_VOTERS = 15


class Quorum(StrEnum):
    """Who must confirm a new leader."""

    MEMBERS = "members"
    """Every live member."""
    MAJORITY = "majority"
    """A majority of the configured voters, each with its vote for one lease."""


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """Console on a terminal, JSON otherwise."""
    CONSOLE = "console"
    """For people."""
    JSON = "json"
    """One JSON object a line."""


class LogLevel(StrEnum):
    """The least severe log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[node]`: this node."""

    name: Annotated[
        Name,
        Derived("the host name"),
        Meta(description="What this node is called in logs and events: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`."),
    ]
    bind: Annotated[
        Listen,
        Meta(description="The address to listen on. No other host can reach the default."),
    ] = Address("127.0.0.1:4000")
    advertise: Annotated[
        Advertise,
        Derived("`node.bind`, where that is an address others can use"),
        Meta(description="The address at which the other nodes reach this one; it names the node in the cluster."),
    ]
    state_dir: Annotated[
        Path,
        Derived("`$STATE_DIRECTORY`, or `/var/lib/les` for root, or `~/.local/state/les/<name>`"),
        Meta(description="The folder of what this node must remember. Two nodes never share one."),
    ]

    @property
    def listen(self) -> tuple[str, int]:
        """Host and port of `bind`; port 0 lets the system choose."""
        return listen_address(self.bind)


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[cluster]`: the cluster that this node belongs to."""

    name: Annotated[
        Name, Meta(description="Nodes of another cluster's name are refused, so that two clusters never merge.")
    ] = "les"
    seeds: Annotated[
        tuple[Seed, ...],
        Derived("`[]`, or `cluster.voters` where those are set"),
        Meta(
            max_length=_MOST_SEEDS,
            description="Nodes to try for ever, as `host:port` or `[v6]:port`; this node itself may be among them. "
            "Without any, this node waits until another introduces itself.",
        ),
    ] = ()
    backend: Annotated[
        Name,
        Meta(
            description='How a leader is found: `"peers"`, by the nodes themselves, or by the plugin of this name, '
            'such as `"etcd"`, which `[plugins.<name>]` configures.'
        ),
    ] = PEERS
    quorum: Annotated[
        Quorum,
        Meta(
            description='Who must confirm a new leader: `"members"`, every live member, or `"majority"`, more than '
            "half of `voters`. `docs/safety.md` tells what each promises."
        ),
    ] = Quorum.MEMBERS
    voters: Annotated[
        tuple[Seed, ...],
        Meta(
            max_length=_MOST_VOTERS,
            description='The nodes that vote with `quorum = "majority"`, each written as its `advertise`; the same on '
            "every node. Change one at a time.",
        ),
    ] = ()
    role: Annotated[
        Part,
        Meta(
            description='What this node is: `"member"`, `"witness"` (votes, never leads, runs no hooks) or '
            '`"observer"` (neither votes nor leads).'
        ),
    ] = Part.MEMBER
    alone_after: Annotated[
        Wait,
        Meta(
            description='Lead alone when no seed has answered this long after the start, or `"never"`; for '
            '`quorum = "members"`.'
        ),
    ] = math.inf


class TimingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[timing]`: how long things take. All nodes of a cluster should have the same."""

    heartbeat: Annotated[
        Interval, Meta(description="How often nodes tell each other that they live; at most a third of `failure`.")
    ] = 0.5
    failure: Annotated[Interval, Meta(description="A member that was not heard for this long is lost.")] = 1.5
    lease: Annotated[
        Interval,
        Meta(
            description='How long a vote lasts with `quorum = "majority"`; at least 1.53 times the sum of `failure` '
            "and `heartbeat`. A leader that is cut off has a third of it to demote."
        ),
    ] = 4.0
    settle: Annotated[
        Duration, Meta(description="How long after its first contact a node waits before it takes part in elections.")
    ] = 0.5
    hold: Annotated[
        Duration,
        Meta(description="How long a node stays unfit after it stepped down, or after a critical hook failed."),
    ] = 30.0
    retry: Annotated[
        Interval, Meta(description="How often seeds are tried; host names are looked up anew each time.")
    ] = 1.0
    loop_rate: Annotated[Interval, Meta(description="How often nodes of the original LES are asked.")] = 5.0


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[hooks.limits]`: what each program that runs as `hooks.user` may take."""

    memory: Annotated[
        Size, Meta(description="Address space of each process. Some runtimes, such as Java's, reserve several GiB.")
    ] = 4 * 2**30
    processes: Annotated[int, Meta(ge=1, le=2**20, description="Processes and threads of `hooks.user` altogether.")] = (
        512
    )
    files: Annotated[int, Meta(ge=16, le=2**20, description="Open files of each process.")] = 1024


class HooksConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[hooks]`: what runs when something happens."""

    dir: Annotated[Path, Derived("`hooks.d` beside the file"), Meta(description="The folder of the hook scripts.")]
    timeout: Annotated[
        Interval, Meta(description="The time limit of each hook call; a plugin's table can set its own.")
    ] = 30.0
    user: Annotated[
        Name | None,
        Derived("the daemon's own"),
        Meta(
            description="The user that scripts run as, by name or number, with no capabilities and within "
            "`[hooks.limits]`. The daemon must be root, or have CAP_SETUID and a few more.",
        ),
    ] = None
    limits: Annotated[LimitsConfig, Meta(description="What scripts that run as `user` may take.")] = LimitsConfig()


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[log]`: what is written down."""

    format: Annotated[
        LogFormat, Meta(description='`"console"`, `"json"`, or `"auto"`: console on a terminal, JSON otherwise.')
    ] = LogFormat.AUTO
    level: Annotated[
        LogLevel, Meta(description='The least that is logged: `"debug"`, `"info"`, `"warning"` or `"error"`.')
    ] = LogLevel.INFO
    audit: Annotated[
        Path, Derived("`audit.jsonl` in `node.state_dir`"), Meta(description="The file of the audit trail.")
    ]


SECTIONS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "node": NodeConfig,
        "cluster": ClusterConfig,
        "timing": TimingConfig,
        "security": SecurityConfig,
        "hooks": HooksConfig,
        "control": ControlConfig,
        "http": HttpConfig,
        "log": LogConfig,
    }
)
"""The tables of `les.toml`, all but `[plugins]`, in their order there."""
