"""Reaching others: what the machine hears of each attempt."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from les_hooks import wire
from les_hooks.election.effects import Dial, Drop, Effect
from les_hooks.election.messages import (
    DialFailed,
    LinkDown,
    LinkUp,
    Message,
    OriginalAnswered,
    OriginalFailed,
    SeedIsSelf,
    SeedsKnown,
)
from les_hooks.members import Address
from tests.backends.peers.fakes import QUICK, Node, free_port, hello, make_node, peer_of, running, until

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def _dial_seeds(node: Node) -> None:
    """Have the node's machine dial every seed that it is told of."""

    def script(message: Message) -> list[Effect]:
        match message:
            case SeedsKnown(addresses=addresses):
                return [Dial(address=address) for address in sorted(addresses)]
        return []

    node.machine.script = script


@asynccontextmanager
async def dialing(*nodes: Node) -> AsyncIterator[None]:
    async with running(*nodes):
        for node in nodes:
            _dial_seeds(node)
        yield


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[Address]:
    """A web server of somebody else."""
    port = free_port()
    # A handler that still waits for the node must not hold the end of the test up for a minute.
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Address(f"127.0.0.1:{port}")
    finally:
        await runner.cleanup()


async def test_a_refused_connection_is_the_hosts_own_word_and_is_tried_again() -> None:
    there = Address(f"127.0.0.1:{free_port()}")
    node = make_node(there, noting=True)
    async with dialing(node):
        await until(lambda: len(node.machine.all(DialFailed)) == 2)
        assert set(node.machine.all(DialFailed)) == {DialFailed(address=there, refused=True)}


async def test_a_name_is_refused_only_if_all_its_addresses_refuse() -> None:
    there = Address(f"localhost:{free_port()}")
    node = make_node(noting=True)
    async with running(node):
        node.backend._carry_out(Dial(address=there))
        await until(lambda: node.machine.all(DialFailed) == [DialFailed(address=there, refused=True)])


async def test_a_host_that_accepts_and_says_nothing_has_not_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Address(f"127.0.0.1:{silent.getsockname()[1]}")
        node = make_node(there, noting=True)
        async with dialing(node):
            await until(lambda: node.machine.all(DialFailed))
            assert node.machine.all(DialFailed)[0] == DialFailed(address=there, refused=False)


async def test_two_nodes_that_dial_each_other_end_with_one_link_and_both_know_it() -> None:
    one_at, two_at = (Address(f"127.0.0.1:{free_port()}") for _ in range(2))
    one = make_node(two_at, address=one_at, noting=True)
    two = make_node(one_at, address=two_at, noting=True)
    async with dialing(one, two):
        for node, other in ((one, two_at), (two, one_at)):
            await until(partial(node.machine.all, LinkUp))
            assert {Address(up.hello.address) for up in node.machine.all(LinkUp)} == {other}
        before = len(one.machine.told) + len(two.machine.told)
        await asyncio.sleep(0.3)
        assert len(one.machine.told) + len(two.machine.told) == before
        for node in (one, two):
            links = node.backend.status()["links"]
            assert isinstance(links, list)
            [link] = links
            assert 0.3 <= link["age"] < 60


async def test_a_seed_that_answers_by_another_name_is_satisfied_by_that_members_link() -> None:
    port = free_port()
    other = make_node(address=f"localhost:{port}", noting=True)
    node = make_node(f"127.0.0.1:{port}", noting=True)
    async with running(other), dialing(node):
        await until(lambda: node.machine.all(LinkUp))
        assert node.machine.all(LinkUp)[0].dialed == f"127.0.0.1:{port}"
        assert node.machine.all(LinkUp)[0].hello.address == f"localhost:{port}"
        await asyncio.sleep(0.3)
        assert len(node.machine.all(LinkUp)) == 1


async def test_a_seed_is_accounted_for_when_its_member_was_faster_to_dial_us_under_its_own_name() -> None:
    """The machine waits for word of every seed; a link that came from the other end says nothing of this one."""
    member = hello("1.0.0.1:4000")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async with peer_of(node) as peer:
            await peer.say(member)
            await peer.hear()
            await ws.send_bytes(wire.encode(member))
            await ws.receive()
        return ws

    async with answering(answer) as there:
        node = make_node(there, noting=True)
        async with dialing(node):
            await until(lambda: node.machine.all(DialFailed))
            assert node.machine.told[1:3] == [
                LinkUp(hello=member, dialed=None),
                DialFailed(address=there, refused=False),
            ]


async def test_a_seed_behind_which_this_node_answers_is_reported_as_itself() -> None:
    port = free_port()
    node = make_node(f"127.0.0.1:{port}", address=f"localhost:{port}", noting=True)
    async with dialing(node):
        await until(lambda: node.machine.all(SeedIsSelf))
        assert node.machine.all(SeedIsSelf)[0] == SeedIsSelf(address=Address(f"127.0.0.1:{port}"))
        assert node.machine.all(LinkUp) == []


async def test_a_seed_behind_which_this_node_answers_is_tried_on_while_it_leads_alone() -> None:
    """It may be an address that moves from host to host."""
    port = free_port()
    seed = f"127.0.0.1:{port}"
    slow = replace(QUICK, loop_rate=60.0)
    noting = make_node(seed, address=f"localhost:{port}", noting=True, timing=slow)
    async with dialing(noting):
        await until(lambda: len(noting.machine.all(SeedIsSelf)) > 2)
    node = make_node(seed, address=f"localhost:{port}")
    async with running(node):
        await until(lambda: node.views and node.view.leading)
        assert node.backend.status()["dialed"] == [seed]


async def test_when_a_link_breaks_because_its_process_is_gone_the_refusal_follows_at_once() -> None:
    node, other = make_node(noting=True), make_node(noting=True)
    async with running(node):
        async with running(other):
            node.backend._carry_out(Dial(address=other.address))
            await until(lambda: node.machine.all(LinkUp))
        await until(lambda: node.machine.all(DialFailed))
        assert node.machine.told[-2:] == [
            LinkDown(address=other.address),
            DialFailed(address=other.address, refused=True),
        ]


async def test_a_dropped_address_is_not_dialed_any_more() -> None:
    there = Address(f"127.0.0.1:{free_port()}")
    node = make_node(there, noting=True)
    async with dialing(node):
        await until(lambda: node.machine.all(DialFailed))
        node.backend._carry_out(Drop(address=there))
        seen = len(node.machine.told)
        await asyncio.sleep(0.25)
        assert len(node.machine.told) == seen
        assert node.backend.status()["dialed"] == []


@pytest.mark.parametrize("changes", [{"cluster": "db"}, {"protocol": 2}, {"address": "nowhere"}])
async def test_a_node_that_does_not_belong_here_is_a_failed_dial(changes: dict[str, Any]) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_bytes(wire.encode(hello(**{"address": "127.0.0.9:4000"} | changes)))
        await ws.receive()
        return ws

    async with answering(answer) as there:
        node = make_node(there, noting=True)
        async with dialing(node):
            await until(lambda: node.machine.all(DialFailed))
            assert node.machine.all(DialFailed)[0].refused is False
            assert node.machine.all(LinkUp) == []


async def test_nobody_is_followed_to_another_place() -> None:
    followed = []

    async def trap(request: web.BaseRequest) -> web.StreamResponse:
        followed.append(request.path)
        return web.Response()

    async with answering(trap) as elsewhere:

        async def redirect(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"http://{elsewhere}/"})

        async with answering(redirect) as there:
            node = make_node(there, noting=True)
            async with dialing(node):
                await until(lambda: node.machine.all(DialFailed))
    assert followed == []


def _original(body: bytes | Callable[[Address], bytes], status: int = 200) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith("/state/"):
            return web.Response(status=404)
        there = Address(request.host)
        return web.Response(status=status, body=body(there) if callable(body) else body)

    return answer


async def test_what_answers_http_and_knows_no_links_is_an_original_and_is_polled() -> None:
    body = b'{"members": ["%s", "127.0.0.1:9"], "leader": false, "start_time": 5}'
    async with answering(_original(lambda there: body % there.encode())) as there:
        node = make_node(there, noting=True)
        async with dialing(node):
            await until(lambda: len(node.machine.all(OriginalAnswered)) == 2)
            assert node.machine.all(OriginalAnswered)[0] == OriginalAnswered(
                address=there, start_time=5.0, leader=None, members=(there, Address("127.0.0.1:9"))
            )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"OK", 200),
        (b"{}", 200),
        (b" " * 70_000, 200),
        (b'{"members": [], "leader": 0, "start_time": 1}', 200),
        (b"", 500),
    ],
    ids=["no-json", "empty", "endless", "wrong-type", "status"],
)
async def test_an_original_that_answers_nonsense_has_failed(body: bytes, status: int) -> None:
    async with answering(_original(body, status)) as there:
        node = make_node(there, noting=True)
        async with dialing(node):
            await until(lambda: node.machine.all(OriginalFailed))
            assert node.machine.all(OriginalFailed)[0] == OriginalFailed(address=there, refused=False)
            assert node.machine.all(OriginalAnswered) == []


async def test_an_original_is_a_member_under_the_name_that_it_gives_itself() -> None:
    body = b'{"members": ["localhost:%d"], "leader": false, "start_time": 5}'
    async with answering(_original(lambda there: body % int(there.rpartition(":")[2]))) as there:
        node = make_node(there, noting=True)
        async with dialing(node):
            known = Address(there.replace("127.0.0.1", "localhost"))
            await until(lambda: node.machine.all(DialFailed))
            node.backend._carry_out(Dial(address=known))
            await until(lambda: node.machine.all(OriginalAnswered))
            assert {answer.address for answer in node.machine.all(OriginalAnswered)} == {known}


async def test_an_original_that_was_replaced_by_one_of_ours_is_linked() -> None:
    port = free_port()
    replaced = asyncio.Event()
    successor = make_node(address=f"127.0.0.1:{port}", noting=True)
    body = b'{"members": ["127.0.0.1:%d"], "leader": false, "start_time": 5}' % port
    runner = web.ServerRunner(web.Server(_original(body)), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    node = make_node(f"127.0.0.1:{port}", noting=True)
    async with dialing(node):
        await until(lambda: node.machine.all(OriginalAnswered))
        await runner.cleanup()
        replaced.set()
        async with running(successor):
            await until(lambda: node.machine.all(LinkUp))
