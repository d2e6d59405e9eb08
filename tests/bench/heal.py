"""How long until there is one leader again when a partition ends: three nodes, default timing, slow links."""

import contextlib
import random
import tempfile
import time
from pathlib import Path

from tests.bench.table import Row
from tests.cluster import until
from tests.network.cluster import Cluster, NetDaemon
from tests.network.slow import SlowLan

__all__ = ["heal_seconds", "measure"]


def heal_seconds(cluster: Cluster, leader: NetDaemon, apart_seconds: float) -> tuple[float, float]:
    """Cut the leader off, mend, and return the seconds from then until the other one is demoted, and all agree."""
    others = cluster.followers(leader)
    cluster.lan.isolate(leader.host)
    junior = cluster.agreed(*others)
    time.sleep(apart_seconds)
    for daemon in cluster.daemons:
        daemon.mark()
    mended = time.clock_gettime(time.CLOCK_BOOTTIME)
    cluster.lan.mend()
    until(lambda: cluster.told(junior, "demoting").at >= mended - 0.01, "the junior leader is demoted")
    demoted = cluster.told(junior, "demoted").at
    cluster.agreed(*cluster.daemons)
    return demoted - mended, time.clock_gettime(time.CLOCK_BOOTTIME) - mended


def measure(runs: int, delay_seconds: float) -> list[Row]:
    """Each run cuts for another while, so that no redial is due at the same moment."""
    dice = random.Random(1)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-heal-")))
        lan = stack.enter_context(SlowLan(3, delay_seconds))
        cluster = stack.enter_context(contextlib.closing(Cluster(folder, lan, timing="")))
        found = [heal_seconds(cluster, cluster.whole(), dice.uniform(1.0, 4.0)) for _ in range(runs)]
    return [
        Row(
            "from the heal to one leader (the other's demote script, 100 ms, done)", "ms", [1000 * a for a, _ in found]
        ),
        Row("from the heal until all accept it", "ms", [1000 * b for _, b in found]),
    ]
