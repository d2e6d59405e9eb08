"""Real daemons on the hosts of a network, with scripts that write down what they do and when."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from les_hooks.members import Part
from tests.cluster import Daemon, until
from tests.network.lan import Host, Lan
from tests.network.story import Line, overlap_seconds, parse, scripts

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


class NetDaemon(Daemon):
    """A node on a host of the network; `cluster` is more of its table of that name, `security` all of that one.

    Without a story it runs no scripts.
    """

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
        super().__init__(folder, 4000, ())
        self.host = host
        self.address = host.address
        self.inside = host.inside
        self._read = 0
        listed = ", ".join(f'"{seed}"' for seed in seeds)
        self.config.write_text(
            f'[node]\nname = "{self.name}"\nbind = "{self.address}"\nstate_dir = "state"\n'
            f"[cluster]\nseeds = [{listed}]\n{cluster}\n[security]\n{security}\n{timing}",
            encoding="utf-8",
        )
        for event, text in scripts(story, stubborn=stubborn).items() if story else ():
            self.script(event, "10-tell", text)

    def lose(self) -> None:
        """Cut the mains of its host."""
        self.host.lose()
        self.ended()

    def boot(self) -> None:
        """Switch the host on again, the daemon too."""
        self.host.boot()
        self.start()

    def records(self) -> list[dict[str, Any]]:
        """The whole audit."""
        text = (self.folder / "state" / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def recent(self) -> list[dict[str, Any]]:
        """The audit since `mark`."""
        return self.records()[self._read :]

    def mark(self) -> None:
        """Let `recent` and `news` begin here."""
        self._read = len(self.records())

    def leaderships(self) -> list[str]:
        """What the audit says of its own leadership since its last start, the clearing up at the start left out."""
        records = self.records()
        return [
            record["action"]
            for record in records
            if record["action"] in ("leader.elected", "leader.demoted")
            and record["boot"] == records[-1]["boot"]
            and record["reason"] != "startup"
        ]

    def news(self) -> list[str]:
        """What the audit says of leadership and members since `mark`: action, member, reason."""
        return [
            f"{record['action']} {record['member'] or '-'} {record['reason']}"
            for record in self.recent()
            if record["action"].startswith(("leader.", "member."))
        ]

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


class Cluster:
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
        self.lan = lan
        self._story = folder / "story"
        seeds = [host.address for host in lan.hosts]
        names = [chr(ord("a") + index) for index in range(len(lan.hosts))]
        taken = [parts.get(name, Part.MEMBER) for name in names]
        voters = [seed for seed, part in zip(seeds, taken, strict=True) if part is not Part.OBSERVER]
        quorum = f'quorum = "majority"\nvoters = {json.dumps(voters)}' if self.votes else ""
        self.daemons = [
            NetDaemon(
                folder / name,
                host,
                seeds,
                None if silent else self._story,
                timing,
                cluster=f'role = "{part}"\n{quorum}',
                security=security,
                stubborn=stubborn,
            )
            for name, host, part in zip(names, lan.hosts, taken, strict=True)
        ]
        self._begin = 0

    @property
    def votes(self) -> bool:
        """Whether leaders are elected by a majority."""
        return self._lease > 0.0

    def start(self) -> None:
        """Start all that do not run, without waiting for anything."""
        for daemon in self.daemons:
            if daemon.host.namespace not in self.lan.booted:
                daemon.host.boot()
            if not daemon.running:
                daemon.start()

    def whole(self) -> NetDaemon:
        """Mend all that is broken, start all that do not run, and return the leader that all accept and reach."""
        self.lan.mend()
        self.start()
        for daemon in self.daemons:
            daemon.host.plug()
            daemon.signal(signal.SIGCONT)
        leader = self.agreed(*self.daemons)
        if self.votes:
            # A voter grants nothing for a lease after it joined, which only the next fault would show.
            youngest = min(daemon.status()["node"]["uptime"] for daemon in self.daemons)
            time.sleep(max(0.0, self._lease + _JOIN_SECONDS - youngest))
        for daemon in self.daemons:
            daemon.mark()
        self._begin = self._story.stat().st_size if self._story.exists() else 0
        return leader

    def followers(self, leader: NetDaemon) -> list[NetDaemon]:
        """All others."""
        return [daemon for daemon in self.daemons if daemon is not leader]

    def agreed(self, *daemons: NetDaemon, direct: bool = True) -> NetDaemon:
        """Wait until these know each other and nobody else, and accept one leader that acts; return it."""

        def look() -> NetDaemon | None:
            statuses = [daemon.status() for daemon in daemons]
            leaders = {status.get("leader") for status in statuses}
            acting = [daemon for daemon, status in zip(daemons, statuses, strict=True) if status.get("is_me")]
            complete = all(
                {member["address"] for member in status.get("members", ())} == {each.address for each in daemons}
                and (not direct or all(member["direct"] for member in status["members"]))
                for status in statuses
            )
            return acting[0] if complete and len(acting) == 1 and leaders == {acting[0].address} else None

        return until(look, f"one leader for {', '.join(daemon.name for daemon in daemons)}")

    def story(self, *, everything: bool = False) -> list[Line]:
        """What the scripts have written since the cluster was whole, or ever."""
        return parse(self._story, 0 if everything else self._begin)

    def told(self, daemon: NetDaemon, word: str) -> Line:
        """Wait until a script of the node has written the word, and return that line, the last one of several."""

        def look() -> Line | None:
            lines = [line for line in self.story() if (line.node, line.word) == (daemon.name, word)]
            return lines[-1] if lines else None

        return until(look, f"a script of {daemon.name} says {word!r}")

    def overlap(self) -> float:
        """The longest time for which while-leader scripts of two nodes ran side by side, seconds."""
        return overlap_seconds(self.story())

    def close(self) -> None:
        """End all daemons politely; the network ends whoever does not."""
        for daemon in self.daemons:
            if daemon.running:
                daemon.signal(signal.SIGCONT)
                daemon.signal(signal.SIGTERM)
        for daemon in self.daemons:
            if daemon.running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.ended()
