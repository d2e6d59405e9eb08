"""Links on which a packet takes 50 ms each way, default timing: starts, and partitions that heal."""

import contextlib
from pathlib import Path

import pytest

from tests.bench import heal, starts
from tests.cluster import until
from tests.needs import need_netns, need_tunnels
from tests.network.cluster import Cluster
from tests.network.slow import SlowLan

_DELAY_SECONDS = 0.05

# An attempt that nobody answers lasts one heartbeat, and the next begins at once. `python -m tests.bench heal` prints
# how long it takes on a machine that does nothing else: within a second.
_HEALED_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _tunnels() -> None:
    need_netns()
    need_tunnels()


def test_nodes_that_start_together_never_lead_side_by_side() -> None:
    """Twenty clusters of three, without their daemons; `python -m tests.bench starts` counts a thousand."""
    found = starts.run(20, _DELAY_SECONDS)
    assert [start for start in found if len(start.led) != 1] == []


@pytest.mark.timeout(120)
def test_daemons_that_start_together_and_partitions_that_heal_end_with_one_leader(tmp_path: Path) -> None:
    with SlowLan(3, _DELAY_SECONDS) as lan, contextlib.closing(Cluster(tmp_path, lan, timing="")) as cluster:
        cluster.whole()
        assert cluster.overlap() == 0.0
        assert len([line for line in cluster.story(everything=True) if line.word == "elected"]) == 1
        for apart_seconds in (0.3, 1.0):
            one_leader, _ = heal.heal_seconds(cluster, cluster.whole(), apart_seconds)
            assert one_leader < _HEALED_SECONDS


@pytest.mark.timeout(120)
def test_links_tell_how_long_a_round_trip_takes(tmp_path: Path) -> None:
    """As it is on the network, idle or not: the kernel's own estimate would say more on some ends."""
    with SlowLan(3, _DELAY_SECONDS) as lan, contextlib.closing(Cluster(tmp_path, lan, timing="")) as cluster:
        cluster.whole()

        def rtts() -> list[float]:
            links = [link for daemon in cluster.daemons for link in daemon.status()["backend"]["links"]]
            return [link["rtt"] for link in links if link["rtt"] is not None]

        until(lambda: len(rtts()) == 6, "all ends of all links know")
        assert all(2 * _DELAY_SECONDS <= rtt < 8 * _DELAY_SECONDS for rtt in rtts())
