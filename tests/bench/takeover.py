"""How long until the next node acts: SIGKILL, SIGTERM and SIGSTOP of the leader, three nodes, default timing."""

import os
import select
import signal
import statistics
import time

from tests.bench.cluster import Cluster

__all__ = ["measure"]

_RING = 'echo "$LES_NAME $1 $LES_TERM" >"$BELL"'
_SCRIPTS = {
    "elected": _RING,
    "demoted": _RING,
    "member-joined": 'echo "$LES_NAME joined $LES_MEMBER" >"$BELL"',
    "while-leader": 'echo "$LES_NAME works $$" >"$BELL"\nexec sleep 100000',
}


def measure(runs: int) -> list[tuple[str, float, str]]:
    """Rows of (what, median in ms, spread) over `runs` take-overs each."""
    with Cluster(3, scripts=_SCRIPTS) as cluster:
        for name in cluster.nodes:
            cluster.start(name)
        leader = cluster.bell.wait(r"\S+ elected \d+").node
        for name in cluster.nodes:
            _whole(cluster, name, since=0.0)
        killed, leader = _repeat(cluster, leader, runs, _kill)
        ended, leader = _repeat(cluster, leader, runs, _terminate)
        stopped, leader = _repeat(cluster, leader, runs, _stop)
    return [
        _row("SIGKILL to the successor's elected script", [first for first, _ in killed]),
        _row("SIGTERM to the successor's elected script", [first for first, _ in ended]),
        _row("  of it after the demoted script had run", [second for _, second in ended]),
        _row("SIGSTOP to the successor's elected script", [first for first, _ in stopped]),
        _row("SIGSTOP to the end of the stopped one's while-leader work", [second for _, second in stopped]),
    ]


def _repeat(cluster, leader, runs, strike):  # type: ignore[no-untyped-def]
    found = []
    for _ in range(runs):
        worker = int(cluster.bell.wait(rf"{leader} works \d+").rest[0])
        times, successor = strike(cluster, leader, worker)
        found.append(times)
        since = time.monotonic()
        cluster.start(leader)
        _whole(cluster, leader, since=since)
        leader = successor
    return found, leader
