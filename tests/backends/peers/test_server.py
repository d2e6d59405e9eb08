"""The port: what strangers, originals and operators with curl get from it."""

import asyncio
import contextlib
import errno
import json
import socket
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from les_hooks import wire
from les_hooks.backends.peers import server
from les_hooks.election.frames import Offer
from les_hooks.election.messages import Heard, Introduced
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot
from tests.backends.peers.fakes import QUICK, Node, hello, make_node, peer_of, running, until

UPGRADE = (
    b"GET /les/link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def _get(node: Node, path: str, **options: Any) -> tuple[int, str]:
    url = f"http://{node.address}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, **options) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_four_endpoints_of_the_original_answer_with_and_without_a_trailing_slash(slash: str) -> None:
    node = make_node(noting=True)
    async with running(node):
        assert await _get(node, f"/ping{slash}") == (200, "OK")
        status, text = await _get(node, f"/state{slash}")
        assert status == 200
        assert json.loads(text)["members"] == [node.address]
        assert json.loads(text)["leader"] is False
        status, text = await _get(node, f"/diag{slash}")
        assert text.startswith('{\n  "state": {')
        assert json.loads(text)["member_states"] == {}
        assert node.machine.all(Introduced) == []
        status, text = await _get(node, f"/state/127.0.0.9:4000{slash}")
        assert json.loads(text)["members"] == [node.address]
        assert node.machine.all(Introduced) == [Introduced(address=Address("127.0.0.9:4000"))]


@pytest.mark.parametrize(
    "text",
    [
        *("web", "127.0.0.9", "127.0.0.9:0", "127.0.0.9:99999", "::1:4000", "[x]:1"),
        *("a%20b:1", "%24(reboot):1", "a:1/b", "%0a:1", "[fe80::1%25eth0]:1"),
    ],
)
async def test_what_is_no_address_is_introduced_to_nobody(text: str) -> None:
    node = make_node(noting=True)
    async with running(node):
        status, _ = await _get(node, f"/state/{text}")
        assert status == 400
        assert node.machine.all(Introduced) == []


async def test_an_ipv6_address_is_introduced_in_brackets_escaped_or_not() -> None:
    node = make_node(noting=True)
    async with running(node):
        await _get(node, "/state/[::1]:4000")
        await _get(node, "/state/%5B::2%5D:4000")
        assert [introduced.address for introduced in node.machine.all(Introduced)] == ["[::1]:4000", "[::2]:4000"]


async def test_other_paths_methods_and_browsers_get_nothing() -> None:
    node = make_node(noting=True)
    async with running(node):
        assert (await _get(node, "/"))[0] == 404
        assert (await _get(node, "/les/link"))[0] == 426
        assert (await _get(node, "/les/link", headers={"Origin": "http://evil.example"}))[0] == 403
        assert (await _get(node, "/" + "x" * 5000))[0] == 400
        async with aiohttp.ClientSession() as session, session.post(f"http://{node.address}/state") as response:
            assert response.status == 405


async def _answer_to(node: Node, data: bytes) -> bytes:
    host, _, port = node.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        async with asyncio.timeout(3):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("data", [b"", b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["silent", "half a request"])
async def test_a_connection_without_a_complete_request_is_closed(data: bytes) -> None:
    node = make_node(noting=True)
    async with running(node):
        assert await _answer_to(node, data) == b""


async def test_a_body_that_never_comes_keeps_no_connection_open() -> None:
    node = make_node(noting=True)
    async with running(node):
        answer = await _answer_to(node, b"GET /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert answer.endswith(b"OK")


@pytest.mark.parametrize("header", ["", "Origin: http://evil.example\r\n", "Sec-WebSocket-Protocol: x\r\n"])
async def test_who_is_refused_a_link_is_answered_once_and_hung_up_on(header: str) -> None:
    """Whatever follows on the connection would be answered as fast as it comes, past every limit of the door."""
    node = make_node(noting=True)
    async with running(node):
        answer = await _answer_to(node, f"GET /les/link HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode() * 5)
        assert answer.count(b"HTTP/1.1 4") == 1


FRAGMENTS = b"\x02\x81\0\0\0\0a" + b"\x00\x80\0\0\0\0" * 4000
"""The beginning of a message, and fragments with nothing in them: no limit of a message ends that."""


async def test_who_says_too_much_before_it_is_known_is_hung_up_on() -> None:
    """Not after its time, in which a fast line carries more than this node could read beside its heartbeats."""
    node = make_node(noting=True, timing=replace(QUICK, failure=60.0))
    async with running(node):
        host, _, port = node.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(UPGRADE + FRAGMENTS)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(3):
                await reader.read()
        writer.transport.abort()
        await until(lambda: not node.backend._server._http.connections)


async def test_a_member_may_say_as_much_as_it_likes() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await peer.say(hello("127.0.0.9:4000"))
        await peer.hear()
        for _ in range(5):
            await peer.ws.ping(b"x" * 125)
            await peer.ws.send_bytes(wire.encode(Offer(start_time=0.0, boot=Boot(1, "x" * 60))) + b" " * 8000)
        await until(lambda: len(node.machine.all(Heard)) == 5)


async def test_connections_past_the_limit_are_turned_away_and_links_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LIMITS", replace(server._LIMITS, connections=2))
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer:
        await peer.say(hello("127.0.0.9:4000"))
        await peer.hear()
        host, _, port = node.address.rpartition(":")
        _, idle = await asyncio.open_connection(host, int(port))
        with pytest.raises(aiohttp.ClientError):
            await _get(node, "/ping")
        idle.close()
        await idle.wait_closed()
        await until(lambda: len(node.backend._server._http.connections) == 1)
        assert await _get(node, "/ping") == (200, "OK")
        assert len(node.machine.told) == 2


async def test_a_link_stays_whoever_comes_and_who_only_holds_connections_keeps_no_member_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_LIMITS", replace(server._LIMITS, at_once=3))
    node = make_node(noting=True)
    async with running(node), peer_of(node) as peer, contextlib.AsyncExitStack() as stack:
        await peer.say(hello("127.0.0.9:4000"))
        await peer.hear()
        host, _, port = node.address.rpartition(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(10)]
        other = await stack.enter_async_context(peer_of(node))
        await other.say(hello("127.0.0.8:4000"))
        await other.hear()
        for reader, writer in held:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.transport.abort()
        assert sorted(link["address"] for link in node.links) == ["127.0.0.8:4000", "127.0.0.9:4000"]


async def test_before_it_joins_a_node_refuses_connections_as_if_it_were_not_there() -> None:
    node = make_node(noting=True)
    await node.backend.start()
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await _get(node, "/ping")
    assert caught.value.os_error.errno == errno.ECONNREFUSED
    await node.backend.leave(1.0)


async def test_a_port_in_use_says_so_and_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = make_node(address=f"127.0.0.1:{port}", noting=True)
        with pytest.raises(StartError) as caught:
            await node.backend.start()
        await node.backend.leave(1.0)
    assert caught.value.what == f"port 127.0.0.1:{port}"
    assert "already in use" in caught.value.why
    assert "ss -ltnp" in caught.value.advice


async def test_two_nodes_that_start_at_the_same_moment_cannot_both_have_the_port() -> None:
    one = make_node(noting=True)
    two = make_node(address=one.address, noting=True)
    await one.backend.start()
    await two.backend.start()
    await one.backend.join()
    with pytest.raises(StartError):
        await two.backend.join()
    await one.backend.leave(1.0)
    await two.backend.leave(1.0)


async def test_an_address_of_another_host_says_what_to_do() -> None:
    node = make_node(address="192.0.2.1:4000", noting=True)
    with pytest.raises(StartError, match="no such address"):
        await node.backend.start()
    await node.backend.leave(1.0)


BAD_REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /state/\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 10_000 + b"\r\n",
    b"GET /les/link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", BAD_REQUESTS, ids=lambda data: repr(data[:20]))
async def test_what_is_no_request_is_refused_and_is_one_line_in_our_log_and_none_elsewhere(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP library logs in ways of its own, which would break up a log of JSON lines."""
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node):
            reader, writer = await asyncio.open_connection(*node.address.split(":"))
            writer.write(request_bytes)
            answer = b""
            with contextlib.suppress(ConnectionError):
                answer = await asyncio.wait_for(reader.read(), 5)
            assert not answer or answer.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4"))
            assert b"\x1b" not in answer
            writer.close()
    assert {(log["event"], log["log_level"]) for log in logs} <= {("request-refused", "info")}
    assert len(logs) <= 1
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_who_hangs_up_before_the_answer_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """As do all those that dialed a node while it was frozen."""
    node = make_node(noting=True)
    with capture_logs() as logs:
        async with running(node):
            host, _, port = node.address.rpartition(":")
            for path in (b"/les/link", b"/state"):
                with socket.create_connection((host, int(port))) as peer:
                    peer.sendall(UPGRADE.replace(b"/les/link", path))
            await asyncio.sleep(0.1)  # until the loop, which we have held up, has accepted and answered both
            async with aiohttp.ClientSession() as session, session.get(f"http://{node.address}/ping") as answer:
                assert answer.status == 200
    # Whether the answer was under way already depends on the Python.
    assert {log["event"] for log in logs} <= {"link-refused"}
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
