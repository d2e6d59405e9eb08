"""Events as they happen: nothing is lost without a word, nobody who is slow holds up anybody else."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from les_hooks.http import events
from tests.http.lone import Lone, event, lone
from tests.http.sse import Sent, read

BASE = 1_000_000
"""Far above the numbers of the node's own events."""


@contextlib.asynccontextmanager
async def listening(at: Lone, query: str = "", **headers: str) -> AsyncIterator[Any]:
    """What is sent, to be asked for with `anext`."""
    async with (
        at.browser(read_bufsize=2**20) as browser,
        browser.get(f"/api/v1/events{query}", headers=headers) as response,
    ):
        assert (response.status, response.content_type) == (200, "text/event-stream")
        async with contextlib.aclosing(read(response)) as sent, asyncio.timeout(10):
            yield sent


def mute(at: Lone) -> socket.socket:
    """A client that asks for events and takes none."""
    host, _, port = at.listen.rpartition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    client.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def tell(at: Lone, *numbers: int) -> None:
    for number in numbers:
        at.node.story.tell(event(BASE + number))


async def numbers(sent: Any, count: int) -> list[int]:
    """The numbers of the next events."""
    return [(await anext(sent)).data["seq"] - BASE for _ in range(count)]


async def test_an_event_is_sent_as_it_happens(tmp_path: Path) -> None:
    async with lone(tmp_path) as at, listening(at) as sent:
        hello = await anext(sent)
        assert hello.data is None
        last = int(hello.id)  # where it goes on after an interruption, should nothing happen before
        tell(at, 1)
        heard: Sent = await anext(sent)
        assert (heard.kind, heard.id) == ("member-joined", str(BASE + 1))
        assert heard.data == msgspec.json.decode(msgspec.json.encode(event(BASE + 1)))
        assert 0 < last < BASE


async def test_the_browser_is_told_when_to_try_again(tmp_path: Path) -> None:
    async with lone(tmp_path) as at, at.browser() as browser, browser.get("/api/v1/events") as response:
        assert await response.content.readline() == b"retry: 2000\n"
        assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_who_was_gone_for_a_while_hears_what_it_missed(tmp_path: Path, how: str) -> None:
    async with lone(tmp_path) as at:
        tell(at, 1, 2, 3, 4)
        known = str(BASE + 2)
        query = {"header": "", "query": f"?after={known}", "both": "?after=1"}[how]
        headers = {} if how == "query" else {"Last-Event-ID": known}
        async with listening(at, query, **headers) as sent:
            await anext(sent)
            assert await numbers(sent, 2) == [3, 4]
            tell(at, 5)
            assert await numbers(sent, 1) == [5]


async def test_who_knows_all_hears_of_no_gap(tmp_path: Path) -> None:
    async with lone(tmp_path) as at:
        tell(at, 1)
        async with listening(at, **{"Last-Event-ID": str(BASE + 1)}) as sent:
            await anext(sent)
            tell(at, 2)
            assert await numbers(sent, 1) == [2]
        async with listening(at, "?after=0") as sent:  # from the very first, which this node still knows
            await anext(sent)
            assert (await anext(sent)).data["seq"] == 1


@pytest.mark.parametrize("known", ["7", str(BASE + 9_999_999), "from another program", "-1", "²", "9" * 99])
async def test_who_knows_what_this_node_does_not_is_told_of_the_gap(tmp_path: Path, known: str) -> None:
    """After a restart, or another node's, or one too long ago."""
    async with lone(tmp_path) as at:
        tell(at, *range(1, 1100))
        async with listening(at, **{"Last-Event-ID": known}) as sent:
            await anext(sent)
            gap = await anext(sent)
            assert (gap.kind, gap.data["next"]) == ("gap", BASE + 100)
            assert gap.data["after"] == (int(known) if known.isascii() and known.isdigit() and len(known) < 17 else 0)
            assert await numbers(sent, 1000) == list(range(100, 1100))


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 30])
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, after: str) -> None:
    async with lone(tmp_path) as at:
        assert (await at.get(f"/api/v1/events?after={after}"))[0] == 400
        assert (await at.get(f"/api/v1/events?after={after}", headers={"Last-Event-ID": "1"}))[0] == 400


async def test_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BEAT_SECONDS", 0.02)
    async with lone(tmp_path) as at, listening(at) as sent:
        await anext(sent)
        assert [(await anext(sent)).comment for _ in range(3)] == ["alive"] * 3


async def test_a_storm_reaches_everybody_whole_and_in_order_in_few_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = events._write

    async def counting(response: Any, text: bytes) -> None:
        written.append(text)
        await write(response, text)

    monkeypatch.setattr(events, "_write", counting)
    async with lone(tmp_path) as at, contextlib.AsyncExitStack() as stack:
        sents = [await stack.enter_async_context(listening(at)) for _ in range(3)]
        for sent in sents:
            await anext(sent)
        written.clear()
        tell(at, *range(500))
        for sent in sents:
            assert await numbers(sent, 500) == list(range(500))
        assert len(written) < 3 * 20


async def test_who_reads_nothing_is_dropped_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_STALL_SECONDS", 0.3)
    monkeypatch.setattr(events, "_PACE_SECONDS", 0.001)
    async with lone(tmp_path) as at, listening(at) as sent:
        await anext(sent)
        told = 0
        with mute(at):
            while not at.said("http-stream-stalled"):
                tell(at, *range(told, told + 100))
                told += 100
                for _ in range(100):
                    await anext(sent)
        tell(at, told)
        assert await numbers(sent, 1) == [told]


async def test_who_falls_behind_what_is_remembered_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PACE_SECONDS", 0.1)
    async with lone(tmp_path) as at, listening(at) as sent:
        await anext(sent)
        tell(at, 0)
        assert await numbers(sent, 1) == [0]
        for first in range(1, 2001, 500):  # while it paces itself
            tell(at, *range(first, first + 500))
            await asyncio.sleep(0)
        gap = await anext(sent)
        assert (gap.kind, gap.data) == ("gap", {"after": BASE, "next": BASE + 1001})
        assert await numbers(sent, 1000) == list(range(1001, 2001))


async def test_more_at_once_than_a_node_keeps_leaves_a_gap_that_is_told(tmp_path: Path) -> None:
    async with lone(tmp_path) as at, listening(at) as sent:
        await anext(sent)
        tell(at, *range(2000))  # all before anybody can have heard any
        heard: list[Any] = []
        while not heard or heard[-1] != BASE + 1999:
            one = await anext(sent)
            heard.append(one.data["seq"] if one.kind != "gap" else (one.data["after"], one.data["next"]))
        gaps = [each for each in heard if isinstance(each, tuple)]
        assert (BASE + 999, BASE + 1500) in gaps
        told = [each for each in heard if isinstance(each, int)]
        assert told == sorted(set(told))


async def test_more_than_so_many_are_asked_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST_STREAMS", 2)
    async with lone(tmp_path) as at, listening(at) as one:
        await anext(one)
        async with listening(at) as two:
            await anext(two)
            status, headers = await at.head("/api/v1/events")
            assert (status, headers["Retry-After"]) == (503, "10")
            assert (await at.head("/leader"))[0] == 200
        async with asyncio.timeout(5):  # its place is free as soon as it has hung up
            while (await at.head("/api/v1/events", method="HEAD"))[0] != 200:
                await asyncio.sleep(0.01)


async def test_the_end_of_the_node_waits_for_no_stream(tmp_path: Path) -> None:
    """A stream ends whole, so that a browser sees no error; one whose reader takes nothing is cut."""
    async with contextlib.AsyncExitStack() as clients:
        async with lone(tmp_path) as at:
            browser = await clients.enter_async_context(at.browser())
            responses = [await browser.get("/api/v1/events") for _ in range(20)]
            clients.enter_context(mute(at))
            for response in responses:
                await response.content.readline()
            for first in range(0, 10_000, 500):
                tell(at, *range(first, first + 500))
                await asyncio.sleep(0.001)
            begin = time.monotonic()
        took = time.monotonic() - begin
        for response in responses:
            with contextlib.suppress(aiohttp.ClientPayloadError):
                await response.read()
    assert took < 1.0
