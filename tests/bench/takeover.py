"""How long until the next node acts: SIGKILL, SIGTERM and SIGSTOP of the leader, three nodes, default timing."""

import os
import select
import signal
import time
from collections.abc import Callable

from tests.bench.cluster import Cluster
from tests.bench.table import Row

__all__ = ["SCRIPTS", "Strike", "begin", "kill", "measure", "repeat", "terminate"]

SCRIPTS = {
    "elected": 'echo "$LES_NAME elected $LES_TERM" >"$BELL"',
    "demoted": 'echo "$LES_NAME demoted $LES_REASON" >"$BELL"',
    "member-joined": 'echo "$LES_NAME joined $LES_MEMBER" >"$BELL"',
    "while-leader": 'echo "$LES_NAME works $$" >"$BELL"\nexec sleep 100000',
}

# One strike: the cluster, the leader and its worker's pid, to the two times in seconds and the successor.
Strike = Callable[[Cluster, str, int], tuple[float, float, str]]


def measure(runs: int) -> list[Row]:
    """The times in milliseconds over `runs` take-overs each."""
    with Cluster(3, scripts=SCRIPTS) as cluster:
        killed, (leader, since) = repeat(cluster, begin(cluster), runs, kill)
        ended, (leader, since) = repeat(cluster, (leader, since), runs, terminate)
        stopped, _ = repeat(cluster, (leader, since), runs, _stop)
    return [
        Row("SIGKILL: to the successor's elected script", "ms", [first for first, _ in killed]),
        Row("SIGKILL: to the end of the dead one's while-leader work", "ms", [second for _, second in killed]),
        Row("SIGTERM: to the successor's elected script", "ms", [first for first, _ in ended]),
        Row("SIGTERM: of it after the demoted script was done", "ms", [second for _, second in ended]),
        Row("SIGSTOP: to the successor's elected script", "ms", [first for first, _ in stopped]),
        Row("SIGSTOP: to the end of the stopped one's while-leader work", "ms", [second for _, second in stopped]),
    ]


def begin(cluster: Cluster) -> tuple[str, float]:
    """Start all nodes, and wait until they are one cluster; returns who leads, and since when."""
    for name in cluster.nodes:
        cluster.start(name)
    leader = cluster.bell.wait(r"\S+ elected \d+").node
    for name in cluster.nodes:
        _wait_until_whole(cluster, name, since=0.0)
    return leader, 0.0


def repeat(
    cluster: Cluster, leading: tuple[str, float], runs: int, strike: Strike
) -> tuple[list[tuple[float, float]], tuple[str, float]]:
    """Strike the leader again and again; `leading` is who leads, and since when."""
    found = []
    leader, since = leading
    for _ in range(runs):
        worker = int(cluster.bell.wait(rf"{leader} works \d+", since=since).rest[0])
        since = time.monotonic()
        first, second, successor = strike(cluster, leader, worker)
        found.append((first * 1000, second * 1000))
        again = time.monotonic()
        cluster.start(leader)
        _wait_until_whole(cluster, leader, since=again)
        leader = successor
    return found, (leader, since)


def _wait_until_whole(cluster: Cluster, name: str, *, since: float) -> None:
    """Wait until the node has seen both others, and they it."""
    others = [other for other in cluster.nodes if other != name]
    addresses = dict(zip(cluster.nodes, cluster.ports, strict=True))
    for one, other in [(name, other) for other in others] + [(other, name) for other in others]:
        cluster.bell.wait(rf"{one} joined 127\.0\.0\.1:{addresses[other]}", since=since)


def kill(cluster: Cluster, leader: str, worker: int) -> tuple[float, float, str]:
    """SIGKILL: the times to the successor's script, and to the end of the dead one's work."""
    pidfd = os.pidfd_open(worker)
    begun = cluster.signal(leader, signal.SIGKILL)
    ended = _wait_for_end(pidfd)
    next_one = cluster.bell.wait(r"\S+ elected \d+", since=begun)
    cluster.end(leader)
    return next_one.at - begun, ended - begun, next_one.node


def terminate(cluster: Cluster, leader: str, worker: int) -> tuple[float, float, str]:
    """SIGTERM: the times to the successor's script, and to it from the end of the demoted one."""
    begun = cluster.signal(leader, signal.SIGTERM)
    demoted = cluster.bell.wait(rf"{leader} demoted leaving", since=begun)
    next_one = cluster.bell.wait(r"\S+ elected \d+", since=begun)
    cluster.end(leader)
    return next_one.at - begun, next_one.at - demoted.at, next_one.node


def _stop(cluster: Cluster, leader: str, worker: int) -> tuple[float, float, str]:
    pidfd = os.pidfd_open(worker)
    begun = cluster.signal(leader, signal.SIGSTOP)
    ended = _wait_for_end(pidfd)
    next_one = cluster.bell.wait(r"\S+ elected \d+", since=begun)
    cluster.signal(leader, signal.SIGKILL)
    cluster.end(leader)
    return next_one.at - begun, ended - begun, next_one.node


def _wait_for_end(pidfd: int) -> float:
    try:
        if not select.select([pidfd], [], [], 60)[0]:
            raise TimeoutError("the leader's work did not end")
        return time.monotonic()
    finally:
        os.close(pidfd)
