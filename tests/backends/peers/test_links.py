"""What other nodes may do to a link, and what the machine hears of it."""

import asyncio
import contextlib
import time
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from les_hooks import wire
from les_hooks.backends.peers import link
from les_hooks.election.effects import Drop, Send
from les_hooks.election.frames import (
    Beat,
    Bye,
    Frame,
    Hello,
    Relayed,
    Tell,
)
from les_hooks.election.messages import Heard, LinkDown, LinkUp
from les_hooks.members import Address, Boot
from les_hooks.serving import Rate
from tests.backends.peers.fakes import Peer, hello, make_node, peer_of, running, until
from tests.fuzz.seeds import STATE

THERE = Address("127.0.0.9:4000")
BEAT = Beat(seq=1, ack=0)
UPGRADE = (
    b"GET /les/link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Some 140 kB as JSON: two of them fit in no frame.
RELAYED = tuple(
    Relayed(state=msgspec.structs.replace(STATE, members=tuple(f"10.100.{m}.{n}:4000" for m in range(200))), age=0.0)
    for n in range(35)
)


async def _greet(peer: Peer, address: str = THERE, **changes: Any) -> Frame | None:
    await peer.say(hello(address, **changes))
    return await peer.hear()


async def test_a_peer_that_says_hello_is_linked_and_its_frames_are_heard_in_order() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        answer = await _greet(peer)
        assert isinstance(answer, Hello)
        assert answer.address == node.address
        await peer.say(BEAT)
        await peer.say(Bye(boot=Boot(1, "peer")))
        await until(lambda: len(node.machine.told) == 4)
        assert node.machine.told[1:] == [
            LinkUp(hello=hello(THERE), dialed=None),
            Heard(sender=THERE, frame=BEAT),
            Heard(sender=THERE, frame=Bye(boot=Boot(1, "peer"))),
        ]


async def test_what_the_machine_sends_reaches_the_peer_after_the_hello() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        node.machine.script = lambda message: [Send(address=THERE, frame=BEAT)] if isinstance(message, LinkUp) else []
        assert isinstance(await _greet(peer), Hello)
        assert await peer.hear() == BEAT


async def test_the_end_of_a_link_is_reported() -> None:
    node = make_node(noting=True)
    async with running(node):
        async with peer_of(node) as peer:
            await _greet(peer)
        await until(lambda: node.machine.all(LinkDown) == [LinkDown(address=THERE)])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cluster": "db"}, "belongs to cluster 'db', this node to cluster 'web'"),
        ({"protocol": 2}, "speaks protocol 2, this node speaks protocol 1"),
    ],
)
async def test_who_does_not_belong_here_is_told_why_and_never_linked(changes: dict[str, Any], why: str) -> None:
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node), peer_of(node) as peer:
            assert isinstance(await _greet(peer, **changes), Hello)
            assert await peer.ended() == why
            assert node.machine.all(LinkUp) == []
    assert [(log["event"], log["reason"]) for log in logs] == [("link-refused", why)]


async def test_another_process_with_our_own_address_is_refused() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer, address=node.address)
        assert "address of this node" in await peer.ended()
        assert node.machine.all(LinkUp) == []


MALFORMED = [
    b"",
    b"not json",
    b'{"kind": "beat"}',
    b'{"kind": "beat", "seq": -1, "ack": 0}',
    wire.encode(hello(THERE)),
    b'{"kind": "ask", "address": "nowhere", "boot": [1, "x"]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:30]))
async def test_a_malformed_frame_closes_the_link_with_a_logged_reason_and_changes_nothing(data: bytes) -> None:
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node), peer_of(node) as peer:
            await _greet(peer)
            await peer.ws.send_bytes(data)
            assert await peer.ended() != ""
            await until(lambda: node.machine.all(LinkDown))
            assert node.machine.all(Heard) == []
    [ended] = [log for log in logs if log["event"] == "link-ended"]
    assert "malformed" in ended["reason"] or "twice" in ended["reason"]


async def test_a_frame_past_the_limit_closes_the_link() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        await peer.ws.send_bytes(b" " * (wire.FRAME_LIMIT + 1))
        await until(lambda: node.machine.all(LinkDown))
        assert node.machine.all(Heard) == []


async def test_text_is_no_frame() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        await peer.ws.send_str('{"kind": "beat", "seq": 1, "ack": 0}')
        assert await peer.ended() == "sent text where frames are bytes"


async def test_an_unknown_kind_is_ignored_and_the_link_goes_on() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        await peer.ws.send_bytes(b'{"kind": "vote"}')
        await peer.say(BEAT)
        await until(lambda: node.machine.all(Heard) == [Heard(sender=THERE, frame=BEAT)])


async def test_who_sends_more_than_its_share_is_read_no_faster_and_keeps_its_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "_FRAMES", Rate(burst=10, per_second=100))
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        begin = time.monotonic()
        for number in range(40):
            await peer.say(Beat(seq=number + 1, ack=0))
        await until(lambda: len(node.machine.all(Heard)) == 40)
        assert time.monotonic() - begin >= 0.3
        assert [heard.frame for heard in node.machine.all(Heard)] == [Beat(seq=n + 1, ack=0) for n in range(40)]
        assert node.machine.all(LinkDown) == []


async def test_pings_are_answered_no_faster_than_frames_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_FRAMES", Rate(burst=10, per_second=100))
    node = make_node(noting=True)
    async with running(node), peer_of(node, autoping=False) as peer:
        await _greet(peer)
        begin = time.monotonic()
        for _ in range(40):
            await peer.ws.ping()
        async with asyncio.timeout(5):
            answers = [(await peer.ws.receive()).type for _ in range(40)]
        assert answers == [WSMsgType.PONG] * 40
        assert time.monotonic() - begin >= 0.3


async def test_what_waits_to_be_read_is_bounded_however_small_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pings have no size of their own; were they read while nobody takes them, memory would fill with them."""
    monkeypatch.setattr(link, "_FRAMES", Rate(burst=10, per_second=1))
    node = make_node(noting=True)
    async with running(node):
        host, _, port = node.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        said = wire.encode(hello(THERE))
        # Masked with zeros, which leaves them as they are.
        writer.write(b"\x82\xfe" + len(said).to_bytes(2) + bytes(4) + said)
        await until(lambda: node.machine.all(LinkUp))
        sent, pings = 0, (b"\x89\x80" + bytes(4)) * 50_000
        with contextlib.suppress(TimeoutError):
            while sent < 200:
                writer.write(pings)
                async with asyncio.timeout(0.5):
                    await writer.drain()
                sent += 1
        # What the network between the two holds is some 10 MB; all of it would be 60.
        assert sent < 100
        writer.transport.abort()


async def test_a_first_frame_that_is_no_hello_is_refused() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await peer.say(BEAT)
        assert await peer.ended() == "did not begin with a hello"


async def test_a_peer_that_says_no_hello_in_time_is_let_go() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        assert await peer.ended() == "said no hello in time"


async def test_a_peer_that_never_finishes_its_first_frame_is_let_go() -> None:
    node = make_node(noting=True)
    async with running(node):
        host, _, port = node.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x82\xfe\x10\x00abcd only the beginning of 4096 bytes")
        async with asyncio.timeout(3):
            assert b"said no hello in time" in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_does_not_read_is_let_go_and_holds_nobody_up() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        big = Tell(seq=1, ack=0, state=node.machine.state, relayed=RELAYED)
        # More than the kernel and the queue take, all in one go: sending never waits.
        node.machine.script = lambda message: (
            [Send(address=THERE, frame=big)] * 500 if isinstance(message, Heard) else []
        )
        with capture_logs() as logs:
            await peer.say(BEAT)
            await until(lambda: node.machine.all(LinkDown))
            await until(lambda: logs)
    assert logs[0]["reason"] == "does not read what it is sent"


async def test_a_frame_that_no_peer_would_take_is_not_sent() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        huge = Tell(seq=1, ack=0, state=node.machine.state, relayed=RELAYED * 4)
        node.machine.script = lambda message: (
            [Send(address=THERE, frame=huge), Send(address=THERE, frame=BEAT)] if isinstance(message, Heard) else []
        )
        await peer.say(BEAT)
        assert await peer.hear() == BEAT


async def test_another_process_at_the_same_address_takes_the_link_over() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as old, peer_of(node) as new:
        await _greet(old)
        await _greet(new, boot=Boot(2, "new"))
        await old.ended()
        await new.say(BEAT)
        await until(lambda: node.machine.all(Heard))
        assert node.machine.told[1:4] == [
            LinkUp(hello=hello(THERE), dialed=None),
            LinkDown(address=THERE),
            LinkUp(hello=hello(THERE, boot=Boot(2, "new")), dialed=None),
        ]


async def test_a_newer_link_of_the_same_process_replaces_the_old_one_without_a_gap() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as old, peer_of(node) as new:
        await _greet(old)
        await _greet(new)
        await old.ended()
        await new.say(BEAT)
        await until(lambda: node.machine.all(Heard))
        assert len(node.machine.all(LinkUp)) == 2
        assert node.machine.all(LinkDown) == []


async def test_a_dropped_link_is_closed_and_not_reported() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await _greet(peer)
        node.machine.script = lambda message: [Drop(address=THERE)] if isinstance(message, Heard) else []
        await peer.say(BEAT)
        await peer.ended()
        assert node.machine.all(LinkDown) == []
        assert node.backend.status()["links"] == []
