"""The listener over a real node: pages of the engine and of plugins."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from les_hooks import Node, Route
from les_hooks.control import report
from les_hooks.http import listener
from les_hooks.http import report as http_report
from tests.http.lone import Pages, lone

NO_HANDLER: Any = 3


async def found(tmp_path: Path, plugin: Pages, *paths: str) -> list[tuple[int, str]]:
    """Status and text of these pages."""
    async with lone(tmp_path, plugin) as page:
        return [await page.get(path) for path in paths]


async def test_the_engine_and_plugins_answer(tmp_path: Path) -> None:
    pages = await found(tmp_path, Pages("/term"), "/healthz", "/readyz", "/leader", "/follower", "/term", "/none")
    assert pages[:4] == [(200, "ok"), (200, "ready"), (200, "leader"), (503, "not a follower")]
    assert pages[4:] == [(200, "1"), (404, "nothing here")]


async def test_status_and_history_are_those_of_the_commands(tmp_path: Path) -> None:
    async with lone(tmp_path) as page:
        status = json.loads((await page.get("/api/v1/status"))[1])
        assert status["is_me"] is True
        assert status["http"] == {"url": f"{page.url}/", "token": False}
        assert status.keys() == (await report.status(page.node)).keys()
        history = json.loads((await page.get("/api/v1/history"))[1])
        assert [row["term"] for row in history] == [1]
        assert json.loads((await page.get(f"/api/v1/history?since={time.time() + 60}"))[1]) == history  # it lasts
        assert (await page.get("/api/v1/history?since=yesterday"))[0] == 400
        assert (await page.get("/api/v1/history?since=nan"))[0] == 400
        assert json.loads((await page.get("/api/v1"))[1])["events"] == "/api/v1/events"


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        ("/healthz", "GET /healthz is taken"),
        ("term", "the path 'term' is not like"),
        ("/a//b", "the path '/a//b'"),
        ("/a/../b", "the path '/a/../b'"),
        ("/a?b", "the path '/a?b'"),
        ("/a%2fb", "the path"),
        ("/a/", "the path"),
        (Route(path="/x", handler=NO_HANDLER, method="HEAD"), "the method 'HEAD' of /x is none of GET"),
        (Route(path="/x", handler=NO_HANDLER), "the handler of /x cannot be called"),
        (7, "is no Route"),
    ],
    ids=repr,
)
async def test_of_a_plugin_that_offers_what_cannot_be_shown_nothing_is_and_that_is_said(
    tmp_path: Path, offered: Any, why: str
) -> None:
    async with lone(tmp_path, Pages("/term", offered)) as page:
        assert await page.get("/term") == (404, "nothing here")
        assert await page.get("/healthz") == (200, "ok")
        (refused,) = page.said("http-routes-refused")
        assert refused["plugin"] == "p0"
        assert why in refused["reason"]
        status = json.loads((await page.get("/api/v1/status"))[1])
        assert [text for text in status["warnings"] if text.startswith("the pages of the plugin p0 are not shown: ")]
        (listed,) = (each for each in status["plugins"] if each["name"] == "p0")  # as in `les plugins list`
        assert listed["why"] == f"its pages are not shown: {refused['reason']}"


async def test_two_pages_of_one_plugin_at_one_path_are_refused_too(tmp_path: Path) -> None:
    assert await found(tmp_path, Pages("/term", "/term"), "/term") == [(404, "nothing here")]


async def test_a_page_that_fails_says_so_without_details(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_HANDLER_SECONDS", 0.1)

    async def fails(_request: web.Request) -> web.StreamResponse:
        raise RuntimeError("the password is sesame")

    async def leaves(_request: web.Request) -> web.StreamResponse:
        raise SystemExit(3)

    async def hangs(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async def nothing(_request: web.Request) -> Any:
        return None

    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(text="no such thing")

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half of it")
        raise RuntimeError

    handlers = {"fails": fails, "leaves": leaves, "hangs": hangs, "nothing": nothing, "elsewhere": elsewhere}
    routes = [Route(path=f"/{name}", handler=one) for name, one in handlers.items()]
    async with lone(tmp_path, Pages(*routes, Route(path="/half", handler=half))) as page:
        failed = (500, "this page failed; the log of the node says more")
        assert [await page.get(f"/{name}") for name in ("fails", "leaves", "nothing")] == [failed] * 3
        assert await page.get("/hangs") == (503, "this page took too long")
        assert await page.get("/elsewhere") == (404, "no such thing")
        assert [line["path"] for line in page.said("http-page-failed")] == ["/fails", "/leaves", "/nothing"]
        assert [line["path"] for line in page.said("http-page-late")] == ["/hangs"]
        answer = await page.raw(b"GET /half HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        assert not answer.endswith(b"0\r\n\r\n")  # what is not whole does not look so
        assert await page.get("/healthz") == (200, "ok")


async def test_a_reload_adds_and_takes_away_pages(tmp_path: Path) -> None:
    async with lone(tmp_path, Pages("/term")) as page:
        config = page.node.config
        assert await page.get("/term") == (200, "1")
        await page.node.reload(replace(config, plugins={"scripts": config.plugins["scripts"]}))
        assert await page.get("/term") == (404, "nothing here")
        await page.node.reload(config)
        assert await page.get("/term") == (200, "1")


async def test_a_listener_that_has_ended_says_so_in_the_status(tmp_path: Path) -> None:
    async with lone(tmp_path) as page:
        node = page.node
    assert node.pages is None


async def test_many_who_ask_for_the_status_at_once_cost_as_much_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer asks every plugin."""
    made = []
    status = report.status

    async def counted(node: Node) -> Any:
        made.append(node)
        return await status(node)

    monkeypatch.setattr(report, "status", counted)
    monkeypatch.setattr(http_report, "_FRESH_SECONDS", 60.0)
    async with lone(tmp_path) as page:
        answers = await asyncio.gather(*(page.get("/api/v1/status") for _ in range(30)))
        assert {code for code, _ in answers} == {200}
        assert len(made) == 1
