"""What nodes ask of etcd: the same however many there are, and the death of one wakes one."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from les_hooks.events import Reason
from tests.etcd.crowd import Crowd, Deed, Spent
from tests.etcd.server import FAST, Server

_TTL_SECONDS = 2
# All that is done every so often is done in this time, or twice: renewals, proofs and questions.
_REST_SECONDS = 2.0 * _TTL_SECONDS
# A renewal more or less begins or ends within it, and others use the machine.
_LEEWAY = 0.2


def _per_second(spent: Spent) -> float:
    return spent.requests / spent.seconds


def _bytes_per_second(spent: Spent) -> float:
    return (spent.sent_bytes + spent.received_bytes) / spent.seconds


def _is_flat(few: Sequence[Spent], many: Sequence[Spent]) -> bool:
    """Whether each place in line of the few costs what the same one of the many does, and those behind no more."""
    *_, last = few
    for cost in (_per_second, _bytes_per_second):
        for one, other in zip(few, many, strict=False):
            if abs(cost(other) - cost(one)) > _LEEWAY * cost(one):
                return False
        if any(cost(each) > (1 + _LEEWAY) * cost(last) for each in many[len(few) :]):
            return False
    return True


async def test_a_node_costs_etcd_no_more_among_thirty_than_among_three(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd", flags=FAST) as etcd:
        async with (
            Crowd(etcd.url, 3, prefix="/few", ttl_seconds=_TTL_SECONDS) as three,
            Crowd(etcd.url, 30, prefix="/many", ttl_seconds=_TTL_SECONDS) as thirty,
        ):
            # What the last of them has had the others do is no rest yet.
            await thirty.rest(_TTL_SECONDS)
            few, many = await asyncio.gather(three.rest(_REST_SECONDS), thirty.rest(_REST_SECONDS))
    assert _is_flat(few, many), (few, many)


async def test_a_hundred_nodes_follow_one_leader_and_the_next_one_when_it_steps_down(tmp_path: Path) -> None:
    # All share a loop, in which each is told of each: renewals come late there, and a longer ttl bears that.
    with Server(tmp_path / "etcd") as etcd:
        async with Crowd(etcd.url, 100, prefix="/crowd", ttl_seconds=10) as crowd:
            leader = await crowd.settled()
            before = leader.view
            leader.backend.step_down(Reason.OPERATOR)
            successor = await crowd.settled()
            after = successor.view
    assert before is not None
    assert after is not None
    assert successor.address == before.members[1].address
    assert after.term > before.term
    assert [each.address for each in after.members] == [
        each.address for each in (*before.members[1:], before.members[0])
    ]


async def test_the_death_of_a_leader_wakes_one_candidate_of_thirty(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd", flags=FAST) as etcd:
        async with Crowd(etcd.url, 30, prefix="/crowd", ttl_seconds=_TTL_SECONDS) as crowd:
            led = await crowd.succession()
            begun = led - _TTL_SECONDS / 8
            await crowd.rest(_TTL_SECONDS / 2)
            passed = time.monotonic() - begun
            deeds = [node.deeds_since(begun) for node in crowd.nodes]
            leader = await crowd.settled()
    assert leader is crowd.nodes[0]
    assert passed < _TTL_SECONDS, "the machine is too busy to tell"
    assert Deed.WRITE in deeds[0]
    # The two behind the leader may read sooner than their watch tells, and then they list.
    assert not any(Deed.WRITE in each for each in deeds[1:]), deeds
    assert not any(Deed.LIST in each for each in deeds[3:]), deeds
    # The two behind the leader look after it.
    assert [number for number, each in enumerate(deeds) if Deed.ASK in each] in ([1, 2], [0, 1, 2]), deeds
