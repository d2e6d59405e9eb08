"""Raw bytes over real sockets: to both listeners, over a link, to the control socket; and from servers that we ask.

Whatever they are, the connection ends in time, nothing answers 500, and the log holds no error and no traceback.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from les_hooks import serve_control, wire
from les_hooks.backends.peers.client import new_session as session_of
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.backends.peers.originals import poll_original
from les_hooks.control.protocol import Reply
from les_hooks.election.frames import Farewell
from les_hooks.election.messages import Message
from les_hooks.members import Address, Boot
from les_hooks.security import PROTOCOL, Credentials
from tests.backends.peers.fakes import hello, let_all_in, make_node, running
from tests.backends.peers.test_secret import OLD, write
from tests.backends.peers.test_server import UPGRADE
from tests.fuzz import BOUNDED
from tests.fuzz.http_requests import HEADERS, bodies, requests
from tests.fuzz.seeds import SEEDS
from tests.fuzz.served import ask, served
from tests.fuzz.strategies import frames, json_values
from tests.http.lone import Pages, lone, token_file

Log = MutableMapping[str, Any]
Where = tuple[str, int]


def unwanted(logs: list[Log]) -> list[Log]:
    """What there must be none of in a log, whoever asks for what."""
    return [line for line in logs if line["log_level"] in ("error", "critical") or line.get("exc_info")]


def check(answer: bytes) -> None:
    """One answer at most, and none that speaks of a fault of ours."""
    assert not answer or answer.startswith(b"HTTP/")
    assert answer[9:12] < b"500"
    assert b"Traceback" not in answer


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Where, list[Log]]]:
    """The port of a node, and its log."""
    let_all_in(monkeypatch)

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        node = make_node()
        async with running(node):
            yield node

    with capture_logs() as logs, served(start) as node:
        host, _, port = node.address.rpartition(":")
        yield (host, int(port)), logs


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[tuple[Where, list[Log], Path]]:
    """The listener of `[http]` with a token, the log of its node, and its control socket."""

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async with (
            lone(tmp_path, Pages("/term"), token_file=str(token_file(tmp_path))) as made,
            serve_control(made.node),
        ):
            yield made

    with served(start) as made:
        made.logs.clear()  # of the start, which finds no plugin installed
        host, _, port = made.listen.rpartition(":")
        yield (host, int(port)), made.logs, made.node.config.control.socket


@BOUNDED
@given(requests)
def test_the_port_of_the_peers_answers_whatever_comes(peers: tuple[Where, list[Log]], request: bytes) -> None:
    where, logs = peers
    check(ask(where, request))
    assert unwanted(logs) == []


@BOUNDED
@given(requests)
def test_the_pages_answer_whatever_comes(pages: tuple[Where, list[Log], Path], request: bytes) -> None:
    where, logs, _ = pages
    check(ask(where, request))
    assert unwanted(logs) == []


# -- a link ------------------------------------------------------------------------------------------------------------


def masked(kind: int, data: bytes) -> bytes:
    """A WebSocket frame of a client; the mask of zeros leaves the data as it is."""
    size = len(data)
    head = bytes([kind, 0x80 | size]) if size < 126 else bytes([kind, 0x80 | 126]) + size.to_bytes(2)
    return head + bytes(4) + data


hellos = [wire.encode(hello("127.0.0.9:4000"))] * 4
greetings = st.sampled_from([*hellos, *SEEDS["frame"]]).map(lambda frame: masked(0x82, frame)) | st.binary(min_size=1)
kinds = st.sampled_from([0x82, 0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8A, 0xC2, 0x8F])
pieces = st.one_of(
    st.binary(max_size=40),
    st.tuples(kinds, st.binary(max_size=140)).map(lambda pair: masked(*pair)),
    frames.map(lambda frame: masked(0x82, wire.encode(frame)[:60_000])),
)


@BOUNDED
@given(greetings, st.lists(pieces, max_size=5))
def test_a_link_ends_in_order_whatever_comes_over_it(
    peers: tuple[Where, list[Log]], greeting: bytes, said: list[bytes]
) -> None:
    where, logs = peers
    answer = ask(where, UPGRADE, then=b"".join([greeting, *said]))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert unwanted(logs) == []


# -- a link of who has a secret ----------------------------------------------------------------------------------------


@pytest.fixture
def proving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Where, list[Log]]]:
    """The port of a node with a secret, and its log."""
    let_all_in(monkeypatch)

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        node = make_node(credentials=write(tmp_path / "secret", OLD))
        async with running(node):
            yield node

    with capture_logs() as logs, served(start) as node:
        host, _, port = node.address.rpartition(":")
        yield (host, int(port)), logs


@BOUNDED
@given(
    st.lists(pieces | greetings | st.binary(min_size=64, max_size=125).map(lambda data: masked(0x82, data)), min_size=1)
)
def test_who_has_no_secret_is_no_member_whatever_he_says(proving: tuple[Where, list[Log]], said: list[bytes]) -> None:
    where, logs = proving
    proves = UPGRADE.replace(b"\r\n\r\n", f"\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode())
    answer = ask(where, proves, then=b"".join(said) or b"\0")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert not [line for line in logs if line["event"] == "link-up"]
    assert unwanted(logs) == []


@BOUNDED
@given(requests)
def test_the_port_of_who_has_a_secret_answers_whatever_comes(proving: tuple[Where, list[Log]], request: bytes) -> None:
    where, logs = proving
    check(ask(where, request))
    assert unwanted(logs) == []


# -- the control socket ------------------------------------------------------------------------------------------------

actions = st.sampled_from(
    [
        *("status", "leader", "members", "plugins", "hooks", "plugin", "plan", "maintenance", "maintain"),
        *("end-maintenance", "step-down", "transfer", "nothing", "\x1b[2J"),
    ]
)
keys = st.sampled_from(["plugin", "action", "arguments", "move", "note", "seconds", "target", "timeout", "from_start"])
odd = st.sampled_from(["scripts", "p0", "list", "step-down", "maintenance", "a", "\ud7ff\x00", 1e308, 10**30, -1])
calls = st.fixed_dictionaries(
    {"action": actions | json_values}, optional={"arguments": st.dictionaries(keys, odd | json_values)}
)
asked_for = calls.map(json.dumps).map(str.encode) | st.binary(max_size=80)


@BOUNDED
@given(asked_for)
def test_every_request_on_the_control_socket_gets_one_answer(
    pages: tuple[Where, list[Log], Path], request: bytes
) -> None:
    _, logs, path = pages
    answer = ask(str(path), request + b"\n")
    reply = msgspec.json.decode(answer, type=Reply)
    assert reply.ok or reply.error
    assert unwanted(logs) == []


# -- servers that we ask -----------------------------------------------------------------------------------------------

statuses = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 302 x", b"HTTP/1.1 \xff"]
)
replies = st.sampled_from([*SEEDS["original"], b"\x88\x02\x03\xe8", b"\x88\x05\x03\xe8\xff\xff\xff"])
answers = st.binary(max_size=80) | st.tuples(
    statuses, st.lists(st.sampled_from([*HEADERS, b"Location: http://["]), max_size=4), bodies | replies
).map(lambda parts: b"\r\n".join([parts[0], *parts[1], b"", parts[2]]))


async def asked(answer: bytes, ask: Callable[[Address], Any]) -> Any:
    """What asking a server gives that says nothing but this."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            async with asyncio.timeout(5):
                return await ask(Address(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        finally:
            for writer in writers:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@BOUNDED
@given(answers)
def test_a_farewell_survives_every_answer(answer: bytes) -> None:
    farewell = Farewell(protocol=1, cluster="web", address="127.0.0.9:4000", boot=Boot(7, "dead"))

    def say(voter: Address) -> Any:
        return say_farewell([voter], farewell, Credentials(), limit=1.0, log=structlog.get_logger())

    with capture_logs() as logs:
        taken = asyncio.run(asked(answer, say))
    assert len(taken) + len(logs) == 1
    assert all(line["reason"].isprintable() for line in logs)


@BOUNDED
@given(answers)
def test_an_original_may_answer_anything(answer: bytes) -> None:
    told: list[Message] = []

    async def poll(address: Address) -> str:
        async with session_of(1.0) as session:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):  # it goes on for as long as it is answered
                    return await poll_original(
                        session, address, Address("m:1"), context=lambda: None, loop_rate=9.0, report=told.append
                    )
            return "answered"

    why = asyncio.run(asked(answer, poll))
    assert why.isprintable()
    assert why == "answered" or told or why == "runs les-hooks now"
