"""Floods from one address: members do not feel them, and others get in."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import need_netns
from tests.network.cluster import Cluster
from tests.network.floods import flooding
from tests.network.lan import Lan
from tests.network.secured import Secured, security

_SECONDS = 4.0


@pytest.fixture(params=Secured)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Four hosts with the default timing, whose daemons are not started yet, and a client."""
    need_netns()
    with Lan(4, clients=1) as lan:
        made = Cluster(tmp_path, lan, timing="", security=security(request.param, tmp_path, lan.hosts), silent=True)
        with contextlib.closing(made):
            yield made


@pytest.mark.timeout(90)
@pytest.mark.parametrize("source", ["a stranger's host", "a member's host"])
def test_a_flood_from_one_address_costs_no_member_and_moves_no_leader(cluster: Cluster, source: str) -> None:
    """A member behind the address that floods keeps the links that it has."""
    leader = cluster.whole()
    followers = cluster.followers(leader)
    host = cluster.lan.clients[0] if source == "a stranger's host" else followers[0].host
    with flooding(host, leader.host, _SECONDS) as flood:
        report = flood.report()
    # 7000 a second where the machine has nothing else to do.
    assert report["connections"] + report["requests"] > 1000 * _SECONDS
    assert report["ConnectionResetError"] > report["connections"] / 2
    assert [daemon.news() for daemon in cluster.daemons] == [[], [], [], []]
    links = leader.status()["backend"]["links"]
    assert sorted(link["address"] for link in links) == sorted(daemon.address for daemon in followers)
    assert min(link["age"] for link in links) > _SECONDS
    assert f'"source":"{host.ip}"' in leader.said()
    assert leader.said().count("connection-refused") < 10 + 2 * _SECONDS


@pytest.mark.timeout(90)
def test_who_holds_all_connections_that_it_may_keeps_no_new_member_out(cluster: Cluster) -> None:
    *three, fourth = cluster.daemons
    for daemon in three:
        daemon.start()
    cluster.agreed(*three)
    with contextlib.ExitStack() as stack:
        # Within its rate, so that all of them are let in, to all three.
        for daemon in three:
            stack.enter_context(flooding(cluster.lan.clients[0], daemon.host, 60.0, connections=31, requests=0))
        fourth.start()
        cluster.agreed(*cluster.daemons)
    assert [line for line in fourth.said().splitlines() if "dial-failed" in line] == []
