"""Nodes with the backend that is built in, on the hosts of a network."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from les_hooks.members import Part
from tests.network.hosted import HostDaemon, Troupe
from tests.network.lan import Host, Lan

__all__ = [
    "FAILURE_SECONDS",
    "HEARTBEAT_SECONDS",
    "LEASE_SECONDS",
    "MAJORITY_TIMING",
    "Cluster",
    "NetDaemon",
]

HEARTBEAT_SECONDS = 0.1
FAILURE_SECONDS = 0.3

TIMING = """
[timing]
heartbeat = "100ms"
failure = "300ms"
settle = "100ms"
retry = "100ms"
hold = "1s"
loop_rate = "200ms"
"""

# As long as an unloaded machine needs and a half, so that a busy one loses no majority; the default is 4 s.
LEASE_SECONDS = 2.0
MAJORITY_TIMING = f"""
[timing]
heartbeat = "200ms"
failure = "600ms"
lease = "{LEASE_SECONDS:g}s"
settle = "100ms"
retry = "100ms"
hold = "1s"
"""

# What a node does between its start and its first word to the others: the demote script, mostly.
_JOIN_SECONDS = 0.4


class NetDaemon(HostDaemon):
    """A node on a host of the network; `cluster` is more of its table of that name, `security` all of that one."""

    def __init__(
        self,
        folder: Path,
        host: Host,
        seeds: Sequence[str],
        story: Path | None,
        timing: str = TIMING,
        *,
        cluster: str = "",
        security: str = "insecure = true",
        stubborn: bool = False,
    ) -> None:
        listed = ", ".join(f'"{seed}"' for seed in seeds)
        text = (
            f'[node]\nname = "{folder.name}"\nbind = "{host.address}"\nstate_dir = "state"\n'
            f"[cluster]\nseeds = [{listed}]\n{cluster}\n[security]\n{security}\n{timing}"
        )
        super().__init__(folder, host, text, story, stubborn=stubborn)

    def member(self, other: "NetDaemon") -> dict[str, Any]:
        """How this node sees the other one; empty where it does not know it."""
        members = self.status().get("members", ())
        return next((dict(member) for member in members if member["address"] == other.address), {})

    def direct(self, other: "NetDaemon") -> bool | None:
        """Whether this node has a link to the other one, None where it does not know it."""
        return self.member(other).get("direct")

    def links(self, other: "NetDaemon") -> bool:
        """Whether there is a link to the other one in this node's table."""
        links = self.status().get("backend", {}).get("links", ())
        return any(link["address"] == other.address for link in links)


class Cluster(Troupe[NetDaemon]):
    """Daemons `a`, `b`, ... on the hosts of a network; `story` is what their scripts wrote, all into one file.

    With a lease they all vote, all but observers; it must be the one of `timing`. `parts` are those of nodes that are
    no plain members, by name. A silent one runs no scripts and has no story.
    """

    def __init__(
        self,
        folder: Path,
        lan: Lan,
        *,
        timing: str = TIMING,
        lease_seconds: float = 0.0,
        parts: Mapping[str, Part] = MappingProxyType({}),
        security: str = "insecure = true",
        stubborn: bool = False,
        silent: bool = False,
    ) -> None:
        self._lease = lease_seconds
        story = folder / "story"
        seeds = [host.address for host in lan.hosts]
        names = [chr(ord("a") + index) for index in range(len(lan.hosts))]
        taken = [parts.get(name, Part.MEMBER) for name in names]
        voters = [seed for seed, part in zip(seeds, taken, strict=True) if part is not Part.OBSERVER]
        quorum = f'quorum = "majority"\nvoters = {json.dumps(voters)}' if self.votes else ""
        daemons = [
            NetDaemon(
                folder / name,
                host,
                seeds,
                None if silent else story,
                timing,
                cluster=f'role = "{part}"\n{quorum}',
                security=security,
                stubborn=stubborn,
            )
            for name, host, part in zip(names, lan.hosts, taken, strict=True)
        ]
        super().__init__(lan, daemons, story)

    @property
    def votes(self) -> bool:
        """Whether leaders are elected by a majority."""
        return self._lease > 0.0

    def whole(self) -> NetDaemon:
        """Mend all that is broken, start all that do not run, and return the leader that all accept and reach."""
        self.restore()
        leader = self.agreed(*self.daemons)
        if self.votes:
            # A voter grants nothing for a lease after it joined, which only the next fault would show.
            youngest = min(daemon.status()["node"]["uptime"] for daemon in self.daemons)
            time.sleep(max(0.0, self._lease + _JOIN_SECONDS - youngest))
        self.mark()
        return leader
