"""Who knows the protocol but not the secret: nothing that he says, repeats, mixes up or leaves out changes anything.

The nodes are real to the sockets; their machines only note what they would have believed.
"""

import asyncio
import gc
import os
import re
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from les_hooks import wire
from les_hooks.election.effects import Dial
from les_hooks.election.frames import Beat, Frame
from les_hooks.election.messages import DialFailed, LinkDown, LinkUp, SeedIsSelf
from les_hooks.members import Address
from les_hooks.security import NONCE_BYTES, PROTOCOL, Dialed, Secret
from les_hooks.security.proof import MAGIC
from tests.backends.peers.fakes import Node, free_port, hello, let_all_in, until
from tests.hostile.middle import Middle, Tamper, Way, a_source, between, cut_after, playing, serving
from tests.hostile.stage import (
    NOBODY,
    OTHER,
    VICTIM,
    believed,
    frames,
    logged,
    noting,
    one_of_each,
    reasons,
    send,
)

UNPROVEN = re.compile("the secrets differ|begins with no proof of the secret")


@pytest.fixture
def open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let in whoever comes, however often: what is to be seen lies behind the door."""
    let_all_in(monkeypatch)


async def say(node: Node, *messages: bytes) -> str:
    """Dial the node and say this, whatever it answers; returns what it ended the connection with."""
    url = f"ws://{node.address}/les/link"
    connector = aiohttp.TCPConnector(local_addr=a_source())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(url, protocols=(PROTOCOL,)) as ws,
    ):
        assert (await ws.receive()).data.startswith(MAGIC)
        for data in messages:
            await ws.send_bytes(data)
        async with asyncio.timeout(5):
            message = await ws.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE, "nothing but the end is said to a stranger"
        return str(message.extra)


@pytest.mark.parametrize("frame", one_of_each(VICTIM), ids=lambda frame: type(frame).__name__)
async def test_no_kind_of_frame_is_believed_first(tmp_path: Path, frame: Frame) -> None:
    """Bare, behind a nonce, behind a nonce and a tag of zeros, and sealed with a secret of his own."""
    data, nonce = wire.encode(frame), os.urandom(NONCE_BYTES)
    sealed, _ = Dialed(Secret(OTHER), nonce).answer(MAGIC + nonce, data)
    attempts = [data, nonce + data, nonce + bytes(32) + data, sealed]
    with logged() as logs:
        async with noting(tmp_path) as node:
            for attempt in attempts:
                assert UNPROVEN.search(await say(node, attempt))
            assert believed(node) == []
            assert node.saved == []
            assert node.links == []
    assert len(reasons(logs, "link-refused")) == len(attempts), "one reason for each"


async def _recorded(folder: Path) -> Middle:
    """What passed on a link of two nodes, each with a beat for the other."""
    async with noting(folder) as one, between(one.address) as middle, noting(folder, middle.address, name="b") as two:
        await until(lambda: one.machine.all(LinkUp) and two.machine.all(LinkUp))
        for number in range(3):
            send(two, one, Beat(seq=number, ack=0))
            send(one, two, Beat(seq=number, ack=0))
        await until(lambda: len(frames(one)) == len(frames(two)) == 3)
        return middle


async def test_a_recorded_link_is_worth_nothing_to_either_end(tmp_path: Path) -> None:
    middle = await _recorded(tmp_path)
    async with noting(tmp_path) as node:
        assert UNPROVEN.search(await say(node, *middle.said(Way.DIALER)))
        # Nor what the other end said, from its challenge on or without it.
        assert UNPROVEN.search(await say(node, *middle.said(Way.LISTENER)))
        assert UNPROVEN.search(await say(node, *middle.said(Way.LISTENER)[1:]))
        assert believed(node) == []
    async with (
        playing(*middle.said(Way.LISTENER), protocols=[PROTOCOL]) as there,
        noting(tmp_path, there) as node,
    ):
        await until(lambda: node.machine.all(DialFailed))
        assert believed(node) == []


async def test_what_a_node_says_itself_is_no_proof_to_it(tmp_path: Path) -> None:
    """Its challenge comes back from whom dials it, and its first message from whom it dials."""
    async with noting(tmp_path) as node:
        url = f"ws://{node.address}/les/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(PROTOCOL,)) as ws:
            challenge = (await ws.receive()).data
            await ws.send_bytes(challenge)
            assert UNPROVEN.search(str((await ws.receive()).extra))
        assert believed(node) == []

    address = Address(f"127.0.0.1:{free_port()}")

    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        ws: web.WebSocketResponse[Any] = web.WebSocketResponse(protocols=(PROTOCOL,))
        await ws.prepare(request)
        await ws.send_bytes(MAGIC + bytes(NONCE_BYTES))
        first = (await ws.receive()).data
        await ws.send_bytes(first[NONCE_BYTES:])
        await ws.close()
        return ws

    async with serving(address, mirror), noting(tmp_path, address) as node:
        await until(lambda: node.machine.all(DialFailed))
        assert believed(node) == []


@pytest.mark.parametrize("direct", [True, False])
async def test_a_node_is_not_made_to_believe_that_its_seeds_are_itself(tmp_path: Path, direct: bool) -> None:
    """Who passes its own words back to its own port has it prove the secret to itself; it would lead as if alone."""
    own = Address(f"127.0.0.1:{free_port()}")
    with logged() as logs:
        async with between(own) as middle:
            alias = f"localhost:{own.rpartition(':')[2]}"
            async with noting(tmp_path, alias if direct else middle.address, address=own) as node:
                if direct:
                    node.backend._carry_out(Dial(address=Address(alias)))
                    await until(lambda: node.machine.all(SeedIsSelf))
                else:
                    await until(lambda: len(node.machine.all(DialFailed)) > 1)
                    assert believed(node) == []
    assert direct or reasons(logs, "dial-failed") == ["leads back to this node by way of somebody else"]


async def test_two_nodes_that_both_dial_a_stranger_prove_nothing_to_each_other(tmp_path: Path) -> None:
    """He challenges both with the same nonce, and hands each the first message of the other."""
    address = Address(f"127.0.0.1:{free_port()}")
    firsts: list[bytes] = []

    async def swap(request: web.BaseRequest) -> web.StreamResponse:
        ws: web.WebSocketResponse[Any] = web.WebSocketResponse(protocols=(PROTOCOL,))
        await ws.prepare(request)
        await ws.send_bytes(MAGIC + bytes(NONCE_BYTES))
        firsts.append((await ws.receive()).data)
        other = 1 - firsts.index(firsts[-1]) % 2
        await until(lambda: len(firsts) > other)
        await ws.send_bytes(firsts[other][NONCE_BYTES:])
        await ws.receive()
        return ws

    async with (
        serving(address, swap),
        noting(tmp_path, address) as one,
        noting(tmp_path, address, name="b") as two,
    ):
        await until(lambda: one.machine.all(DialFailed) and two.machine.all(DialFailed))
        assert len(firsts) >= 2
        assert believed(one) == believed(two) == []


def _nth(way: Way, number: int, change: Tamper) -> Tamper:
    """Do that to one message."""
    return lambda who, n, data: change(who, n, data) if (who, n) == (way, number) else [data]


def _flip(at: int) -> Tamper:
    return lambda _way, _number, data: [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]]


def _late() -> Tamper:
    """The message comes after the next one, if both are of the same end."""
    kept: list[bytes] = []

    def swap(way: Way, number: int, data: bytes) -> Iterable[bytes]:
        if number == 3:
            kept.append(data)
            return []
        return [data, *kept] if number == 4 else [data]

    return swap


def _field(_way: Way, _number: int, data: bytes) -> Iterable[bytes]:
    """One digit of one field."""
    return [data.replace(b'"seq":', b'"seq":9', 1)]


# A dialer's message 0 is its hello, a listener's messages 0 and 1 its challenge and its hello.
TAMPERING: dict[str, Tamper] = {
    "a field changed": _field,
    "a message lost": lambda _way, number, data: [] if number == 3 else [data],
    "a message doubled": lambda _way, number, data: [data, data] if number == 3 else [data],
    "two messages swapped": _late(),
    "a message put in": lambda _way, number, data: [data, os.urandom(80)] if number == 3 else [data],
    "an empty message put in": lambda _way, number, data: [b"", data] if number == 3 else [data],
    "a bit of a tag": lambda way, number, data: _flip(5)(way, number, data) if number == 3 else [data],
    "a bit of a frame": lambda way, number, data: _flip(-2)(way, number, data) if number == 3 else [data],
    "a message cut": lambda _way, number, data: [data[:-1]] if number == 3 else [data],
    "two messages in one": lambda _way, number, data: [data + data] if number == 3 else [data],
}


@pytest.mark.parametrize("victim", Way)
@pytest.mark.parametrize("what", TAMPERING)
async def test_whoever_changes_a_link_ends_it(tmp_path: Path, what: str, victim: Way) -> None:
    """Up to there all was heard as it was said, and nothing after that."""
    tamper = TAMPERING[what]
    beats = [Beat(seq=number, ack=0) for number in range(8)]
    with logged() as logs:
        async with (
            noting(tmp_path) as listener,
            between(listener.address) as middle,
        ):
            middle.tamper = lambda way, number, data: tamper(way, number, data) if way is victim else [data]
            async with noting(tmp_path, middle.address, name="b") as dialer:
                sender, hearer = (dialer, listener) if victim is Way.DIALER else (listener, dialer)
                await until(lambda: listener.machine.all(LinkUp) and dialer.machine.all(LinkUp))
                send(sender, hearer, *beats)
                await until(lambda: hearer.machine.all(LinkDown))
                heard = frames(hearer)
                assert heard == beats[: len(heard)]
                assert len(heard) < len(beats)
    assert "a frame does not prove the secret" in reasons(logs, "link-ended")[0]


def _handshake_tampering() -> list[tuple[Way, int, int]]:
    """Whose message, which, and where in it: nonce, tag and hello of both ends, and the challenge."""
    return [
        (Way.LISTENER, 0, 0), (Way.LISTENER, 0, 13), (Way.LISTENER, 0, 44),
        (Way.DIALER, 0, 0), (Way.DIALER, 0, 31), (Way.DIALER, 0, 32), (Way.DIALER, 0, 63), (Way.DIALER, 0, 64),
        (Way.DIALER, 0, -1), (Way.LISTENER, 1, 0), (Way.LISTENER, 1, 31), (Way.LISTENER, 1, 32), (Way.LISTENER, 1, -1),
    ]  # fmt: skip


@pytest.mark.parametrize(("way", "number", "at"), _handshake_tampering())
async def test_a_bit_of_a_handshake_changed_means_that_the_one_who_hears_it_believes_nothing(
    tmp_path: Path, way: Way, number: int, at: int
) -> None:
    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[at] ^= 1
        return bytes(changed)

    async with (
        noting(tmp_path) as listener,
        between(listener.address) as middle,
    ):
        middle.tamper = _nth(way, number, lambda _w, _n, data: [flip(data)])
        async with noting(tmp_path, middle.address, name="b") as dialer:
            await until(lambda: middle.ends)
            if (way, number) != (Way.LISTENER, 1):
                # The listener has seen no proof; with its own hello changed it had one before.
                assert listener.machine.all(LinkUp) == []
            assert dialer.machine.all(LinkUp) == []
            assert frames(listener) == frames(dialer) == []


async def test_messages_of_two_links_of_the_same_nodes_do_not_mix(tmp_path: Path) -> None:
    """The same number, the same frame, the same end, another link."""
    middle = await _recorded(tmp_path)
    old = middle.said(Way.DIALER)
    async with (
        noting(tmp_path) as listener,
        between(listener.address) as other,
    ):
        other.tamper = _nth(Way.DIALER, 2, lambda *_: [old[2]])
        async with noting(tmp_path, other.address, name="b") as dialer:
            await until(lambda: listener.machine.all(LinkUp) and dialer.machine.all(LinkUp))
            send(dialer, listener, *[Beat(seq=number, ack=0) for number in range(3)])
            await until(lambda: listener.machine.all(LinkDown))
            assert frames(listener) == [Beat(seq=0, ack=0)]


@pytest.mark.usefixtures("open_door")
@pytest.mark.parametrize("way", Way)
async def test_a_connection_cut_at_any_byte_leaves_nothing_behind(tmp_path: Path, way: Way) -> None:
    """All of the handshake, and the first frames; a link that stood is told to have ended."""
    async with noting(tmp_path) as listener:
        tasks = len(asyncio.all_tasks())
        for limit in [*range(0, 400, 29), *range(400, 900, 7)]:
            async with cut_after(listener.address, way, limit) as there, noting(tmp_path, there, name="b"):
                await asyncio.sleep(0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert len(listener.machine.all(LinkUp)) == len(listener.machine.all(LinkDown))
        assert frames(listener) == []
        assert listener.links == []


@pytest.mark.parametrize(
    ("offered", "status"),
    [
        ((), 401),
        (("les.secret.0",), 401),
        (("chat", PROTOCOL), 401),
        ((PROTOCOL, "chat"), 401),
        ((PROTOCOL, PROTOCOL), 401),
        ((PROTOCOL.upper(),), 401),
    ],
)
async def test_there_is_no_way_round_the_proof(tmp_path: Path, offered: tuple[str, ...], status: int) -> None:
    async with noting(tmp_path) as node, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(f"ws://{node.address}/les/link", protocols=offered)
        assert refusal.value.status == status
        # Upgrades of other kinds, and the subprotocol twice in two headers, lead nowhere either.
        for headers in ({"Upgrade": "h2c"}, {"Connection": "Upgrade", "Upgrade": "les"}):
            async with session.get(f"http://{node.address}/les/link", headers=headers) as response:
                assert response.status == 401
        assert believed(node) == []


@pytest.mark.parametrize("protocols", [(), ("les.secret.0",)])
async def test_a_listener_that_wants_no_proof_hears_nothing_from_a_node_with_a_secret(
    tmp_path: Path, protocols: tuple[str, ...]
) -> None:
    """Who answers for a member and takes the subprotocol away is not even told a hello."""
    plain = wire.encode(hello(VICTIM))
    async with (
        playing(plain, *map(wire.encode, one_of_each(VICTIM)[2:]), protocols=protocols) as there,
        noting(tmp_path, there) as node,
    ):
        await until(lambda: node.machine.all(DialFailed))
        assert believed(node) == []


async def test_a_node_with_a_secret_looks_nobody_up_for_a_stranger(tmp_path: Path) -> None:
    """`/state/<address>`, in every spelling: nobody is introduced, and nothing is dialed."""
    async with noting(tmp_path) as node, aiohttp.ClientSession() as session:
        for path in (
            f"/state/{NOBODY}",
            f"/state/{NOBODY}/",
            f"//state/{NOBODY}",
            f"/state//{NOBODY}",
            f"/%73tate/{NOBODY}",
        ):
            async with session.get(f"http://{node.address}{path.format(NOBODY)}") as response:
                assert response.status in (403, 404)
        assert believed(node) == []
        assert node.backend.status()["dialed"] == []


@pytest.mark.usefixtures("open_door")
async def test_many_handshakes_one_after_the_other_leave_nothing_behind(tmp_path: Path) -> None:
    data = os.urandom(200)
    with logged() as logs:
        async with noting(tmp_path) as node:
            for _ in range(50):
                await say(node, data)
            tasks = len(asyncio.all_tasks())
            tracemalloc.start()
            try:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
                for _ in range(400):
                    await say(node, data)
                await until(lambda: len(asyncio.all_tasks()) <= tasks + 2)
                gc.collect()
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert believed(node) == []
    assert grown < 400 * 1024, "well under what as many connections would hold"
    assert 0 < len(reasons(logs, "link-refused")) < 50, "what a stranger can cause does not fill the log"


async def test_handshakes_that_drip_are_not_waited_for(tmp_path: Path) -> None:
    """A byte now and then, before the upgrade and within the proof: each is over after `failure`."""
    request = (
        b"GET /les/link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: " + PROTOCOL.encode() + b"\r\n\r\n"
    )
    message = b"\x82\xfe\x00\xc8" + bytes(4) + bytes(200)

    async def drip(node: Node, whole: bytes, slow: bytes) -> float:
        host, _, port = node.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(whole)
        ended = asyncio.create_task(reader.read())
        for at in range(len(slow)):
            if ended.done():
                break
            writer.write(slow[at : at + 1])
            await asyncio.wait([ended], timeout=0.02)
        if not ended.done():
            ended.cancel()
        writer.close()
        return loop.time() - began

    async with noting(tmp_path) as node:
        async with asyncio.timeout(10):
            took = await asyncio.gather(
                *(drip(node, b"", request) for _ in range(20)), *(drip(node, request, message) for _ in range(20))
            )
        assert max(took) < 3.0
        assert believed(node) == []


async def test_a_port_of_nobody_is_only_dialed(tmp_path: Path) -> None:
    """A seed that strangers answer for is told nothing but the upgrade."""
    said = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.extend(await reader.read(4096))
        writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server, noting(tmp_path, f"127.0.0.1:{port}") as node:
        await until(lambda: len(node.machine.all(DialFailed)) > 1)
    assert b"/les/link" in said
    assert b"/state" not in said
