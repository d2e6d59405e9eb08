"""Clusters of originals and ours, in both directions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from les_hooks.members import MemberKind
from tests.backends.peers.fakes import Node, free_port, make_node, running, until
from tests.original import Original

LOOP = 0.1


@asynccontextmanager
async def original(*seeds: str, name: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Original]:
    port = port or free_port()
    own = f"{name}:{port}"
    # One that stops slowly accepts connections meanwhile and then breaks them off, which is no refusal.
    node = Original(
        port=port,
        advertise=own,
        seeds=[own, *seeds],
        loop_rate=LOOP,
        interface="127.0.0.1",
        poll_seconds=0.02,
    )
    node.start()
    try:
        yield node
    finally:
        await asyncio.to_thread(node.stop)


def _accepts(node: Node, leader: str) -> bool:
    return bool(node.views) and node.view.leader == leader


def _pair() -> list[Node]:
    """Two of ours that know each other: one alone takes its stamp from the original that it meets, and is junior."""
    one, two = (f"127.0.0.1:{free_port()}" for _ in range(2))
    return [make_node(two, address=one, name="a"), make_node(one, address=two, name="b")]


async def test_originals_elect_one_of_ours_that_is_more_senior() -> None:
    nodes = _pair()
    async with running(*nodes):
        await until(lambda: any(node.views and node.view.leading for node in nodes))
        leader = next(node for node in nodes if node.view.leading)
        async with original(nodes[0].address) as first, original(nodes[1].address) as second:
            await until(lambda: first.leader == second.leader == leader.address)
            await until(lambda: all(len(node.view.members) == 4 for node in nodes))
            kinds = {str(member.address): member.kind for member in leader.view.members}
            assert kinds[first.advertise] is kinds[second.advertise] is MemberKind.ORIGINAL
            assert leader.view.leading


async def test_ours_accept_an_original_that_was_there_first() -> None:
    async with original() as first, original(first.advertise) as second:
        await until(lambda: first.leader == second.leader == first.advertise)
        nodes = [make_node(first.advertise, name="a"), make_node(second.advertise, name="b")]
        async with running(*nodes):
            await until(lambda: all(_accepts(node, first.advertise) for node in nodes))
            await until(lambda: all(len(node.view.members) == 4 for node in nodes))
            assert not any(node.view.leading for node in nodes)


async def test_an_original_that_dies_is_noticed_and_replaced_by_one_of_ours() -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(original())
        node = make_node(first.advertise)
        async with running(node):
            await until(lambda: _accepts(node, first.advertise))
            await stack.aclose()
            await until(lambda: node.view.leading)
            assert {left.reason for view in node.views for left in view.departed} == {"refused"}


async def test_ours_that_leave_are_replaced_by_an_original_at_its_own_pace() -> None:
    nodes = _pair()
    async with contextlib.AsyncExitStack() as stack:
        async with running(*nodes):
            await until(lambda: any(node.views and node.view.leading for node in nodes))
            first = await stack.enter_async_context(original(nodes[0].address))
            await until(lambda: first.leader in {node.address for node in nodes})
        await until(lambda: first.leader == first.advertise)


async def test_originals_that_go_by_names_and_ours_that_know_their_numbers_elect_one_leader() -> None:
    async with original(name="localhost") as first:
        node = make_node(first.advertise.replace("localhost", "127.0.0.1"), address=f"localhost:{free_port()}")
        async with running(node):
            await until(lambda: _accepts(node, first.advertise) and first.leader == first.advertise)
            assert [member.address for member in node.view.members] == [first.advertise, node.address]
