"""Nodes with etcd on a real network: whatever happens to etcd, no two lead, and all comes back by itself."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.cluster import until
from tests.etcd.lan import HostServer
from tests.etcd.nodes import ACTS_SECONDS, SLACK_SECONDS, TTL_SECONDS, Nodes
from tests.network.hosted import HostDaemon

# An election of etcd's, with its own timing, on a machine that has time for it.
_ELECTION_SECONDS = 2.0
_ATTEMPTS = 3


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _newest_term(nodes: Nodes) -> int:
    return max(line.term for line in nodes.story() if line.word == "works")


def _stamps(daemon: HostDaemon) -> dict[str, float]:
    return {member["address"]: member["start_time"] for member in daemon.status()["members"]}


def _restart(daemon: HostDaemon, leader: HostDaemon) -> None:
    """Kill it, start it, and wait until the leader knows its new process."""
    before = _stamps(leader)[daemon.address]
    daemon.kill()
    daemon.start()
    until(lambda: _stamps(leader).get(daemon.address, before) != before, f"{daemon.name} is back")


def _leadership_stayed(nodes: Nodes, leader: HostDaemon) -> None:
    assert nodes.agreed(*nodes.daemons) is leader
    news = [text for daemon in nodes.daemons for text in daemon.news()]
    moved = [text for text in news if text.startswith(("leader.elected", "leader.demoted"))]
    assert [text for text in moved if not text.endswith(" startup")] == []


@pytest.mark.parametrize("how", ["kill", "freeze", "cut"])
def test_while_etcd_finds_another_leader_ours_leads_on(three: Nodes, how: str) -> None:
    """One that freezes, or is cut from the others, accepts whatever nodes send and answers nothing of it.

    With etcd's own timing and the default ttl: an election of etcd's takes up to two seconds.
    """

    def lose() -> HostServer:
        server = three.servers.leader()
        match how:
            case "kill":
                server.kill()
            case "freeze":
                server.freeze()
            case _:
                _isolate(three, server)
        return server

    _survives(three, lose)


def _isolate(nodes: Nodes, server: HostServer) -> None:
    for other in nodes.servers.others(server):
        nodes.lan.cut(server.host, other.host)


def _until_led_by_another(nodes: Nodes, lost: HostServer) -> None:
    until(lambda: nodes.servers.leader() is not lost, "etcd has another leader")


def _survives(nodes: Nodes, lose: Callable[[], HostServer]) -> None:
    """Our leader leads on while etcd loses that server; on a busy machine etcd may take too long for its election."""
    for _ in range(_ATTEMPTS):
        leader, begun = nodes.working(), _now()
        _until_led_by_another(nodes, lose())
        took = _now() - begun
        # What a node had sent to the old one has had its answer, or its limit, by then.
        time.sleep(TTL_SECONDS / 2)
        if took < _ELECTION_SECONDS:
            _leadership_stayed(nodes, leader)
            return
        nodes.whole()
    assert nodes.agreed(*nodes.daemons) in nodes.daemons


def test_a_leader_whose_first_server_is_cut_from_the_others_leads_on(three: Nodes) -> None:
    def lose() -> HostServer:
        _isolate(three, three.servers.all[0])
        return three.servers.all[0]

    _survives(three, lose)


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_without_a_majority_of_etcd_nobody_leads_and_all_comes_back_by_itself(three: Nodes, how: str) -> None:
    leader = three.working()
    lost = _now()
    for server in three.servers.all[1:]:
        if how == "kill":
            server.kill()
        else:
            server.freeze()
    for daemon in three.daemons:
        daemon.wait(lambda status: status["leader"] is None, "accepts no leader")
    assert three.told(leader, "demoted").at - lost < TTL_SECONDS + SLACK_SECONDS
    assert three.worked_last(leader) - lost < ACTS_SECONDS + SLACK_SECONDS
    before = _newest_term(three)
    three.servers.whole()
    three.agreed(*three.daemons)
    until(lambda: _newest_term(three) > before, "work of a new leader")


def test_etcd_that_is_restarted_server_by_server_costs_no_leadership(three: Nodes) -> None:
    leader = three.working()
    for server in three.servers.all:
        server.stop()
        server.start().wait()
    _leadership_stayed(three, leader)


def test_a_node_that_starts_while_etcd_is_down_joins_once_it_is_up(three: Nodes) -> None:
    leader = three.working()
    late = three.followers(leader)[0]
    for server in three.servers.all:
        server.kill()
    late.kill()
    late.start()
    late.wait(lambda status: status["leader"] is None, "runs")
    three.servers.whole()
    three.agreed(*three.daemons)


def test_a_node_whose_watch_was_compacted_away_catches_up(three: Nodes) -> None:
    """While it stands still, every server is restarted, another node comes anew, and etcd forgets how."""
    leader = three.working()
    behind, moving = three.followers(leader)
    behind.signal(signal.SIGSTOP)
    for server in three.servers.all:
        server.stop()
        server.start().wait()
    _restart(moving, leader)
    three.servers.compact()
    behind.signal(signal.SIGCONT)
    until(lambda: _stamps(behind) == _stamps(leader), "it knows the new process of the other node")
    assert "watch-compacted" in behind.said()
    _leadership_stayed(three, leader)


def test_a_node_whose_watch_died_without_a_word_finds_out(three: Nodes) -> None:
    """etcd's end of it is reset, and its own never sends anything; meanwhile another node comes anew."""
    leader = three.working()
    behind, moving = three.followers(leader)
    for server in three.servers.all:
        three.lan.refuse(behind.host, server.host)
    _restart(moving, leader)
    three.lan.mend()
    until(lambda: _stamps(behind) == _stamps(leader), "it knows the new process of the other node")
    _leadership_stayed(three, leader)
