"""How long nobody led, as real nodes write it into their trails: a leader that dies, leaves, or is frozen."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.audit.leaderships import Leaderships
from les_hooks.daemon.records import read_leaderships
from tests.cluster import Cluster, Daemon, until

# Those of the cluster, in milliseconds; a machine under load is granted a second.
HEARTBEAT, FAILURE, LOAD = 100, 500, 1000
DEMOTE_SECONDS = 0.5


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes whose demote hooks take half a second once they lead."""
    cluster = Cluster(tmp_path, 3)
    for daemon in cluster.daemons:
        daemon.script("demoted", "10-slow", f'test "$LES_REASON" = startup || sleep {DEMOTE_SECONDS}')
    with cluster:
        cluster.wait_leader()
        yield cluster


def measured(daemon: Daemon, before: str) -> dict[str, Any]:
    """The record of the leader after that one, once the node has written it."""

    def look() -> dict[str, Any] | None:
        has_led = False
        for line in (daemon.folder / "state" / "audit.jsonl").read_text().splitlines():
            record: dict[str, Any] = json.loads(line)
            if record["action"] == "leader.changed" and record["leader"] is not None:
                if has_led and record["leader"] != before:
                    return record
                has_led = record["leader"] == before
        return None

    return until(look, "another leader in the trail")


def followers(cluster: Cluster, leader: Daemon) -> list[Daemon]:
    return [daemon for daemon in cluster.daemons if daemon is not leader]


def test_a_leader_that_dies_is_missed_from_its_last_sign_of_life_on(three: Cluster) -> None:
    leader = three.wait_leader()
    leader.kill()
    for daemon in followers(three, leader):
        record = measured(daemon, leader.address)
        assert 0 < record["vacant_ms"] < HEARTBEAT + LOAD
        assert record["leader_name"] in "abc"


def test_a_leader_that_leaves_is_missed_while_its_demote_hooks_run(three: Cluster) -> None:
    leader = three.wait_leader()
    leader.signal(signal.SIGTERM)
    for daemon in followers(three, leader):
        vacant = measured(daemon, leader.address)["vacant_ms"]
        assert DEMOTE_SECONDS * 1000 <= vacant < DEMOTE_SECONDS * 1000 + LOAD


def test_a_leader_that_is_frozen_is_missed_for_all_of_failure_and_does_not_know_it_itself(three: Cluster) -> None:
    leader = three.wait_leader()
    leader.signal(signal.SIGSTOP)
    try:
        for daemon in followers(three, leader):
            assert FAILURE <= measured(daemon, leader.address)["vacant_ms"] < FAILURE + LOAD
    finally:
        leader.signal(signal.SIGCONT)
    assert measured(leader, leader.address)["vacant_ms"] is None
    own = json.loads(leader.les("history", "--json").stdout)
    assert (own[0]["leader"], own[0]["ended"]) == (leader.address, "slept")


def test_a_node_that_starts_again_does_not_know_and_keeps_the_rows(three: Cluster) -> None:
    leader = three.wait_leader()
    watcher = followers(three, leader)[0]
    watcher.kill()
    watcher.les("cleanup", "--wait", "20")
    watcher.start()
    three.wait_leader()
    told: list[dict[str, Any]] = json.loads(watcher.les("history", "--json").stdout)
    assert [(row["leader"], row["vacant"]) for row in told] == [(leader.address, None)]


async def test_the_history_of_a_starting_node_begins_with_its_trail(tmp_path: Path) -> None:
    history = Leaderships(most=5)
    await read_leaderships(tmp_path / "audit.jsonl", history)
    assert not history.rows
    record = {"schema": "les.audit/1", "time": "2026-03-01T08:15:30.123456Z", "seq": 1, "boot": 1, "node": "a"}
    record |= {"cluster": "c", "action": "leader.changed", "outcome": "success", "reason": "first", "term": 1}
    record |= {"leader": "b:1", "event_id": "e-1"}
    (tmp_path / "audit.jsonl.1").write_text(json.dumps(record) + "\n")
    await read_leaderships(tmp_path / "audit.jsonl", history)
    assert [known.leader for known in history.rows] == ["b:1"]
