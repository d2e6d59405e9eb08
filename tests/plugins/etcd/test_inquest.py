"""What a successor knows of a leader whose key is gone: by what etcd told of its lease, and nothing older."""

import math

from les_plugins.etcd.entry import Place
from les_plugins.etcd.hold import reserve_of, wait_of
from les_plugins.etcd.inquest import Inquest
from les_plugins.etcd.line import Standing
from les_plugins.etcd.store import Header, Life

_TTL = 5


def standing(revision: int, lease: int = 7) -> Standing:
    return Standing(
        key=f"/line/{lease:x}.{revision}",
        place=Place.LINE,
        revision=revision,
        changed=revision,
        lease=lease,
        entry=None,
    )


def life(ttl: int, raft_term: int = 2) -> Life:
    header = Header(cluster_id=1, member_id=1, revision=9, raft_term=raft_term)
    return Life(header=header, ttl=ttl, granted_ttl=_TTL)


def test_a_leader_of_which_nothing_is_known_may_act_for_a_whole_ttl() -> None:
    assert Inquest(_TTL).free_at(standing(3), 100.0, 2) == 100.0 + wait_of(_TTL)


def test_a_leader_that_was_not_renewed_for_long_is_not_waited_for_beyond_its_lease() -> None:
    inquest = Inquest(_TTL)
    inquest.asked(standing(3), life(0), 100.0)
    assert 101.0 < inquest.free_at(standing(3), 100.5, 2) <= 100.0 + reserve_of(_TTL)


def test_what_was_told_of_a_lease_counts_for_nothing_once_another_key_is_on_it() -> None:
    inquest = Inquest(_TTL)
    inquest.asked(standing(3), life(0), 100.0)
    assert inquest.free_at(standing(8), 200.0, 2) == 200.0 + wait_of(_TTL)


def test_what_a_deposed_leader_of_etcd_told_counts_for_nothing() -> None:
    inquest = Inquest(_TTL)
    inquest.asked(standing(3), life(0, raft_term=2), 100.0)
    assert inquest.free_at(standing(3), 102.0, 3) == 102.0 + wait_of(_TTL)
    inquest.asked(standing(3), life(0, raft_term=3), 105.0)
    assert inquest.free_at(standing(3), 105.5, 3) > 106.0


def test_a_lease_is_over_when_etcd_said_so_and_it_was_not_renewed_since() -> None:
    inquest = Inquest(_TTL)
    assert inquest.over_at(standing(3)) == (math.inf, 0)
    inquest.asked(standing(3), life(1), 100.0)
    assert inquest.over_at(standing(3)) == (math.inf, 0)
    inquest.asked(standing(3), life(0), 100.1)
    moment, raft_term = inquest.over_at(standing(3))
    assert (101.1 < moment < 101.2, raft_term) == (True, 2)
    inquest.asked(standing(3), life(4), 100.3)
    assert inquest.over_at(standing(3)) == (math.inf, 0)
