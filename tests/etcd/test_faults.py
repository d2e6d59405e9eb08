"""Nodes with etcd on a real network: whatever happens to them, the work of one leader has ended when another's begins.

Work says every 10 ms that it runs, all nodes' into one file, and the fixture looks whether two were at it. The limits
of time are what is promised, plus what a machine that is busy with other tests may add.
"""

import random
import signal
import time

import pytest

from tests.etcd.nodes import ACTS_SECONDS, SLACK_SECONDS, TTL_SECONDS, Nodes
from tests.network.hosted import HostDaemon
from tests.network.strikes import signal_all

# On a quiet machine the next one leads within the ttl and this; etcd looks twice a second for leases that are over.
_LATER_SECONDS = 0.3
_EXPIRED_SECONDS = TTL_SECONDS + _LATER_SECONDS + SLACK_SECONDS


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _demoted(leader: HostDaemon) -> list[str]:
    return [text for text in leader.news() if text.startswith("leader.demoted")]


def test_a_leader_that_leaves_is_followed_when_its_demote_script_has_ended(three: Nodes) -> None:
    leader = three.working()
    leader.signal(signal.SIGTERM)
    followers = three.followers(leader)
    _, elected = three.succeeded(*followers)
    assert leader.ended() == 0
    words = [f"{line.node} {line.word}" for line in three.story() if line.word != "works"]
    assert words[:2] == [f"{leader.name} demoting", f"{leader.name} demoted"]
    assert words[2].endswith(" elected")
    assert elected - three.told(leader, "demoted").at < SLACK_SECONDS
    for follower in followers:
        follower.hears(f"member.left {leader.address} goodbye")


def test_a_daemon_that_is_killed_is_followed_when_its_guard_has_cleaned_up(three: Nodes) -> None:
    leader = three.working()
    killed = _now()
    leader.kill()
    followers = three.followers(leader)
    _, elected = three.succeeded(*followers)
    assert three.told(leader, "demoted").at <= elected
    # A cleanup is a Python that starts; a lease, renewed six times in a ttl, would have lasted longer than that.
    assert elected - killed < TTL_SECONDS * 3 / 4
    assert three.worked_last(leader) - killed < SLACK_SECONDS
    for follower in followers:
        follower.hears(f"member.lost {leader.address} crashed")


def test_a_daemon_that_is_killed_with_its_guard_is_followed_when_its_lease_is_over(three: Nodes) -> None:
    leader = three.working()
    killed = _now()
    signal_all(leader.host, signal.SIGKILL)
    followers = three.followers(leader)
    _, elected = three.succeeded(*followers)
    leader.ended()
    assert elected - killed < _EXPIRED_SECONDS
    for follower in followers:
        follower.hears(f"member.lost {leader.address} timeout")


def test_a_leader_that_freezes_is_replaced_and_the_guard_ends_its_work(three: Nodes) -> None:
    leader = three.working()
    frozen = _now()
    leader.signal(signal.SIGSTOP)
    successor, elected = three.succeeded(*three.followers(leader))
    assert elected - frozen < _EXPIRED_SECONDS
    assert three.worked_last(leader) - frozen < ACTS_SECONDS + SLACK_SECONDS
    leader.signal(signal.SIGCONT)
    assert three.agreed(*three.daemons) is successor
    assert _demoted(leader)


def test_a_leader_that_freezes_for_a_moment_leads_on(three: Nodes) -> None:
    leader = three.working()
    leader.signal(signal.SIGSTOP)
    time.sleep(1.0)
    leader.signal(signal.SIGCONT)
    # Later than the answer to a renewal that it had sent before.
    time.sleep(1.0)
    assert three.agreed(*three.daemons) is leader
    assert not _demoted(leader)


def test_a_leader_that_is_cut_from_etcd_demotes_to_the_end_before_another_leads(three: Nodes) -> None:
    leader = three.working()
    cut = _now()
    three.cut(leader)
    successor, elected = three.succeeded(*three.followers(leader))
    assert elected - cut < _EXPIRED_SECONDS
    assert three.told(leader, "demoted").at <= elected
    assert three.worked_last(leader) - cut < ACTS_SECONDS + SLACK_SECONDS
    assert not leader.status()["is_me"]
    told = leader.les("status").stdout
    assert any(url.removeprefix("http://") in told for url in three.servers.urls), told
    three.lan.mend()
    assert three.agreed(*three.daemons) is successor


def test_a_leader_whose_lease_is_revoked_ends_its_work_before_another_begins(three: Nodes) -> None:
    leader = three.working()
    revoked = _now()
    three.servers.revoke(three.lease(leader))
    three.told(leader, "demoted")
    successor = three.agreed(*three.daemons)
    assert successor is not leader, "its new key is the last in line"
    three.told(successor, "works")
    assert three.told(successor, "elected").at - revoked < TTL_SECONDS + SLACK_SECONDS


def test_a_frozen_leader_whose_lease_is_revoked_is_waited_for(three: Nodes) -> None:
    """As etcd 3.4.23 does to live leases at times: the key is gone long before the leader's authority is."""
    leader = three.working()
    lease = three.lease(leader)
    leader.signal(signal.SIGSTOP)
    three.servers.revoke(lease)
    revoked = _now()
    _, elected = three.succeeded(*three.followers(leader))
    assert elected - revoked < _EXPIRED_SECONDS


@pytest.mark.parametrize("seed", [1, 2])
def test_cuts_and_pauses_at_random_never_make_two_leaders(three: Nodes, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(4):
        daemon = dice.choice(three.daemons)
        if dice.random() < 0.5:
            daemon.signal(signal.SIGSTOP)
        else:
            three.cut(daemon)
        time.sleep(dice.uniform(0.2, 0.9) * TTL_SECONDS)
        three.lan.mend()
        daemon.signal(signal.SIGCONT)
    three.agreed(*three.daemons)
