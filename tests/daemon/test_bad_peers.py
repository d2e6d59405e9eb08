"""What a stranger on the network can say to a whole daemon: it is refused with a reason, and nothing changes."""

import asyncio
import contextlib
import http.server
import json
import os
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import msgspec
import pytest

from les_hooks import wire
from les_hooks.election.frames import Tell
from les_hooks.members import Boot
from tests.backends.peers.fakes import Peer, hello
from tests.cluster import Cluster, Daemon, free_ports, until
from tests.fuzz.seeds import STATE

HOSTILE = 'x"\n\x1b[2J$(reboot)'
THERE = "127.0.0.9:4000"
CROWD = tuple(f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}:4000" for i in range(100_000))
OPENING = (
    b"GET /les/link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Cluster(tmp_path_factory.mktemp("bad-peers"), 1) as cluster:
        cluster.wait_leader()
        yield cluster.daemons[0]


@pytest.fixture
def daemon(_started: Daemon) -> Iterator[Daemon]:
    """A leader that is alone before the test, and must be so after it: same process, same term, same members."""
    before = _stands(_started)
    yield _started
    until(lambda: _stands(_started) == before, f"all is as before: {before}")
    # Descriptors, too, are given back.
    assert "Traceback" not in _started.said()
    assert "unexpected-error" not in _started.said()


def _stands(daemon: Daemon) -> tuple[object, ...]:
    status = daemon.status()
    members = [member["address"] for member in status["members"]]
    pid = status["node"]["pid"]
    # Only root may look into a daemon.
    descriptors = len(os.listdir(f"/proc/{pid}/fd")) if os.geteuid() == 0 else None
    return pid, status["term"], status["is_me"], members, status["backend"], descriptors


def _logged(daemon: Daemon, event: str, *words: str) -> Mapping[str, Any]:
    """Wait for a line of the log with this event that holds these words."""

    def look() -> Mapping[str, Any] | None:
        for line in daemon.said().splitlines():
            entry = json.loads(line)
            if entry["event"] == event and all(word in line for word in words):
                return dict(entry)
        return None

    return until(look, f"the log says {event} {words}")


@asynccontextmanager
async def _stranger(daemon: Daemon) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{daemon.address}/les/link", max_msg_size=2**24) as ws,
    ):
        yield Peer(ws)


def _get(daemon: Daemon, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{daemon.address}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cluster": "db"}, "belongs to cluster 'db', this node to cluster 'les'"),
        ({"cluster": "les", "protocol": 99}, "speaks protocol 99, this node speaks protocol 1"),
    ],
)
async def test_a_node_of_another_cluster_or_protocol_is_refused_and_the_log_says_why(
    daemon: Daemon, changes: dict[str, Any], why: str
) -> None:
    async with _stranger(daemon) as peer:
        await peer.say(hello(THERE, **changes))
        assert await peer.ended() == why
    _logged(daemon, "link-refused", THERE, why)


async def test_a_name_with_quotes_line_ends_and_escape_codes_is_no_name_and_is_not_printed(daemon: Daemon) -> None:
    async with _stranger(daemon) as peer:
        await peer.say(hello(THERE, cluster="les", name=HOSTILE))
        await peer.ended()
    reason = _logged(daemon, "link-refused", "malformed", "name")["reason"]
    assert reason.isascii()
    assert reason.isprintable()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x00\xff not json", "malformed"),
        (b'{"kind": "tell", "state": 7, "relayed": {}}', "malformed"),
        (b'{"kind": "beat", "seq": "one", "ack": 0}', "malformed"),
        (b"[" * 200_000, "malformed"),
    ],
)
async def test_a_malformed_frame_or_a_wrong_type_ends_the_link_and_the_log_says_why(
    daemon: Daemon, data: bytes, why: str
) -> None:
    async with _stranger(daemon) as peer:
        await peer.say(hello(THERE, cluster="les"))
        await peer.ws.send_bytes(data)
        assert why in await peer.ended()
    _logged(daemon, "link-ended", THERE, why)


async def test_a_list_of_100_000_members_fits_in_no_frame(daemon: Daemon) -> None:
    state = msgspec.structs.replace(STATE, address=THERE, boot=Boot(1, "peer"), members=CROWD)
    data = wire.encode(Tell(seq=1, ack=0, state=state, relayed=()))
    assert len(data) > 1_000_000
    async with _stranger(daemon) as peer:
        await peer.say(hello(THERE, cluster="les"))
        await peer.ws.send_bytes(data)
        await peer.ended()
    _logged(daemon, "link-ended", THERE, "exceeds limit")


def test_an_original_with_100_000_members_is_none_to_us(daemon: Daemon) -> None:
    """Somebody introduces it; it is asked, and answers with more than anybody reads."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/state"):
                self.send_error(404)
                return
            body = json.dumps({"members": CROWD, "leader": False, "start_time": 1.0}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                asked.set()
            asked.set()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives it)
            """Say nothing."""

    asked = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            there = f"127.0.0.1:{server.server_address[1]}"
            assert _get(daemon, f"/state/{there}") == 200
            assert asked.wait(5)
            _logged(daemon, "dial-failed", there, "more than")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "address", ["nowhere", "10.0.0.1", "a b:4000", "10.0.0.1:4000\n", "::1:4000", "x:99999", HOSTILE]
)
def test_what_is_no_address_is_not_introduced(daemon: Daemon, address: str) -> None:
    assert _get(daemon, f"/state/{urllib.parse.quote(address)}") == 400


async def test_a_frame_of_a_kind_that_nobody_knows_is_ignored_and_the_link_goes_on(daemon: Daemon) -> None:
    async with _stranger(daemon) as peer:
        await peer.say(hello(THERE, cluster="les"))
        await peer.ws.send_bytes(b'{"kind": "vote", "for": "me"}')
        await peer.ws.send_bytes(b'{"kind": "beat", "seq": "one", "ack": 0}')
        assert "malformed" in await peer.ended()  # so the frame before was read, and did no harm


def test_a_peer_that_never_finishes_a_frame_is_let_go(daemon: Daemon) -> None:
    """Before its hello after `failure`, and after it too: what comes over a link must be whole to count."""
    greeting = wire.encode(hello(THERE, cluster="les"))
    for whole in (b"", _masked(greeting)):
        with closing(socket.create_connection(_host_port(daemon), timeout=5)) as peer:
            peer.sendall(OPENING + whole + _masked(greeting)[:20])
            received = b""
            while chunk := peer.recv(65536):
                received += chunk
            assert received.startswith(b"HTTP/1.1 101")
    _logged(daemon, "link-refused", "said no hello in time")


async def test_hundreds_of_connections_that_say_nothing_keep_nobody_out(daemon: Daemon) -> None:
    """They come from another address: who shares theirs has to wait its turn."""
    host, port = _host_port(daemon)
    silent = []
    for _ in range(300):
        with contextlib.suppress(ConnectionError):
            silent.append(await asyncio.open_connection(host, port, local_addr=("127.0.0.2", 0)))
    try:
        assert await asyncio.to_thread(_get, daemon, "/ping") == 200
        # Those that are not turned away at once are let go after `failure`, without a word.
        for reader, _ in silent:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
    finally:
        for _, writer in silent:
            writer.close()


def test_two_nodes_of_different_clusters_stay_apart(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The other one has this one as its seed, and does not come to lead: it may be a member of nothing at all."""
    (port,) = free_ports(1)
    seed = int(daemon.address.rpartition(":")[2])
    other = Daemon(tmp_path_factory.mktemp("other") / "z", port, [seed])
    other.config.write_text(other.config.read_text().replace("[cluster]\n", '[cluster]\nname = "db"\n'))
    other.start()
    try:
        _logged(daemon, "link-refused", "belongs to cluster 'db'")
        until(lambda: "belongs to cluster" in other.said(), "it is told on the other side, too")
        assert other.status()["leader"] is None
    finally:
        other.kill()
        other.les("cleanup", "--wait", "20")


def _host_port(daemon: Daemon) -> tuple[str, int]:
    host, _, port = daemon.address.rpartition(":")
    return host, int(port)


def _masked(data: bytes) -> bytes:
    """A WebSocket frame of a client; the mask of zeros leaves the data as it is."""
    assert len(data) < 126
    return bytes([0x82, 0x80 | len(data)]) + bytes(4) + data
