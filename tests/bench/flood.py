"""What a flood from one address does to a node: 5000 connections and 2000 requests a second, beside the calm before it.

The node that is flooded leads two others, with the default timing, on hosts of a network; once for each way to know
its members.
"""

import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.rest import cpu_seconds
from tests.bench.table import Row
from tests.network.cluster import Cluster, NetDaemon
from tests.network.floods import flooding
from tests.network.lan import Lan
from tests.network.secured import Secured, security

__all__ = ["measure"]

_LOOK_SECONDS = 0.05


class _Look:
    """How a node did for some seconds: answers on its control socket wait for its loop as a heartbeat does."""

    def __init__(self, daemon: NetDaemon, seconds: float) -> None:
        assert daemon.process is not None
        pid, begin = daemon.process.pid, time.monotonic()
        used, took = cpu_seconds(pid), []
        while time.monotonic() - begin < seconds:
            asked = time.monotonic()
            status = daemon.status()
            took.append(1000 * (time.monotonic() - asked))
            time.sleep(_LOOK_SECONDS)
        self.cpu = 100 * (cpu_seconds(pid) - used) / (time.monotonic() - begin)
        self.took = took
        self.rtt = [1000 * link["rtt"] for link in status["backend"]["links"] if link["rtt"] is not None]

    def rows(self, when: str) -> list[Row]:
        """What is printed."""
        return [
            Row(f"CPU of the node, {when}", "% of a core", [self.cpu]),
            Row(f"an answer on its control socket, {when}", "ms", self.took),
            Row(f"round trip on its links, {when}", "ms", self.rtt),
        ]


def measure(seconds: float, calm: float, how: Secured) -> list[Row]:
    """Before and during the flood, the ratio of both, and what became of the flood and of the cluster.

    Each link is measured once in five seconds, so that the `calm` before it all should be longer.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-flood-")))
        lan = stack.enter_context(Lan(3, clients=1))
        cluster = Cluster(folder, lan, timing="", security=security(how, folder, lan.hosts), silent=True)
        stack.callback(cluster.close)
        leader = cluster.whole()
        time.sleep(calm)
        before = _Look(leader, seconds)
        with flooding(lan.clients[0], leader.host, seconds) as flood:
            during = _Look(leader, seconds)
            report = flood.report()
        news = [text for daemon in cluster.daemons for text in daemon.news()]
    for text in news:
        print(f"  {text}")
    return [
        *before.rows("before"),
        *during.rows("flooded"),
        Row("  median answer flooded / before", "", [statistics.median(during.took) / statistics.median(before.took)]),
        Row("connections of the flood", "/s", [report["connections"] / report["seconds"]]),
        Row("requests of the flood", "/s", [report["requests"] / report["seconds"]]),
        Row("  answered", "/s", [report.get("answered", 0) / report["seconds"]]),
        Row("changes of members and leaders", "", [float(len(news))]),
    ]
