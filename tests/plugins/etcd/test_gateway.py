"""The gateway before a server that is silent, late, lying, or asks for a password: each call ends, and says how."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import (
    CompactedError,
    LeaseGoneError,
    Put,
    Range,
    RefusedError,
    Store,
    StoreError,
    Transaction,
    UnreachableError,
)
from les_plugins.etcd.transport import MOST_ANSWER_BYTES, MOST_LINE_BYTES
from tests.cluster import free_ports
from tests.plugins.etcd.fakes import HEADER, FakeGateway, Handler, chunked, error, good, hang, raw, reply

ATTEMPT = 0.2
"""Seconds for an endpoint that never answers."""
AMPLE = 10.0
"""Seconds for one that does, however busy the machine is."""
GRANTED = good(ID="5", TTL="5")
CREATED = json.dumps({"result": {"header": HEADER, "created": True}}).encode() + b"\n"
PROGRESS = json.dumps({"result": {"header": HEADER}}).encode() + b"\n"
AUTH = "/v3/auth/authenticate"


def gateway(*urls: str, attempt: float = AMPLE, **fields: Any) -> Gateway:
    return Gateway(EtcdConfig(endpoints=urls, **fields), attempt=attempt, clock=lambda: 50.0, wall=lambda: 1000.0)


@asynccontextmanager
async def served(*fakes: FakeGateway, **fields: Any) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(fake.serving()) for fake in fakes]
        client = gateway(*urls, **fields)
        stack.push_async_callback(client.close)
        yield client


def told(client: Gateway, number: int = 0) -> dict[str, object]:
    status: Sequence[Any] = client.status()
    return dict(status[number])


def test_it_is_the_store_that_the_rest_of_the_plugin_asks() -> None:
    store: Store = gateway("http://127.0.0.1:1")
    assert store.status() == [
        {"endpoint": "http://127.0.0.1:1", "used": True, "failing_since": None, "error": None, "version": None}
    ]


FAILING: dict[str, tuple[Handler, str]] = {
    "silent": (hang, "no answer within 0.2 s"),
    "silent in the middle": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "hung up in the middle"),
    "half an answer in chunks": (chunked(b'{"header"'), "no answer within 0.2 s"),
    "hung up": (raw(b""), "hung up without an answer"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH\r\n\r\n"), "no answer in HTTP"),
    "endless head": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "no answer in HTTP"),
    "garbage": (reply(200, b"\xff\x00"), "not understood"),
    "empty": (reply(200, b""), "not understood"),
    "too large": (reply(200, b" " * (MOST_ANSWER_BYTES + 1)), "more than 8 MiB"),
    "endless": (chunked(*[b" " * 2**20] * 9), "more than 8 MiB"),
    "packed": (reply(200, gzip.compress(b"{}"), **{"Content-Encoding": "gzip"}), "not understood"),
    "sent elsewhere": (reply(307, b"", Location="http://127.0.0.1:1/"), "status 307"),
    "a proxy's error": (reply(502, b"<html>"), "fails with status 502"),
    "no etcd": (reply(404, b"Not Found"), "no gRPC gateway"),
    "no leader": (error(14, "etcdserver: no leader", 503), "etcdserver: no leader"),
    "too slow": (error(14, "etcdserver: request timed out", 503), "request timed out"),
}


@pytest.mark.parametrize(("failing", "why"), FAILING.values(), ids=FAILING)
async def test_an_endpoint_that_fails_is_named_and_the_next_one_asked(failing: Handler, why: str) -> None:
    bad, well = FakeGateway(otherwise=failing), FakeGateway(otherwise=GRANTED)
    async with served(bad, well, attempt=ATTEMPT if why.startswith("no answer within") else AMPLE) as client:
        begun = time.monotonic()
        assert (await client.grant(5)).lease == 5
        assert time.monotonic() - begun < AMPLE
        assert told(client)["used"] is False
        assert told(client)["failing_since"] == 1000.0
        assert why in str(told(client)["error"])
        assert (await client.grant(5)).lease == 5
        assert len(bad.asked) == 1, "what works is stayed with"


async def test_a_refused_connection_costs_no_time() -> None:
    well = FakeGateway(otherwise=GRANTED)
    (port,) = free_ports(1)
    async with well.serving() as url:
        client = gateway(f"http://127.0.0.1:{port}", url, attempt=30.0)
        assert (await client.grant(5)).lease == 5
        assert "connection refused" in str(told(client)["error"])
        await client.close()


async def test_when_all_fail_each_is_named_with_how_and_the_call_has_an_end() -> None:
    silent, broken = FakeGateway(otherwise=hang), FakeGateway(otherwise=reply(502, b""))
    async with served(silent, broken, attempt=ATTEMPT) as client:
        begun = time.monotonic()
        with pytest.raises(UnreachableError) as caught:
            await client.keep_alive(5)
        assert time.monotonic() - begun < 2.5
        assert caught.value.why == f"{silent.url}: no answer within 0.2 s; {broken.url}: fails with status 502"
        silent.otherwise = GRANTED
        await client.grant(5)
        assert told(client)["error"] is None
        assert told(client, 1)["error"] == "fails with status 502"


async def test_a_no_is_asked_of_one_endpoint_alone() -> None:
    one, other = FakeGateway(otherwise=error(3, "etcdserver: duplicate key given in txn request")), FakeGateway()
    async with served(one, other) as client:
        with pytest.raises(RefusedError, match=f"{one.url}: etcdserver: duplicate key"):
            await client.transact(Transaction())
        assert not other.asked


async def test_a_lease_that_is_gone_is_told_from_other_refusals() -> None:
    fake = FakeGateway(otherwise=error(5, "etcdserver: requested lease not found", 404))
    async with served(fake) as client:
        await client.revoke(5)
        with pytest.raises(LeaseGoneError):
            await client.transact(Transaction(then=(Put(key="/a", value=b"", lease=5),)))
        assert told(client)["error"] is None, "the endpoint did well"


async def test_an_endpoint_of_another_etcd_is_not_believed() -> None:
    """Two that know nothing of each other would each have a leader."""
    one, other = FakeGateway(otherwise=GRANTED), FakeGateway()
    other.otherwise = good(ID="6", TTL="5", header=HEADER | {"cluster_id": "77"})
    async with served(one, other) as client:
        assert (await client.grant(5)).lease == 5
        one.otherwise = hang
        with pytest.raises(UnreachableError, match="belongs to another etcd"):
            await client.grant(5)


async def test_connections_are_used_again() -> None:
    fake = FakeGateway(otherwise=GRANTED)
    async with served(fake) as client:
        for _ in range(5):
            await client.grant(5)
        assert len(fake.asked) == 5
        assert fake.connections <= 2, "one of them for the version"


async def test_the_environments_proxy_and_cookies_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fake = FakeGateway(otherwise=reply(200, json.dumps({"header": HEADER, "ID": "5", "TTL": "5"}).encode()))
    fake.next.append(
        reply(200, json.dumps({"header": HEADER, "ID": "5", "TTL": "5"}).encode(), **{"Set-Cookie": "a=b"})
    )
    async with served(fake) as client:
        await client.grant(5)
        await client.grant(5)
        assert "cookie" not in fake.asked[1].headers
        assert fake.asked[1].headers["content-type"] == "application/json"
        assert "authorization" not in fake.asked[1].headers


async def test_what_went_over_the_wire_is_counted() -> None:
    fake = FakeGateway(otherwise=GRANTED)
    async with served(fake) as client:
        await client.grant(5)
        asked = fake.asked[0]
        least = len(asked.body) + sum(len(name) + len(value) for name, value in asked.headers.items())
        traffic = client.traffic
        assert traffic.requests >= 1
        assert traffic.sent_bytes > least
        assert traffic.received_bytes > len(json.dumps(HEADER))


async def test_closed_it_asks_nobody() -> None:
    fake = FakeGateway(otherwise=GRANTED)
    async with served(fake) as client:
        await client.grant(5)
        await client.close()
        await client.close()
        with pytest.raises(StoreError, match="closed"):
            await client.grant(5)
        assert len(fake.asked) == 1


# -- watches


async def test_an_idle_watch_is_waited_for_longer_than_a_call() -> None:
    fake = FakeGateway(handlers={"/v3/watch": chunked(CREATED)})
    async with served(fake, attempt=1.0) as client, client.watch("/a/", 3) as batches:
        assert (await anext(batches)).header.revision == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(batches), 1.5)


async def test_who_gave_up_waiting_misses_nothing() -> None:
    first, rest = PROGRESS[:20], PROGRESS[20:]
    more = asyncio.Event()

    async def halting(asked: Any, writer: asyncio.StreamWriter) -> None:
        await chunked(CREATED, first)(asked, writer)
        await more.wait()
        writer.write(f"{len(rest):x}\r\n".encode() + rest + b"\r\n")

    fake = FakeGateway(handlers={"/v3/watch": halting})
    async with served(fake) as client, client.watch("/a/", 3) as batches:
        await anext(batches)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(batches), 0.05)
        more.set()
        assert (await anext(batches)).header.revision == 7


async def test_lines_come_in_whatever_pieces_and_empty_ones_are_none() -> None:
    lines = CREATED + b"\n\n" + PROGRESS + PROGRESS
    fake = FakeGateway(handlers={"/v3/watch": chunked(*(lines[at : at + 7] for at in range(0, len(lines), 7)))})
    async with served(fake) as client, client.watch("/a/", 3) as batches:
        assert [(await anext(batches)).header.revision for _ in range(3)] == [2, 7, 7]


@pytest.mark.parametrize(
    ("failing", "why"), [each for name, each in FAILING.items() if name not in ("endless", "too large")]
)
async def test_a_watch_that_cannot_be_opened_is_opened_at_the_next_endpoint(failing: Handler, why: str) -> None:
    bad, well = FakeGateway(otherwise=failing), FakeGateway(otherwise=chunked(CREATED))
    async with served(bad, well) as client, client.watch("/a/", 1) as batches:
        assert (await anext(batches)).changes == ()
        assert told(client)["error"] is not None


BREAKING: dict[str, tuple[Handler, str]] = {
    "it ends": (chunked(CREATED, ends=True), "ended the watch"),
    "it hangs up": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(CREATED), CREATED)),
        "",
    ),
    "garbage": (chunked(CREATED, b"\xff\n"), "not understood"),
    "a line without end": (chunked(CREATED, *[b" " * 2**20] * (MOST_LINE_BYTES // 2**20 + 2)), "more than 16 MiB"),
    "no leader": (
        chunked(CREATED, b'{"error": {"grpc_code": 14, "message": "etcdserver: no leader"}}\n'),
        "etcdserver: no leader",
    ),
}


@pytest.mark.parametrize(("breaking", "why"), BREAKING.values(), ids=BREAKING)
async def test_a_watch_that_breaks_says_how_and_its_endpoint_has_failed(breaking: Handler, why: str) -> None:
    fake = FakeGateway(handlers={"/v3/watch": breaking})
    async with served(fake, attempt=2.0) as client:
        async with client.watch("/a/", 1) as batches:
            assert (await anext(batches)).changes == ()
            with pytest.raises(UnreachableError) as caught:
                await anext(batches)
        assert why in caught.value.why
        assert str(told(client)["error"]) in caught.value.why


async def test_compaction_ends_a_watch_that_etcd_leaves_open() -> None:
    gone = json.dumps({"result": {"header": HEADER, "canceled": True, "compact_revision": "9"}}).encode() + b"\n"
    fake = FakeGateway(handlers={"/v3/watch": chunked(CREATED, gone)})
    async with served(fake) as client:
        async with client.watch("/a/", 3) as batches:
            with pytest.raises(CompactedError):
                _ = [batch async for batch in batches]
        assert told(client)["error"] is None


async def test_compaction_may_be_the_first_thing_that_is_said() -> None:
    gone = json.dumps({"result": {"header": HEADER, "canceled": True, "compact_revision": "9"}}).encode() + b"\n"
    fake = FakeGateway(handlers={"/v3/watch": chunked(gone)})
    async with served(fake) as client:
        async with client.watch("/a/", 3) as batches:
            with pytest.raises(CompactedError):
                await anext(batches)
        assert told(client)["error"] is None


async def test_a_right_that_is_taken_away_ends_a_watch_as_a_refusal() -> None:
    reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
    lost = json.dumps({"result": {"header": HEADER, "canceled": True, "cancel_reason": reason}}).encode() + b"\n"
    fake = FakeGateway(handlers={"/v3/watch": chunked(CREATED, lost)})
    async with served(fake) as client, client.watch("/a/", 3) as batches:
        await anext(batches)
        with pytest.raises(RefusedError, match="who shows no user may not read"):
            await anext(batches)


# -- users


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("right\n")
    return path


def checking(fake: FakeGateway, *tokens: str) -> None:
    """Have it give these tokens, and take the last one that it gave."""
    given: list[str] = []
    left = list(tokens)

    async def authenticate(asked: Any, writer: asyncio.StreamWriter) -> None:
        if json.loads(asked.body) != {"name": "les", "password": "right"}:
            await error(3, "etcdserver: authentication failed, invalid user ID or password")(asked, writer)
            return
        given.append(left.pop(0))
        await good(token=given[-1])(asked, writer)

    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        mine = asked.headers.get("authorization") in given[-1:]
        await (GRANTED if mine else error(16, "etcdserver: invalid auth token", 401))(asked, writer)

    fake.handlers[AUTH] = authenticate
    fake.otherwise = answer


def logins(fake: FakeGateway) -> int:
    return sum(asked.path == AUTH for asked in fake.asked)


async def test_a_token_is_had_once_and_anew_when_it_is_taken_no_more(password_file: Path) -> None:
    fake = FakeGateway()
    checking(fake, "one", "two")
    async with served(fake, username="les", password_file=password_file) as client:
        await asyncio.gather(*(client.grant(5) for _ in range(5)))
        assert logins(fake) == 1
        fake.next.append(error(16, "etcdserver: invalid auth token", 401))
        await client.grant(5)
        assert logins(fake) == 2


async def test_a_token_that_is_never_taken_is_a_refusal(password_file: Path) -> None:
    fake = FakeGateway(otherwise=error(16, "etcdserver: invalid auth token", 401), handlers={AUTH: good(token="x")})
    async with served(fake, username="les", password_file=password_file) as client:
        with pytest.raises(RefusedError, match="invalid auth token"):
            await client.grant(5)
        assert logins(fake) == 2


async def test_a_wrong_password_is_a_refusal_and_a_right_one_counts_at_once(password_file: Path) -> None:
    fake = FakeGateway()
    checking(fake, "one")
    password_file.write_text("wrong")
    async with served(fake, username="les", password_file=password_file) as client:
        with pytest.raises(RefusedError, match=f"{fake.url}: wrong user or password"):
            await client.grant(5)
        assert "wrong user or password" in str(told(client)["error"])
        password_file.write_text("right")
        await client.grant(5)


@pytest.mark.parametrize(
    ("data", "why"), [(None, "cannot be read: no such file"), (b"\xff", "no text"), (b"\n", "is empty")]
)
async def test_a_password_that_cannot_be_had_is_said(password_file: Path, data: bytes | None, why: str) -> None:
    password_file.unlink()
    if data is not None:
        password_file.write_bytes(data)
    fake = FakeGateway()
    async with served(fake, username="les", password_file=password_file) as client:
        with pytest.raises(StoreError, match=why):
            await client.grant(5)
        assert not fake.asked


async def test_an_etcd_without_users_takes_everybody(password_file: Path) -> None:
    fake = FakeGateway(otherwise=GRANTED)
    fake.handlers[AUTH] = error(9, "etcdserver: authentication is not enabled", 412)
    async with served(fake, username="les", password_file=password_file) as client:
        await client.grant(5)
        await client.grant(5)
        assert logins(fake) == 1
        assert "authorization" not in fake.asked[-1].headers
        checking(fake, "one")
        await client.grant(5)


async def test_an_etcd_with_users_says_what_is_lacking() -> None:
    fake = FakeGateway(otherwise=error(3, "etcdserver: user name is empty"))
    async with served(fake) as client:
        with pytest.raises(RefusedError, match="set username and password_file"):
            await client.range(Range(key="/a"))


async def test_a_login_that_takes_longer_than_a_call_ends_well(password_file: Path) -> None:
    """Looking at a password is slow; if each call began that anew, nobody would get in when all come at once."""
    fake = FakeGateway(otherwise=GRANTED)
    ready = asyncio.Event()

    async def slow(asked: Any, writer: asyncio.StreamWriter) -> None:
        await ready.wait()
        await good(token="one")(asked, writer)

    fake.handlers[AUTH] = slow
    async with served(fake, attempt=1.0, username="les", password_file=password_file) as client:
        with pytest.raises(UnreachableError, match="no answer within"):
            await client.grant(5)
        ready.set()
        await client.grant(5)
        assert logins(fake) == 1


async def test_a_silent_endpoint_keeps_nobody_from_getting_in_at_another(password_file: Path) -> None:
    silent, well = FakeGateway(otherwise=hang), FakeGateway()
    checking(well, "one")
    async with served(silent, well, attempt=1.0, username="les", password_file=password_file) as client:
        await client.grant(5)
        await client.close()
