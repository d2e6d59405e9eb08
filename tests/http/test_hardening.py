"""What strangers send: nothing odd is answered as if it were a request, and no second one ever."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from les_hooks import Route
from les_hooks.http import connection, listener
from tests.cluster import free_ports
from tests.http.lone import Pages, lone, token_file

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "les-hooks",
}
PLUGINS_PATHS = ("/term", "/metrics", "/dashboard.js")
PATHS = (
    *("/healthz", "/readyz", "/leader", "/follower", "/login", "/logout"),
    *("/api/v1", "/api/v1/status", "/api/v1/history", "/api/v1/events", "/api/v1/openapi.json"),
    *PLUGINS_PATHS,
)
SMUGGLED = b"GET /term HTTP/1.1\r\nHost: localhost\r\n\r\n"


def requests(path: bytes) -> Iterator[tuple[str, bytes]]:
    """Odd requests for this page, each with a name."""
    host = b"Host: localhost\r\n"
    line = b"GET " + path + b" HTTP/1.1\r\n" + host
    for odd in (b"/" + path, b"/." + path, b"/x/.." + path, path + b"/", path + b"/.", path + b";a=b", path + b"%20"):
        yield repr(odd), b"GET " + odd + b" HTTP/1.1\r\n" + host + b"\r\n"
    escaped = b"/%" + b"%02x" % path[1] + path[2:]
    yield "escaped", b"GET " + escaped + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "escaped slash", b"GET %2f" + path[1:] + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "absolute", b"GET http://localhost" + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "authority", b"GET localhost" + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "backslash", b"GET \\" + path[1:] + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "NUL", b"GET " + path + b"\0 HTTP/1.1\r\n" + host + b"\r\n"
    yield "escaped NUL", b"GET " + path + b"%00 HTTP/1.1\r\n" + host + b"\r\n"
    yield "not ASCII", b"GET " + path + b"\xc3\xa9 HTTP/1.1\r\n" + host + b"\r\n"
    yield "not UTF-8", b"GET " + path + b"\xff HTTP/1.1\r\n" + host + b"\r\n"
    yield "blank in it", b"GET " + path + b" x HTTP/1.1\r\n" + host + b"\r\n"
    yield "upper case", b"GET " + path.upper() + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "HTTP/0.9", b"GET " + path + b"\r\n"
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "HTTP/9.9", b"GET " + path + b" HTTP/9.9\r\n" + host + b"\r\n"
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600
    yield "small letters", b"get " + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "no method of ours", b"BREW " + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "TRACE", b"TRACE " + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "CONNECT", b"CONNECT localhost:80 HTTP/1.1\r\n" + host + b"\r\n"
    yield "OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n"
    length, chunked = b"Content-Length: ", b"Transfer-Encoding: chunked\r\n"
    yield "length and chunks", line + length + b"4\r\n" + chunked + b"\r\n0\r\n\r\n" + SMUGGLED
    yield "chunks and length", line + chunked + length + b"4\r\n\r\n0\r\n\r\n" + SMUGGLED
    yield "two lengths", line + length + b"0\r\n" + length + b"%d\r\n\r\n" % len(SMUGGLED) + SMUGGLED
    yield "a list of lengths", line + length + b"0, 5\r\n\r\n" + SMUGGLED
    yield "negative length", line + length + b"-1\r\n\r\n" + SMUGGLED
    yield "length with a sign", line + length + b"+5\r\n\r\n" + SMUGGLED
    yield "huge length", line + length + b"9" * 30 + b"\r\n\r\n"
    yield "body", line + length + b"%d\r\n\r\n" % len(SMUGGLED) + SMUGGLED
    yield "unknown encoding", line + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED
    yield "encoding twice", line + chunked + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED
    yield "encoding with a tab", line + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    yield "encoding before the colon", line + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    yield "bad chunk", line + chunked + b"\r\nzz\r\n" + SMUGGLED
    yield "folded header", line + b"X-A: b\r\n c\r\n\r\n"
    yield "blank before the colon", b"GET " + path + b" HTTP/1.1\r\nHost : localhost\r\n\r\n"
    yield "header without a name", line + b": x\r\n\r\n"
    yield "NUL in a header", line + b"X-A: a\0b\r\n\r\n"
    yield "bare CR in a header", line + b"X-A: a\rX-B: c\r\n\r\n"
    yield "not UTF-8 in Expect", line + b"Expect: \xff\r\nContent-Length: 1\r\n\r\nx"
    yield "newline in the path", b"GET " + path + b"%0a HTTP/1.1\r\n" + host + b"Expect: \xff\r\n\r\n"
    yield "long line", b"GET " + path + b"?" + b"x" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "long header", line + b"Cookie: " + b"x" * 100_000 + b"\r\n\r\n"
    yield "many headers", line + b"X-A: b\r\n" * 10_000 + b"\r\n"


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_odd_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setitem(connection.LIMITS, "keepalive_timeout", 0.3)  # what looks like half a request is waited for
    async with lone(tmp_path, Pages(*PLUGINS_PATHS)) as at:
        for name, data in requests(path.encode()):
            answer = await at.raw(data)
            assert answer == b"" or answer[9:12] in (b"404", b"400", b"405"), name
            assert answer.count(b"HTTP/1.") <= 1, name
            assert b"\r\n\r\n1" not in answer, name  # the page /term, which a smuggled request would have got
        assert await at.get("/term") == (200, "1")
        assert {line["event"] for line in at.logs if line["event"].startswith(("http-", "request-"))} <= {
            "http-ready",
            "request-refused",
        }


@pytest.mark.parametrize(
    "first",
    [
        b"GET /leader HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /leader HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"HEAD /leader HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%0a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /leader HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /leader HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        b"POST /leader HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"GET /leader HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=lambda data: repr(data[:12]),
)
async def test_of_requests_in_a_row_one_is_answered(tmp_path: Path, first: bytes) -> None:
    async with lone(tmp_path, Pages("/term")) as at:
        for data in (first + SMUGGLED, first + SMUGGLED * 50):
            answer = await at.raw(data)
            assert answer.count(b"HTTP/1.") == 1
            assert not answer.endswith(b"\r\n\r\n1")


async def test_all_answers_have_the_strict_headers(tmp_path: Path) -> None:
    async with lone(tmp_path, Pages("/term")) as at:
        for path in (
            "/leader",
            "/follower",
            "/api/v1/status",
            "/api/v1/events",
            "/term",
            "/none",
            "/%0a",
            "/x?" + "y" * 9000,
        ):
            _, headers = await at.head(path)
            assert {name: headers.get(name) for name in HEADERS} == HEADERS, path
        _, headers = await at.head("/term", method="POST")
        assert {name: headers.get(name) for name in HEADERS} == HEADERS


async def test_no_other_site_is_let_to_read_an_answer(tmp_path: Path) -> None:
    """Whatever a browser asks beforehand on its behalf."""
    evil = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    async with lone(tmp_path, Pages("/term")) as at:
        for path in ("/leader", "/api/v1/status", "/api/v1/events", "/api/v1/openapi.json", "/term", "/none"):
            for method in ("GET", "OPTIONS"):
                status, headers = await at.head(path, method=method, headers=evil)
                assert not [name for name in headers if name.lower().startswith("access-control-")], path
                assert method == "GET" or status in (403, 404, 405)


async def test_methods_that_a_page_does_not_take_are_named(tmp_path: Path) -> None:
    async with lone(tmp_path, Pages("/term")) as at:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            for path in ("/leader", "/api/v1/status", "/api/v1/events", "/term"):
                status, headers = await at.head(path, method=method)
                assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_head_has_the_head_of_the_page_and_no_body(tmp_path: Path) -> None:
    async with lone(tmp_path, Pages("/term")) as at:
        for path in ("/leader", "/api/v1/status", "/api/v1/events", "/term"):
            answer = await at.raw(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\n")


# -- time and room -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"GET", b"GET /leader HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"POST /login HTTP/1.1\r\n"],
    ids=["silent", "a word", "half a head", "a line"],
)
async def test_who_never_ends_the_head_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setitem(connection.LIMITS, "keepalive_timeout", 0.2)
    async with lone(tmp_path) as at:
        assert await at.raw(data, seconds=3) == b""


async def test_one_byte_at_a_time_wins_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.LIMITS, "keepalive_timeout", 0.3)
    async with lone(tmp_path) as at:
        host, _, port = at.listen.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        ended = asyncio.create_task(reader.read())
        async with asyncio.timeout(3):
            writer.write(b"GET /leader HTTP/1.1\r\nX-Slow: ")
            while not ended.done():
                writer.write(b"x")
                await asyncio.sleep(0.02)
        assert await ended == b""
        writer.transport.abort()


async def test_a_body_that_never_comes_is_waited_for_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_HANDLER_SECONDS", 0.2)
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken="
        answer = await at.raw(b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form, seconds=3)
        assert answer.startswith(b"HTTP/1.1 503 ")


async def test_who_takes_a_long_answer_too_slowly_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTION_SECONDS", 0.5)

    async def long(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 20_000_000)

    async with lone(tmp_path, Pages(Route(path="/long", handler=long))) as at:
        reader, writer = await asyncio.open_connection(*at.listen.split(":"), limit=1024)
        writer.write(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        taken = 0
        ends = time.monotonic() + 0.8
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                taken += len(chunk)
                if time.monotonic() < ends:
                    await asyncio.sleep(0.02)  # slow as it is, it never stands still
        writer.transport.abort()
        assert 0 < taken < 20_000_000


async def test_connections_past_the_limit_are_turned_away_and_the_log_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_LOCAL_LIMITS", replace(listener._LOCAL_LIMITS, connections=5))
    async with lone(tmp_path) as at:
        host, _, port = at.listen.rpartition(":")
        streams = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
        for reader, writer in streams:
            writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"retry")
        assert [await at.raw(b"GET /leader HTTP/1.0\r\n\r\n") for _ in range(20)] == [b""] * 20
        assert len(at.said("http-connection-refused")) == 10
        for _, writer in streams:
            writer.transport.abort()
        async with asyncio.timeout(3):
            while not (await at.raw(b"GET /leader HTTP/1.0\r\n\r\n")).endswith(b"leader\n"):
                await asyncio.sleep(0.01)


async def test_who_says_nothing_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer must get to ask who leads: of those who hold a connection the first has to go."""
    monkeypatch.setattr(listener, "_LOCAL_LIMITS", replace(listener._LOCAL_LIMITS, at_once=5))
    async with lone(tmp_path) as at:
        host, _, port = at.listen.rpartition(":")
        held = []
        for _ in range(8):
            held.append(await asyncio.open_connection(host, int(port)))
            held[-1][1].write(b"GET /leader HTTP/1.1\r\nX-Slow: ")
            assert (await at.raw(b"GET /leader HTTP/1.0\r\n\r\n")).endswith(b"leader\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(2):  # before its time for a head is over
                assert await held[0][0].read() == b""
        for _, writer in held:
            writer.transport.abort()


async def test_a_host_that_floods_with_complete_requests_keeps_no_other_out(tmp_path: Path) -> None:
    """Each is complete but for a body that never comes, so that its handler waits for it."""
    (port,) = free_ports(1)
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken="
    request = b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form
    async with lone(tmp_path, listen=f"0.0.0.0:{port}", token_file=str(token_file(tmp_path))):
        held = []
        for _ in range(300):
            with contextlib.suppress(ConnectionError):
                held.append(await asyncio.open_connection("127.0.0.1", port))
                held[-1][1].write(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        writer.write(b"GET /leader HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(3):
            assert (await reader.read()).endswith(b"leader\n")
        for _, each in (*held, (reader, writer)):
            each.transport.abort()


async def test_nonsense_fills_no_log_and_puts_nothing_secret_into_it(tmp_path: Path) -> None:
    async with lone(tmp_path) as at:
        line, secret = b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"Bearer hunter2"
        for data in (
            b"Authorization: " + secret + b"x" * 9000,
            b"Cookie: hunter2=1; " + b"x" * 9000,
            b"Authorization: " + secret + b"\1",
            b"Authorization" + secret,
        ):
            assert (await at.raw(line + data + b"\r\n\r\n")).startswith(b"HTTP/1.0 400")
        await at.raw(b"GET /?hunter2" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(at.said("request-refused")) == 5
        assert "hunter2" not in repr(at.logs)
        for _ in range(30):
            await at.raw(line + b"A B\r\n\r\n")
        assert len(at.said("request-refused")) == 10
        assert {each["reason"] for each in at.said("request-refused")} >= {"Got more than 8190 bytes"}
