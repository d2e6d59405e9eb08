"""The door, by real connections: who gets in, who is turned away, and what becomes of who stays too long."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from les_hooks.errors import StartError
from les_hooks.serving import Door, Limits, Rate
from les_hooks.serving import door as door_module
from tests.backends.peers.fakes import free_port, until
from tests.plugins.webhook.receivers import certificate

PLENTY = Rate(burst=1000, per_second=1000)
LIMITS = Limits(connections=50, strangers=20, at_once=5, source=PLENTY, everybody=PLENTY)


class Echo(asyncio.Protocol):
    """Says what it is told, and notes who is there."""

    def __init__(self, present: list["Echo"]) -> None:
        self.present = present

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.present.append(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.present.remove(self)


class House:
    """A door, and who is behind it."""

    def __init__(self, host: str, limits: Limits, **options: Any) -> None:
        self.present: list[Echo] = []
        self.host, self.port = host, free_port(host)
        options.setdefault("stranger_seconds", 30.0)
        self.door = Door(lambda: Echo(self.present), limits, log=structlog.get_logger(), **options)

    async def visit(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port, **options)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


@contextlib.asynccontextmanager
async def house(limits: Limits = LIMITS, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[House]:
    """One that listens."""
    made = House(host, limits, **options)
    await made.door.bind("[node] bind", host, made.port)
    made.door.listen()
    try:
        yield made
    finally:
        await made.door.close()
        await until(lambda: not made.present)


async def says(visit: tuple[asyncio.StreamReader, asyncio.StreamWriter], word: bytes = b"hello") -> bytes:
    """The answer to a word; nothing where the connection has ended."""
    reader, writer = visit
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(word)
        async with asyncio.timeout(3):
            return await reader.readexactly(len(word))
    return b""


async def ended(visit: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    """Whether the other end hangs up."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(3):
            return await visit[0].read() == b""
    return True


def leave(*visits: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    for _, writer in visits:
        writer.transport.abort()


async def test_between_bind_and_listen_and_after_stop_connections_are_refused() -> None:
    """That is how others know that a node is not there."""
    at = House("127.0.0.1", LIMITS)
    await at.door.bind("[node] bind", at.host, at.port)
    with pytest.raises(ConnectionRefusedError):
        await at.visit()
    at.door.listen()
    visit = await at.visit()
    assert await says(visit) == b"hello"
    at.door.stop()
    with pytest.raises(ConnectionRefusedError):
        await at.visit()
    assert await says(visit) == b"hello"
    await at.door.close()
    assert await ended(visit)
    leave(visit)


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_it_listens_at_every_address_that_the_host_has(host: str) -> None:
    async with house(host=host) as at:
        visit = await at.visit()
        assert await says(visit) == b"hello"
        leave(visit)


async def test_an_ipv6_port_leaves_the_ipv4_one_to_others() -> None:
    async with house(host="::") as at:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", at.port)


async def test_a_host_that_is_none_says_where_it_is_set() -> None:
    at = House("127.0.0.1", LIMITS)
    with pytest.raises(StartError, match=r"see \[node\] bind"):
        await at.door.bind("[node] bind", "no-such-host.invalid", 4000)


async def test_a_unix_socket_is_a_listener_too(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    at = House("127.0.0.1", LIMITS)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    at.door.adopt(listener)
    at.door.listen()
    visit = await asyncio.open_unix_connection(path)
    assert await says(visit) == b"hello"
    leave(visit)
    await at.door.close()


async def test_who_comes_too_often_is_reset_at_once_and_the_log_names_it(logs: list[Any]) -> None:
    async with house(replace(LIMITS, source=Rate(burst=3, per_second=0.001))) as at:
        visits = []
        for _ in range(3):
            visits.append(await at.visit())
            assert await says(visits[-1]) == b"hello"
        for _ in range(20):
            with contextlib.suppress(ConnectionError):
                visit = await at.visit()
                visits.append(visit)
                assert await ended(visit)
        assert len(at.present) == 3
        leave(*visits)
    refused = [line for line in logs if line["event"] == "connection-refused"]
    assert len(refused) == 10
    assert (refused[0]["source"], refused[0]["reason"]) == ("127.0.0.1", "too many new connections from there")


async def test_who_holds_more_than_it_may_loses_the_oldest_and_others_get_in() -> None:
    async with house() as at:
        held = []
        for _ in range(7):
            held.append(await at.visit())
            assert await says(held[-1]) == b"hello"
        other = await at.visit(local_addr=("127.0.0.2", 0))
        assert await says(other) == b"hello"
        assert await ended(held[0])
        assert await ended(held[1])
        assert [await says(each) for each in held[2:]] == [b"hello"] * 5
        leave(*held, other)


async def test_who_has_proven_itself_stays_whoever_comes() -> None:
    async with house() as at:
        member = await at.visit()
        assert await says(member) == b"hello"
        at.door.prove(at.present[0])
        crowd = []
        for _ in range(20):
            crowd.append(await at.visit())
            assert await says(crowd[-1]) == b"hello"
        assert await says(member) == b"hello"
        await until(lambda: len(at.present) == 6)
        leave(member, *crowd)


async def test_a_stranger_goes_after_its_time_whatever_it_does_and_who_has_proven_itself_stays() -> None:
    async with house(stranger_seconds=0.3) as at:
        member = await at.visit()
        assert await says(member) == b"hello"
        at.door.prove(at.present[0])
        busy = await at.visit()
        async with asyncio.timeout(3):
            while await says(busy, b"x") == b"x":
                await asyncio.sleep(0.02)
        assert await says(member) == b"hello"
        leave(member, busy)


async def test_a_stranger_goes_once_it_has_said_too_much_and_who_has_proven_itself_goes_on() -> None:
    async with house(stranger_bytes=8) as made:
        talker, member = await made.visit(), await made.visit()
        assert await says(talker, b"12345678") == b"12345678"
        assert await says(talker, b"9") == b""
        assert await says(member, b"12345678") == b"12345678"
        made.door.prove(made.present[0])
        assert await says(member, b"x" * 100) == b"x" * 100
        for _, writer in (talker, member):
            writer.transport.abort()


async def test_what_tls_takes_for_itself_counts_too(tmp_path: Path) -> None:
    """A handshake alone is more than this, and nothing of it ever reaches what is behind the door."""
    server, client = contexts(tmp_path)
    async with house(stranger_bytes=100, context=lambda: server) as made:
        with pytest.raises(OSError):  # noqa: PT011  (a reset or an end, as the kernel likes)
            await made.visit(ssl=client, server_hostname="127.0.0.1")
        assert not made.present


async def test_no_more_than_so_many_in_all(logs: list[Any]) -> None:
    async with house(replace(LIMITS, connections=2)) as at:
        visits = [await at.visit() for _ in range(2)]
        assert [await says(visit) for visit in visits] == [b"hello"] * 2
        with contextlib.suppress(ConnectionError):
            visits.append(await at.visit())
            assert await ended(visits[-1])
        leave(visits[0])
        await until(lambda: len(at.present) == 1)
        visits.append(await at.visit())
        assert await says(visits[-1]) == b"hello"
        leave(*visits)
    assert [line["reason"] for line in logs] == ["too many connections"]


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the door, and of who trusts it."""
    return certificate(folder), ssl.create_default_context(cafile=str(folder / "cert"))


async def test_the_tls_of_the_moment_is_asked_for_at_each_connection(tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    now: list[ssl.SSLContext | None] = [None]
    async with house(context=lambda: now[0]) as at:
        plain = await at.visit()
        assert await says(plain) == b"hello"
        now[0] = server
        sealed = await at.visit(ssl=client, server_hostname="127.0.0.1")
        assert await says(sealed) == b"hello"
        assert await says(plain) == b"hello"
        leave(plain, sealed)


async def test_a_handshake_that_fails_or_never_ends_leaves_nothing_behind(tmp_path: Path, logs: list[Any]) -> None:
    server, _ = contexts(tmp_path)
    async with house(context=lambda: server, handshake_seconds=0.2) as at:
        silent, nonsense = await at.visit(), await at.visit()
        nonsense[1].write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await nonsense[0].read()
        assert await ended(silent)
        await until(lambda: not at.door._guests)
        assert not at.present
        leave(silent, nonsense)
    assert {line["event"] for line in logs} == {"handshake-failed"}


async def test_who_holds_handshakes_keeps_nobody_out(tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    async with house(context=lambda: server, handshake_seconds=30.0) as at:
        held = [await at.visit() for _ in range(12)]
        visit = await at.visit(ssl=client, server_hostname="127.0.0.1")
        assert await says(visit) == b"hello"
        assert await ended(held[0])
        assert len(at.door._guests) <= LIMITS.at_once + 1
        leave(*held, visit)


class Failing:
    """A listener that has no file left, a few times."""

    def __init__(self, listener: socket.socket, error: int, times: int) -> None:
        self._listener, self._error, self.times = listener, error, times
        self.family = listener.family

    def accept(self) -> tuple[socket.socket, Any]:
        if self.times:
            self.times -= 1
            raise OSError(self._error, os.strerror(self._error))
        return self._listener.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


async def _with_failing(error: int, times: int, then: Callable[[House, Failing], Any]) -> None:
    at = House("127.0.0.1", LIMITS)
    listener = socket.create_server(("127.0.0.1", at.port))
    failing = Failing(listener, error, times)
    at.door.adopt(failing)  # type: ignore[arg-type]  # it does as one
    at.door.listen()
    await then(at, failing)
    await at.door.close()
    await until(lambda: not at.present)


async def test_with_no_file_left_it_looks_away_for_a_moment_and_then_goes_on(
    monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    monkeypatch.setattr(door_module, "_PAUSE_SECONDS", 0.05)

    async def then(at: House, _failing: Failing) -> None:
        visit = await at.visit()
        assert await says(visit) == b"hello"
        leave(visit)

    await _with_failing(errno.EMFILE, 2, then)
    assert [(line["event"], line["seconds"]) for line in logs] == [("accept-paused", 0.05)] * 2


async def test_a_connection_that_failed_before_it_was_accepted_stops_nobody(logs: list[Any]) -> None:
    async def then(at: House, failing: Failing) -> None:
        visit = await at.visit()
        assert await says(visit) == b"hello"
        assert failing.times == 0
        leave(visit)

    await _with_failing(errno.ECONNABORTED, 3, then)
    assert logs == []


async def test_it_can_be_stopped_while_it_looks_away(logs: list[Any]) -> None:
    async def then(at: House, _failing: Failing) -> None:
        visit = await at.visit()
        await until(lambda: logs)
        at.door.stop()
        assert await ended(visit)
        leave(visit)

    await _with_failing(errno.ENFILE, 1000, then)
    assert len(logs) == 1
