"""Whole clusters over real sockets: ours among themselves."""

import asyncio
import contextlib
import dataclasses
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.backends.peers import PeersBackend
from les_hooks.election.identity import Memory, Timing
from les_hooks.errors import StartError
from les_hooks.members import NO_MANDATE, MemberKind
from les_hooks.security import Credentials
from tests.backends.peers.fakes import Node, NotingDisk, clock, free_port, make_node, running, until

ROOT = Path(__file__).parents[3]


def _cluster(size: int, host: str = "127.0.0.1") -> list[Node]:
    addresses = [f"{host}:{free_port(host.strip('[]'))}" for _ in range(size)]
    return [make_node(*addresses, address=own, name=f"n{index}") for index, own in enumerate(addresses)]


def _leaders(nodes: list[Node]) -> set[str | None]:
    return {node.view.leader if node.views else None for node in nodes}


def _agree(nodes: list[Node]) -> bool:
    return len(_leaders(nodes)) == 1 and None not in _leaders(nodes)


def _leader(nodes: list[Node]) -> Node:
    return next(node for node in nodes if node.view.leading)


async def test_three_nodes_elect_one_that_has_its_term_on_disk_and_authority() -> None:
    nodes = _cluster(3)
    async with running(*nodes):
        await until(lambda: _agree(nodes))
        leader = _leader(nodes)
        assert leader.view.term in leader.saved
        assert leader.backend.mandate.act_until > clock().boottime
        assert leader.authority[0].act_until > clock().boottime - 5
        assert all(len(node.view.members) == 3 for node in nodes)
        assert {node.backend.mandate for node in nodes if node is not leader} == {NO_MANDATE}


async def test_authority_is_renewed_while_a_node_leads() -> None:
    nodes = _cluster(2)
    async with running(*nodes):
        await until(lambda: _agree(nodes))
        leader = _leader(nodes)
        end = leader.backend.mandate
        await until(lambda: leader.backend.mandate > end)
        assert leader.authority == sorted(leader.authority)


async def test_a_node_that_knows_only_itself_leads_alone() -> None:
    [node] = _cluster(1)
    async with running(node):
        await until(lambda: node.views and node.view.leading)


async def test_nodes_on_ipv6_elect() -> None:
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this host has no IPv6 loopback")
    nodes = _cluster(2, "[::1]")
    async with running(*nodes):
        await until(lambda: _agree(nodes))
        assert _leader(nodes).address.startswith("[::1]:")


async def test_nodes_that_go_by_names_elect() -> None:
    nodes = _cluster(2, "localhost")
    async with running(*nodes):
        await until(lambda: _agree(nodes))
        assert {member.address for member in nodes[0].view.members} == {node.address for node in nodes}


async def test_a_leader_that_leaves_is_replaced_after_its_demotion_has_ended() -> None:
    nodes = _cluster(3)
    async with running(*nodes):
        await until(lambda: _agree(nodes))
        leader = _leader(nodes)
        rest = [node for node in nodes if node is not leader]
        leaving = asyncio.create_task(leader.backend.leave(5.0))
        await until(lambda: not leader.view.leading)
        await asyncio.sleep(0.1)
        assert not any(node.view.leading for node in rest)
        leader.backend.released()
        await leaving
        await until(lambda: _agree(rest) and _leader(rest).view.term > 1)
        assert {left.reason for node in rest for view in node.views for left in view.departed} == {"goodbye"}


async def test_a_node_of_another_cluster_is_never_a_member() -> None:
    one = make_node(name="one")
    stranger = make_node(one.address, name="two", cluster="db")
    async with running(one, stranger):
        await asyncio.sleep(0.4)
        assert all(len(node.view.members) == 1 for node in (one, stranger) if node.views)


@contextlib.contextmanager
def _program(address: str, *seeds: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.backends.peers.node", address, ",".join(seeds)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_killed_process_is_known_to_be_gone_long_before_the_failure_timeout() -> None:
    other = f"127.0.0.1:{free_port()}"
    node = make_node(other, timing=Timing())
    with _program(other, node.address) as process:
        async with running(node):
            await until(lambda: _agree([node]) and len(node.view.members) == 2, seconds=15)
            killed = clock().boottime
            process.kill()
            await until(lambda: any(view.departed for view in node.views))
            assert clock().boottime - killed < 0.2
            [gone] = [left for view in node.views for left in view.departed]
            assert (gone.address, gone.reason) == (other, "refused")
            assert {member.kind for member in node.view.members} == {MemberKind.LES}


async def test_a_stopped_process_keeps_its_connections_and_is_lost_all_the_same() -> None:
    """Half-open: its host still accepts, and nobody answers."""
    other = f"127.0.0.1:{free_port()}"
    node = make_node(other, timing=Timing())
    with _program(other, node.address) as process:
        async with running(node):
            await until(lambda: _agree([node]) and len(node.view.members) == 2, seconds=15)
            process.send_signal(signal.SIGSTOP)
            stopped = clock().boottime
            await until(lambda: any(view.departed for view in node.views))
            assert clock().boottime - stopped < Timing().failure + 0.5
            assert [left.reason for view in node.views for left in view.departed] == ["timeout"]
            process.send_signal(signal.SIGCONT)
            await until(lambda: len(node.view.members) == 2)


def listening_elsewhere(node: Node) -> PeersBackend:
    """The same node, on a port that is not the one of its address."""
    return PeersBackend(
        dataclasses.replace(node.backend._settings, port=free_port()),
        memory=Memory(),
        clock=clock,
        credentials=Credentials(),
        on_view=node.views.append,
        on_authority=node.authority.append,
        disk=NotingDisk(node.saved),
    )


async def test_a_node_whose_address_leads_to_another_process_does_not_join() -> None:
    """Both would be taken for one member, and for one voter."""
    first = make_node(name="first")
    async with running(first):
        backend = listening_elsewhere(make_node(name="second", address=first.address))
        with pytest.raises(StartError, match=f"advertise address {first.address}.*the node first"):
            await backend.start()


async def test_a_node_that_cannot_reach_itself_joins_all_the_same() -> None:
    """Its address may be one that only a router knows."""
    backend = listening_elsewhere(make_node())
    await backend.start()
    await backend.join()
    await backend.leave(0.0)
