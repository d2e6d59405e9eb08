"""Links that work for some and not for others, with real daemons and real packets that are lost."""

import time

import pytest

from tests.cluster import until
from tests.network.cluster import FAILURE_SECONDS, HEARTBEAT_SECONDS, Cluster, NetDaemon


def _apart(one: NetDaemon, other: NetDaemon) -> None:
    """Wait until both have noticed that there is no link between them, and for as long again."""
    until(lambda: one.direct(other) is False and other.direct(one) is False, "no link between the two")
    # That nothing follows can only be waited for: redials fail meanwhile, and others are asked again.
    time.sleep(FAILURE_SECONDS)


def _nothing_happened(four: Cluster) -> None:
    assert [news for daemon in four.daemons for news in daemon.news()] == []
    assert four.overlap() == 0.0


def test_a_follower_that_cannot_reach_the_leader_follows_it_and_is_kept(four: Cluster) -> None:
    leader = four.whole()
    follower = four.followers(leader)[0]
    four.lan.cut(leader.host, follower.host)
    _apart(leader, follower)
    assert four.agreed(*four.daemons, direct=False) is leader
    _nothing_happened(four)
    four.lan.mend()
    until(lambda: leader.direct(follower) and follower.direct(leader), "the link is there again")
    _nothing_happened(four)


@pytest.mark.parametrize("deaf", ["leader", "follower"])
def test_a_link_that_is_cut_one_way_counts_as_none_and_changes_nothing(four: Cluster, deaf: str) -> None:
    leader = four.whole()
    follower = four.followers(leader)[0]
    speaker, listener = (follower, leader) if deaf == "leader" else (leader, follower)
    speaker.host.deafen(listener.host)
    _apart(leader, follower)
    assert four.agreed(*four.daemons, direct=False) is leader
    _nothing_happened(four)


def test_when_the_leader_dies_a_cut_between_two_followers_blocks_nobody(four: Cluster) -> None:
    """The successor is confirmed by way of the third, whoever of the three it is."""
    leader = four.whole()
    senior, other, third = sorted(four.followers(leader), key=lambda each: each.member(each)["start_time"])
    four.lan.cut(senior.host, other.host)
    _apart(senior, other)
    died = time.clock_gettime(time.CLOCK_BOOTTIME)
    leader.kill()
    assert four.agreed(senior, other, third, direct=False) is senior
    # A refusal is proof; each confirmation takes a hop more.
    assert four.told(senior, "elected").at - died < FAILURE_SECONDS + 0.3
    assert four.overlap() == 0.0
    assert other.direct(senior) is False


def test_a_firewall_that_resets_connections_looks_like_a_death_until_others_are_heard(four: Cluster) -> None:
    """Both followers are removed and come back; the leader stays, and a second refusal proves nothing any more."""
    leader = four.whole()
    one, other, _ = four.followers(leader)
    four.lan.refuse(one.host, other.host)
    until(lambda: one.direct(other) is False and other.direct(one) is False, "both are back, by way of others")
    _apart(one, other)
    assert four.agreed(*four.daemons, direct=False) is leader
    for here, there in ((one, other), (other, one)):
        assert here.news() == [f"member.lost {there.address} refused", f"member.joined {there.address} joined"]
    assert [news for daemon in four.daemons if daemon not in (one, other) for news in daemon.news()] == []
    assert four.overlap() == 0.0


def test_each_side_of_a_partition_has_a_leader_and_the_junior_one_demotes_first_when_it_heals(four: Cluster) -> None:
    """With `quorum = "members"` this is the one case in which two nodes lead side by side."""
    leader = four.whole()
    rest = four.followers(leader)
    for follower in rest:
        four.lan.cut(leader.host, follower.host)
    junior = four.agreed(*rest)
    assert four.agreed(leader) is leader
    terms = {daemon.name: daemon.status()["term"] for daemon in (leader, junior)}
    assert terms[junior.name] > terms[leader.name]
    until(lambda: four.overlap() > 0.0, "both work")

    four.lan.mend()
    reasserted = four.told(leader, "reasserted")
    assert four.agreed(*four.daemons) is leader
    # In the order of the lines: the junior's demote script has ended before the senior says anything.
    words = [f"{line.node} {line.word}" for line in four.story() if line.word not in ("works", "elected")]
    assert words == [f"{junior.name} demoting", f"{junior.name} demoted", f"{leader.name} reasserted"]
    assert reasserted.term > max(terms.values())
    # No work of the junior is left when its demote script begins.
    demoting = four.told(junior, "demoting").at
    worked = [line.at for line in four.story() if (line.node, line.word) == (junior.name, "works")]
    assert max(worked) <= demoting + 0.01  # a shell reads the time in steps of that


def test_the_authority_of_a_leader_that_nobody_hears_is_renewed_by_itself(four: Cluster) -> None:
    """Members mode asks every live member, and a node that is alone is all of them: it leads on."""
    leader = four.whole()
    leader.host.unplug()
    alone = leader.wait(lambda status: len(status["members"]) == 1, "is alone")
    time.sleep(FAILURE_SECONDS + HEARTBEAT_SECONDS)
    assert alone["is_me"]
    assert leader.status()["is_me"]
    four.agreed(*four.followers(leader))
