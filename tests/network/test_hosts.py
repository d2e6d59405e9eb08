"""Hosts that lose power, come back, or freeze, with real daemons."""

import contextlib
import signal
import time
from pathlib import Path

import pytest

from tests.cluster import until
from tests.network.cluster import FAILURE_SECONDS, HEARTBEAT_SECONDS, Cluster
from tests.network.lan import Lan

# What the machine that runs the tests may add to what is promised.
_SLACK_SECONDS = 0.5


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_when_the_leaders_host_loses_power_the_successor_takes_over_after_failure(four: Cluster) -> None:
    """No refusal comes from there, so that only silence tells."""
    leader = four.whole()
    rest = four.followers(leader)
    lost = _now()
    leader.lose()
    successor = four.agreed(*rest)
    elected = four.told(successor, "elected").at
    assert FAILURE_SECONDS - HEARTBEAT_SECONDS - 0.05 < elected - lost < FAILURE_SECONDS + _SLACK_SECONDS
    for follower in rest:
        assert f"member.lost {leader.address} timeout" in follower.news()
    assert four.overlap() == 0.0
    # It comes back as the most junior of all, and clears away first what it left.
    leader.boot()
    assert four.agreed(*four.daemons) is successor
    assert four.told(leader, "demoted").at > elected
    assert leader.status()["members"][-1]["address"] == leader.address


@pytest.mark.parametrize("reason", ["refused", "restarted"])
def test_connections_to_a_host_that_has_returned_are_half_open_and_hold_nobody_up(
    tmp_path: Path, lan: Lan, reason: str
) -> None:
    """Its new kernel knows nothing of them: it refuses, unless the daemon was faster, which is then another process."""
    slow = '[timing]\nheartbeat = "500ms"\nfailure = "20s"\nsettle = "100ms"\nretry = "100ms"\n'
    with contextlib.closing(Cluster(tmp_path, lan, timing=slow)) as two:
        leader = two.whole()
        [follower] = two.followers(leader)
        if reason == "restarted":
            leader.host.deafen(follower.host)
        lost = time.monotonic()
        follower.lose()
        follower.boot()
        until(follower.status, "the daemon is up")
        lan.mend()
        joined = f"member.joined {follower.address} joined"
        until(lambda: joined in leader.news(), "the new process is a member")
        assert time.monotonic() - lost < 20 / 2
        assert leader.news() == [f"member.lost {follower.address} {reason}", joined]
        assert two.agreed(leader, follower) is leader


def test_a_leader_that_freezes_for_less_than_failure_leads_on(four: Cluster) -> None:
    leader = four.whole()
    leader.signal(signal.SIGSTOP)
    time.sleep(FAILURE_SECONDS / 3)
    leader.signal(signal.SIGCONT)
    time.sleep(FAILURE_SECONDS)
    assert four.agreed(*four.daemons) is leader
    assert [news for daemon in four.daemons for news in daemon.news()] == []


def test_a_leader_that_freezes_for_longer_is_replaced_and_the_guard_ends_its_work(four: Cluster) -> None:
    leader = four.whole()
    four.told(leader, "works")
    frozen = _now()
    leader.signal(signal.SIGSTOP)
    successor = four.agreed(*four.followers(leader))
    four.told(successor, "works")
    until(lambda: four.story()[-1].node == successor.name, "the successor works")
    last = max(line.at for line in four.story() if (line.node, line.word) == (leader.name, "works"))
    assert last - frozen < FAILURE_SECONDS + _SLACK_SECONDS
    # Promised: authority ends `failure` after the last heartbeat that went out, the others wait for as long after the
    # last one that came, and ending the work takes one TERM. So there is next to no time with two.
    assert four.overlap() < HEARTBEAT_SECONDS

    leader.signal(signal.SIGCONT)
    assert four.agreed(*four.daemons) is successor
    assert "leader.demoted - slept" in leader.news()
    assert four.told(leader, "demoted").at > four.told(successor, "elected").at
    assert leader.status()["members"][-1]["address"] == leader.address


def test_a_follower_that_freezes_is_lost_and_comes_back(four: Cluster) -> None:
    leader = four.whole()
    follower, *others = four.followers(leader)
    follower.signal(signal.SIGSTOP)
    assert four.agreed(leader, *others) is leader
    follower.signal(signal.SIGCONT)
    assert four.agreed(*four.daemons) is leader
    for daemon in (leader, *others):
        assert daemon.news() == [
            f"member.lost {follower.address} timeout",
            f"member.joined {follower.address} joined",
        ]
    assert four.overlap() == 0.0


def test_a_leader_that_leaves_is_followed_without_a_moment_of_two(four: Cluster) -> None:
    leader = four.whole()
    leader.signal(signal.SIGTERM)
    successor = four.agreed(*four.followers(leader))
    assert leader.ended() == 0
    assert four.overlap() == 0.0
    lines = [f"{line.node} {line.word}" for line in four.story() if line.word != "works"]
    assert lines[:3] == [f"{leader.name} demoting", f"{leader.name} demoted", f"{successor.name} elected"]


def test_a_leader_that_is_killed_is_followed_without_a_moment_of_two(four: Cluster) -> None:
    """The guard ends its work while the others learn of it from the refusal: a race that both win in milliseconds."""
    leader = four.whole()
    killed = _now()
    leader.kill()
    successor = four.agreed(*four.followers(leader))
    assert four.told(successor, "elected").at - killed < _SLACK_SECONDS
    assert four.overlap() < 0.05
