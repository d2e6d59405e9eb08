"""How often two nodes lead at once when all start together: three nodes, default timing, slow links.

A thousand starts without daemons take minutes; with daemons, each takes some seconds.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.table import Row
from tests.network.cluster import Cluster
from tests.network.lan import Host
from tests.network.slow import SlowLan
from tests.network.story import stretches

__all__ = ["Start", "measure", "run", "run_daemons"]

_ROOT = Path(__file__).parents[2]
_ROUND_SECONDS = 5.0
_SIDE_BY_SIDE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What came of one start: who led when, in boottime seconds, and when it began."""

    led: tuple[tuple[float, float], ...]

    @property
    def double_seconds(self) -> float:
        """For how long two led at once."""
        ends = [min(one[1], other[1]) - max(one[0], other[0]) for one in self.led for other in self.led if one < other]
        return max([0.0, *ends])


def run(starts: int, delay_seconds: float) -> list[Start]:
    """So many starts, many side by side; raises AssertionError where a start had no leader at the end."""
    side_by_side = min(starts, _SIDE_BY_SIDE)
    with SlowLan(3, delay_seconds) as lan, contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(_births(host, side_by_side)) for host in lan.hosts]
        found: list[Start] = []
        for seed in range(-(-starts // side_by_side)):
            found += _round(nodes, seed)
        for node in nodes:
            node.communicate(timeout=10)
    return found[:starts]


def _births(host: Host, count: int) -> "subprocess.Popen[str]":
    command = [*host.inside, sys.executable, "-m", "tests.bench.births", host.ip, str(count)]
    return subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _round(nodes: list["subprocess.Popen[str]"], seed: int) -> list[Start]:
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + _ROUND_SECONDS
    for node in nodes:
        assert node.stdin is not None
        print(seed, until, file=node.stdin, flush=True)
    told = []
    for node in nodes:
        assert node.stdout is not None
        told.append(json.loads(node.stdout.readline()))
    return [
        Start(led=tuple((begin, end) for stretches in clusters for begin, end in stretches))
        for clusters in zip(*told, strict=True)
    ]


def run_daemons(starts: int, delay_seconds: float) -> list[Start]:
    """The same with daemons, one start after the other; a leader works as long as it leads."""
    found: list[Start] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-starts-")))
        lan = stack.enter_context(SlowLan(3, delay_seconds))
        cluster = stack.enter_context(contextlib.closing(Cluster(folder, lan, timing="")))
        while len(found) < starts:
            begun = time.clock_gettime(time.CLOCK_BOOTTIME)
            leader = cluster.whole()
            cluster.told(leader, "works")
            lines = [line for line in cluster.story(everything=True) if line.at >= begun]
            found.append(Start(led=tuple((each.begin, each.end) for each in stretches(lines))))
            for daemon in cluster.daemons:
                daemon.lose()
    return found


def measure(starts: int, delay_seconds: float, *, daemons: bool) -> list[Row]:
    """The counts."""
    found = run_daemons(starts, delay_seconds) if daemons else run(starts, delay_seconds)
    return [
        Row("starts", "", [float(len(found))]),
        Row("starts with two leaders at once", "", [float(sum(start.double_seconds > 0 for start in found))]),
        Row("starts with more than one leadership", "", [float(sum(len(start.led) > 1 for start in found))]),
        Row("starts without a leader", "", [float(sum(not start.led for start in found))]),
    ]
