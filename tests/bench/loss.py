"""Fail-overs where packets are lost: clusters of three side by side, default timing, a part of all packets dropped."""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.table import Row
from tests.cluster import until
from tests.network.cluster import Cluster
from tests.network.lan import Lan

__all__ = ["Toll", "measure", "run"]

# The default, as all timing here.
_LEASE_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What the loss cost one cluster: `news` are changes of leaders and members as each node's audit tells them."""

    news: dict[str, list[str]]
    overlap_seconds: float

    @property
    def fail_overs(self) -> int:
        """How often leadership moved, or was lost."""
        told = [news for each in self.news.values() for news in each]
        return sum(news.startswith(("leader.elected", "leader.demoted")) for news in told)

    @property
    def lost(self) -> int:
        """How often a node missed another."""
        return sum(news.startswith("member.lost") for each in self.news.values() for news in each)


def run(quorums: Counter[str], seconds: float, percent: int) -> list[Toll]:
    """Have so many clusters of each quorum bear the loss for so long."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-loss-")))
        clusters = [stack.enter_context(_cluster(folder / str(n), q)) for n, q in enumerate(quorums.elements())]
        for cluster in clusters:
            # One cluster after the other: dozens of daemons that start at once stop everything else for many seconds.
            cluster.start()
            for daemon in cluster.daemons:
                until(daemon.status, "the daemon is up")
        for cluster in clusters:
            cluster.whole()
        for cluster in clusters:
            cluster.lan.mislay(percent)
        time.sleep(seconds)
        return [
            Toll(news={daemon.name: daemon.news() for daemon in cluster.daemons}, overlap_seconds=cluster.overlap())
            for cluster in clusters
        ]


@contextlib.contextmanager
def _cluster(folder: Path, quorum: str) -> Iterator[Cluster]:
    with (
        Lan(3) as lan,
        contextlib.closing(
            Cluster(folder, lan, timing="", lease_seconds=_LEASE_SECONDS if quorum == "majority" else 0.0)
        ) as cluster,
    ):
        yield cluster


def measure(clusters: int, seconds: float, percent: int, quorum: str) -> list[Row]:
    """What each cluster bore."""
    tolls = run(Counter({quorum: clusters}), seconds, percent)
    for toll in tolls:
        for node, news in toll.news.items():
            if news:
                print(f"  {node}: {'; '.join(news)}")
    return [
        Row("fail-overs of a cluster", "", [float(toll.fail_overs) for toll in tolls]),
        Row("members lost in a cluster", "", [float(toll.lost) for toll in tolls]),
        Row("overlap of leaders' work", "ms", [1000 * toll.overlap_seconds for toll in tolls]),
    ]
