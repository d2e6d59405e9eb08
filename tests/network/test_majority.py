"""`quorum = "majority"` on a real network: whatever breaks, the work of one leader has ended when another's begins.

Work says every 10 ms that it runs, all nodes' into one file: no line of a leadership may follow one of the next. The
limits of time are what is promised, plus what a machine that is busy with other tests may add; `python -m tests.bench
handover` prints what it takes on a quiet one.
"""

import contextlib
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.members import Part
from tests.cluster import until
from tests.needs import need_netns, need_program
from tests.network.cluster import LEASE_SECONDS, MAJORITY_TIMING, Cluster, NetDaemon
from tests.network.lan import Lan
from tests.network.story import mingled

_HEARTBEAT_SECONDS = 0.2
_FAILURE_SECONDS = 0.6
_DEMOTE_SECONDS = 0.1
# A third of the lease is kept for the demotion of who is cut off: it begins no later than this.
_ACTS_SECONDS = LEASE_SECONDS * 2 / 3
# What a machine with two cores and other tests on them adds to what takes milliseconds.
_SLACK_SECONDS = 0.6


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    need_netns()
    with Lan(3) as lan:
        cluster = Cluster(tmp_path_factory.mktemp("three"), lan, timing=MAJORITY_TIMING, lease_seconds=LEASE_SECONDS)
        try:
            yield cluster
        finally:
            cluster.close()
        # What passed between two tests counts as well.
        assert mingled(cluster.story(everything=True)) == []


@pytest.fixture
def three(_shared: Cluster) -> Iterator[Cluster]:
    """Three voters that all reach each other, and the check that they never worked side by side."""
    _shared.whole()
    yield _shared
    assert mingled(_shared.story()) == []
    assert _shared.overlap() == 0.0


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _working(cluster: Cluster) -> NetDaemon:
    """The leader, once its work has begun."""
    leader = cluster.agreed(*cluster.daemons)
    cluster.told(leader, "works")
    return leader


def _leadership_stayed(cluster: Cluster, leader: NetDaemon) -> None:
    """Whoever was cut off may have lost sight of it; nobody was elected or demoted."""
    found = cluster.agreed(*cluster.daemons, direct=False)
    news = {daemon.name: daemon.news() for daemon in cluster.daemons}
    told = " ".join(text for each in news.values() for text in each)
    assert "leader.elected" not in told, news
    assert "leader.demoted" not in told, news
    assert found is leader


def test_a_leader_that_leaves_is_followed_when_its_demote_script_has_ended(three: Cluster) -> None:
    leader = _working(three)
    leader.signal(signal.SIGTERM)
    _, elected = three.succeeded(*three.followers(leader))
    assert leader.ended() == 0
    words = [f"{line.node} {line.word}" for line in three.story() if line.word != "works"]
    assert words[:2] == [f"{leader.name} demoting", f"{leader.name} demoted"]
    assert words[2].endswith(" elected")
    assert elected - three.told(leader, "demoted").at < _SLACK_SECONDS / 2


def test_a_daemon_that_is_killed_is_followed_before_its_lease_is_over(tmp_path: Path) -> None:
    """The guard ends its work and cleans up in its name, and that frees its grants.

    With the default lease, as a cleanup takes a second to begin on a machine that is busy with other tests.
    """
    need_netns()
    with Lan(3) as lan, contextlib.closing(Cluster(tmp_path, lan, timing="", lease_seconds=4.0)) as cluster:
        leader = cluster.whole()
        cluster.told(leader, "works")
        killed = _now()
        leader.kill()
        _, elected = cluster.succeeded(*cluster.followers(leader))
        assert cluster.told(leader, "demoted").at <= elected
        assert elected - killed < 3.0
        assert cluster.worked_last(leader) - killed < _SLACK_SECONDS / 2
        assert mingled(cluster.story()) == []
        assert cluster.overlap() == 0.0


def test_a_host_that_is_lost_is_replaced_when_its_lease_is_over(three: Cluster) -> None:
    leader = _working(three)
    lost = _now()
    leader.lose()
    _, elected = three.succeeded(*three.followers(leader))
    assert elected - lost < LEASE_SECONDS + _HEARTBEAT_SECONDS + _SLACK_SECONDS


def test_a_leader_that_freezes_for_a_moment_leads_on(three: Cluster) -> None:
    leader = _working(three)
    leader.signal(signal.SIGSTOP)
    time.sleep(_HEARTBEAT_SECONDS)
    leader.signal(signal.SIGCONT)
    time.sleep(_FAILURE_SECONDS)
    _leadership_stayed(three, leader)


def test_a_leader_that_freezes_for_less_than_a_lease_is_never_beside_another(three: Cluster) -> None:
    """The others miss it, and cannot replace it yet; when it wakes it may lead on or yield."""
    leader = _working(three)
    leader.signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * 0.9)
    leader.signal(signal.SIGCONT)
    three.agreed(*three.daemons)


def test_a_leader_that_freezes_for_longer_is_replaced_and_the_guard_ends_its_work(three: Cluster) -> None:
    leader = _working(three)
    frozen = _now()
    leader.signal(signal.SIGSTOP)
    successor, elected = three.succeeded(*three.followers(leader))
    assert elected - frozen < LEASE_SECONDS + _HEARTBEAT_SECONDS + _SLACK_SECONDS
    assert three.worked_last(leader) - frozen < _ACTS_SECONDS + _SLACK_SECONDS
    leader.signal(signal.SIGCONT)
    assert three.agreed(*three.daemons) is successor
    assert "leader.demoted - slept" in leader.news()


def test_a_leader_that_is_cut_from_all_demotes_to_the_end_before_another_leads(three: Cluster) -> None:
    leader = _working(three)
    cut = _now()
    three.lan.isolate(leader.host)
    successor, elected = three.succeeded(*three.followers(leader))
    assert elected - cut < LEASE_SECONDS + _HEARTBEAT_SECONDS + _SLACK_SECONDS
    assert three.told(leader, "demoted").at <= elected
    assert not leader.status()["is_me"]
    assert "leader.demoted - no-majority" in leader.news()
    three.lan.mend()
    assert three.agreed(*three.daemons) is successor


@pytest.mark.parametrize("way", ["deaf", "mute"])
def test_a_leader_that_is_cut_from_all_one_way_is_replaced_as_well(three: Cluster, way: str) -> None:
    leader = _working(three)
    cut = _now()
    for follower in three.followers(leader):
        speaker, listener = (follower, leader) if way == "deaf" else (leader, follower)
        speaker.host.deafen(listener.host)
    _, elected = three.succeeded(*three.followers(leader))
    assert elected - cut < LEASE_SECONDS + _HEARTBEAT_SECONDS + _SLACK_SECONDS
    assert three.told(leader, "demoted").at <= elected


def test_a_node_that_is_cut_from_everybody_does_not_lead_and_changes_nothing(three: Cluster) -> None:
    leader = _working(three)
    follower, other = three.followers(leader)
    three.lan.isolate(follower.host)
    assert three.agreed(leader, other) is leader
    time.sleep(LEASE_SECONDS + _FAILURE_SECONDS)
    assert not follower.status()["is_me"]
    assert follower.status()["leader"] is None
    three.lan.mend()
    three.agreed(*three.daemons)
    _leadership_stayed(three, leader)


def test_a_node_that_is_cut_from_the_leader_only_changes_nothing(three: Cluster) -> None:
    leader = _working(three)
    follower = three.followers(leader)[0]
    three.lan.cut(leader.host, follower.host)
    until(lambda: leader.direct(follower) is False, "no link between the two")
    time.sleep(LEASE_SECONDS)
    _leadership_stayed(three, leader)


def test_with_a_majority_lost_nobody_leads_until_it_is_back(three: Cluster) -> None:
    leader = _working(three)
    for follower in three.followers(leader):
        follower.lose()
    leader.wait(lambda status: status["leader"] is None, "leads no more")
    three.told(leader, "demoted")
    time.sleep(LEASE_SECONDS)
    assert not leader.status()["is_me"]


@pytest.mark.parametrize("seed", [1, 2])
def test_links_that_flap_never_make_two_leaders(three: Cluster, seed: int) -> None:
    three.whole()
    dice = random.Random(seed)
    for _ in range(6):
        one, other = dice.sample(three.daemons, 2)
        if dice.random() < 0.6:
            three.lan.isolate(one.host)
        else:
            one.host.deafen(other.host)
        time.sleep(dice.uniform(0.1, 1.2 * LEASE_SECONDS))
        three.lan.mend()
        time.sleep(dice.uniform(0.0, _FAILURE_SECONDS))
    three.agreed(*three.daemons)


@pytest.mark.parametrize("how", ["daemons", "hosts"])
def test_when_all_restart_at_once_nobody_leads_while_a_promise_may_be_forgotten(three: Cluster, how: str) -> None:
    leader = _working(three)
    terms = [daemon.status()["term"] for daemon in three.daemons]
    if how == "hosts":
        for daemon in three.daemons:
            daemon.lose()
    else:
        for daemon in three.daemons:
            daemon.kill()
    for daemon in three.daemons:
        if how == "hosts":
            daemon.boot()
        else:
            daemon.start()
    leader, elected = three.succeeded(*three.daemons)
    assert leader.status()["term"] > max(terms)
    # Each counts from the moment at which it joins, which is a little later than this.
    started = [_now() - daemon.status()["node"]["uptime"] for daemon in three.daemons]
    assert elected - sorted(started)[1] > LEASE_SECONDS - 0.05


def test_every_fifth_packet_lost_never_makes_two_leaders(three: Cluster) -> None:
    need_program("nft")
    three.lan.mislay(20)
    time.sleep(6.0)
    three.lan.mend()
    three.agreed(*three.daemons)


def test_work_that_ignores_its_end_is_killed_before_another_leads(tmp_path: Path) -> None:
    """Be the daemon frozen, so that the guard must see to it, or cut off, so that it does so itself."""
    need_netns()
    with (
        Lan(3) as lan,
        contextlib.closing(
            Cluster(tmp_path, lan, timing=MAJORITY_TIMING, lease_seconds=LEASE_SECONDS, stubborn=True)
        ) as cluster,
    ):
        leader = cluster.whole()
        cluster.told(leader, "works")
        leader.signal(signal.SIGSTOP)
        successor, _ = cluster.succeeded(*cluster.followers(leader))
        leader.signal(signal.SIGCONT)
        cluster.agreed(*cluster.daemons)
        cluster.lan.isolate(successor.host)
        cluster.succeeded(*cluster.followers(successor))
        assert mingled(cluster.story()) == []
        assert cluster.overlap() == 0.0


def test_two_nodes_and_a_witness_survive_the_loss_of_any_one_host(tmp_path: Path) -> None:
    """An observer looks on: it learns who leads, and is nobody's voter."""
    need_netns()
    parts = {"c": Part.WITNESS, "d": Part.OBSERVER}
    with (
        Lan(4) as lan,
        contextlib.closing(
            Cluster(tmp_path, lan, timing=MAJORITY_TIMING, lease_seconds=LEASE_SECONDS, parts=parts)
        ) as cluster,
    ):
        leader = cluster.whole()
        witness, observer = cluster.daemons[2:]
        cluster.told(leader, "works")
        lost = _now()
        leader.lose()
        successor, elected = cluster.succeeded(*cluster.followers(leader))
        assert elected - lost < LEASE_SECONDS + _HEARTBEAT_SECONDS + _SLACK_SECONDS
        assert f"member.lost {leader.address} timeout" in observer.news()
        cluster.whole()
        witness.lose()
        time.sleep(LEASE_SECONDS)
        assert cluster.agreed(leader, successor, observer) is successor
        assert {line.node for line in cluster.story(everything=True) if line.word == "elected"} <= {"a", "b"}
        assert "c" not in {line.node for line in cluster.story(everything=True)}
        assert mingled(cluster.story()) == []
