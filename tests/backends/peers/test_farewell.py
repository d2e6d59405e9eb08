"""What `les cleanup` says in the name of a process that died, and what a voter makes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from les_hooks import wire
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.election.frames import Farewell
from les_hooks.election.messages import LinkDown, LinkUp, Undone
from les_hooks.members import Address, Boot
from les_hooks.security import Credentials
from tests.backends.peers.fakes import free_port, hello, make_node, peer_of, running

DEAD = Address("127.0.0.9:4000")
BOOT = Boot(7, "dead")


def farewell(**changes: object) -> Farewell:
    values: dict[str, object] = {"protocol": wire.PROTOCOL, "cluster": "web", "address": DEAD, "boot": BOOT}
    return Farewell(**values | changes)  # type: ignore[arg-type]  # the changes are its own fields


async def say(*voters: Address, limit: float = 5.0, **changes: Any) -> frozenset[Address]:
    return await say_farewell(voters, farewell(**changes), Credentials(), limit=limit, log=structlog.get_logger())


async def test_voters_hear_who_was_undone_and_it_is_known_who_took_it() -> None:
    one, two = make_node(noting=True), make_node(noting=True)
    async with running(one, two):
        assert await say(one.address, two.address) == {one.address, two.address}
        for node in (one, two):
            assert node.machine.all(Undone) == [Undone(address=DEAD, boot=BOOT)]
            assert node.machine.all(LinkUp) == []


async def test_a_farewell_leaves_the_links_as_they_are() -> None:
    """Also one to the same address: its process came back, and greets as another boot."""
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await peer.say(hello(DEAD, boot=Boot(8, "next")))
        await peer.hear()
        assert await say(node.address) == {node.address}
        assert node.machine.all(Undone) == [Undone(address=DEAD, boot=BOOT)]
        assert node.machine.all(LinkDown) == []


async def test_a_long_one_arrives_whole() -> None:
    node = make_node(noting=True)
    address = Address(f"{'.'.join(['a' * 60] * 4)}:4000")
    async with running(node):
        assert await say(node.address, address=address) == {node.address}
        assert node.machine.all(Undone) == [Undone(address=address, boot=BOOT)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cluster": "db"}, "belongs to cluster 'db', this node to cluster 'web'"),
        ({"protocol": 2}, "speaks protocol 2, this node speaks protocol 1"),
        ({"boot": Boot(-1, "")}, "sent a malformed frame: a boot that is none"),
    ],
)
async def test_who_does_not_belong_here_frees_nothing_and_reads_why(changes: dict[str, Any], why: str) -> None:
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node):
            assert await say(node.address, **changes) == frozenset()
            assert node.machine.all(Undone) == []
    assert [(log["event"], log["reason"]) for log in logs] == [("link-refused", why), ("farewell-failed", why)]


async def test_nobody_takes_leave_of_a_process_that_lives() -> None:
    node = make_node(noting=True)
    async with running(node):
        own = node.backend._settings.identity.boot
        assert await say(node.address, address=node.address, boot=own) == frozenset()
        assert node.machine.all(Undone) == []


async def test_a_farewell_after_a_hello_ends_the_link() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await peer.say(hello(DEAD))
        await peer.hear()
        await peer.say(farewell())
        assert "twice" in await peer.ended()
        assert node.machine.all(Undone) == []


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Address]:
    """Something else at a voter's address, which says this and then nothing."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield Address(f"127.0.0.1:{port}")
    finally:
        server.close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "takes no links: HTTP/1.1 404 Not Found"),
        (UPGRADED + b"\x82\x02{}", "answered a farewell with something else than the end of the link"),
        (UPGRADED + b"\x88\x02\x03\xf0", "ended the link with an error"),
        (UPGRADED + b"\x88\x05\x03\xe8\x1b[1", "\\x1b[1"),
        (b"x" * 100_000, "Separator is not found, and chunk exceed the limit"),
        (b"", "did not answer in time"),
    ],
    ids=["no-link", "a-frame", "an-error", "escapes", "a-flood", "silence"],
)
async def test_whatever_else_answers_is_logged_within_the_limit_and_holds_up_nobody(answer: bytes, why: str) -> None:
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node), answering(answer) as other:
            assert await say(other, node.address, limit=0.5) == {node.address}
    assert [(log["voter"], log["reason"]) for log in logs if log["event"] == "farewell-failed"] == [(other, why)]


async def test_a_voter_that_is_gone_is_logged() -> None:
    gone = Address(f"127.0.0.1:{free_port()}")
    with capture_logs() as logs:
        assert await say(gone) == frozenset()
    assert [(log["event"], log["voter"]) for log in logs] == [("farewell-failed", gone)]
