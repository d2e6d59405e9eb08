"""What is compared: nodes with the backend `etcd`, and `etcdctl lock`, each on three hosts and with the same script.

The script says every 5 ms that it runs. Of a node it is the `elected` script, which says so once, and `while-leader`;
of `etcdctl lock` it is the command that runs while the lock is held.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from tests.cluster import until
from tests.etcd.lan import Servers
from tests.etcd.nodes import TTL_SECONDS, table
from tests.needs import need_program
from tests.network.hosted import HostDaemon, Troupe
from tests.network.lan import Host, Lan
from tests.network.strikes import signal_all

__all__ = ["SIDES", "Fault", "Lock", "Nodes", "Side", "Stamp", "read_stamps"]

# No process is started for a stamp: bash knows the time, and waits for a word that never comes.
_SCRIPT: Final = """#!/bin/bash
exec 8>>{story} 9<>{story}.never
echo "$EPOCHREALTIME ${{LES_NAME:-$NODE}}" >&8
[ "$1" = elected ] && exit
while :; do
    read -rt 0.005 <&9
    echo "$EPOCHREALTIME ${{LES_NAME:-$NODE}}" >&8
done
"""
_END_SECONDS: Final = 10.0

Stamp = tuple[float, str]
"""When, in Unix seconds, and who."""


def read_stamps(story: Path) -> list[Stamp]:
    """What the scripts have written so far, in their order."""
    lines = story.read_text(encoding="ascii").splitlines() if story.exists() else []
    return [(float(at), node) for at, node in (line.split() for line in lines)]


class Fault(StrEnum):
    """What happens to who leads."""

    TERM = "SIGTERM"
    KILL = "SIGKILL of its process"
    LOSE = "SIGKILL of all on its host"
    STOP = "SIGSTOP"


class Side(Protocol):
    """Three contenders for one leadership, each on a host of its own; `story` is what their scripts write."""

    name: str
    story: Path

    def start(self) -> None:
        """Start all."""

    def whole(self) -> str:
        """Wait until one works and the others stand in line; returns its name."""

    def strike(self, fault: Fault, node: str) -> None:
        """Have it happen."""

    def close(self) -> None:
        """End all of it."""


class Nodes:
    """Ours."""

    name = "les"

    def __init__(self, folder: Path, lan: Lan, hosts: Sequence[Host], servers: Servers, prefix: str) -> None:
        self.story = folder / "story"
        daemons = [
            HostDaemon(folder / chr(97 + i), host, table(chr(97 + i), host.address, servers.urls, prefix=prefix), None)
            for i, host in enumerate(hosts)
        ]
        self._troupe = Troupe(lan, daemons, self.story)
        _write(folder / "script", self.story)
        for daemon in daemons:
            for event in ("elected", "while-leader"):
                place = daemon.folder / "hooks.d" / f"{event}.d"
                place.mkdir(parents=True)
                (place / "10-stamp").hardlink_to(folder / "script")

    def start(self) -> None:
        """Start the daemons."""
        for daemon in self._troupe.daemons:
            daemon.start()

    def whole(self) -> str:
        """Ask each for its status."""
        leader = self._troupe.agreed(*self._troupe.daemons, direct=False)
        until(lambda: len(read_stamps(self.story)) > 1, f"{leader.name} works")
        return leader.name

    def strike(self, fault: Fault, node: str) -> None:
        """The daemon gets the signal; its guard lives, where not everything is killed."""
        daemon = next(each for each in self._troupe.daemons if each.name == node)
        if fault is Fault.LOSE:
            signal_all(daemon.host, signal.SIGKILL)
        else:
            daemon.signal(_SIGNALS[fault])

    def close(self) -> None:
        """Kill all that runs there."""
        for daemon in self._troupe.daemons:
            signal_all(daemon.host, signal.SIGKILL)
            if daemon.process is not None:
                daemon.ended()


class Lock:
    """`etcdctl lock`."""

    name = "etcdctl"

    def __init__(self, folder: Path, _lan: Lan, hosts: Sequence[Host], servers: Servers, prefix: str) -> None:
        self.story = folder / "story"
        self._folder = folder
        self._hosts = {chr(97 + i): host for i, host in enumerate(hosts)}
        self._servers = servers
        self._prefix = prefix
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True)
        _write(folder / "script", self.story)

    def start(self) -> None:
        """Have all ask for the lock."""
        words = [need_program("etcdctl"), "--endpoints", ",".join(self._servers.urls)]
        words += ["lock", "--ttl", str(TTL_SECONDS), self._prefix, str(self._folder / "script")]
        for node, host in self._hosts.items():
            with (self._folder / f"log-{node}").open("ab") as log:
                self._running[node] = subprocess.Popen(
                    [*host.inside, *words],
                    env={"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "NODE": node},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def whole(self) -> str:
        """Look for the keys of all."""
        etcd = self._servers.all[0]
        keys = ("get", "--prefix", f"{self._prefix}/", "--keys-only")
        until(lambda: len(etcd.ctl(*keys).split()) == len(self._hosts), "all ask for the lock")
        return until(lambda: read_stamps(self.story)[-1:], "one has the lock")[0][1]

    def strike(self, fault: Fault, node: str) -> None:
        """SIGTERM goes to the command as well: without that, etcdctl holds the lock until the command ends."""
        process = self._running[node]
        if fault is Fault.LOSE:
            signal_all(self._hosts[node], signal.SIGKILL)
        elif fault is Fault.TERM:
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.send_signal(_SIGNALS[fault])

    def close(self) -> None:
        """Kill all that runs there."""
        for host in self._hosts.values():
            signal_all(host, signal.SIGKILL)
        for process in self._running.values():
            process.wait(_END_SECONDS)


SIDES: Final[Mapping[str, Callable[[Path, Lan, Sequence[Host], Servers, str], Side]]] = {
    Nodes.name: Nodes,
    Lock.name: Lock,
}
"""Made with a folder, the network, three hosts of it, the servers, and a prefix of keys that nobody else has."""
_SIGNALS: Final = {Fault.TERM: signal.SIGTERM, Fault.KILL: signal.SIGKILL, Fault.STOP: signal.SIGSTOP}


def _write(script: Path, story: Path) -> None:
    script.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(f"{story}.never")
    script.write_text(_SCRIPT.format(story=story), encoding="utf-8")
    script.chmod(0o755)
