"""The plugin around the page: its routes, one rendering for all, and what it says of itself."""

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from les_plugins import dashboard
from les_plugins.dashboard.shared import FILES, SharedPage
from tests.fake_context import FakeContext
from tests.plugins.dashboard.samples import a_member, a_status, address
from tests.plugins.dashboard.stage import FakeNode
from tests.virtual import virtual


@pytest.fixture
async def visitor() -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who asks for the pages of a node."""
    app = web.Application()
    for route in dashboard.http_routes(node=FakeNode(), ctx=FakeContext(config=None)):
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
        yield session
    await runner.cleanup()


def test_only_the_page_needs_a_token() -> None:
    """The files are the same for every node in the world."""

    async def routes() -> dict[str, bool]:
        found = dashboard.http_routes(node=FakeNode(), ctx=FakeContext(config=None))
        return {route.path: route.open for route in found}

    assert asyncio.run(routes()) == {
        "/": False,
        "/dashboard.css": True,
        "/dashboard.js": True,
        "/dashboard.svg": True,
    }


async def test_the_page_and_its_files_say_what_they_are(visitor: aiohttp.ClientSession) -> None:
    kinds = {}
    for path in ("/", "/dashboard.css", "/dashboard.js", "/dashboard.svg"):
        async with visitor.get(path) as answer:
            kinds[path] = answer.headers["Content-Type"]
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
            assert "unsafe" not in policy
    assert list(kinds.values()) == [
        f"{kind}; charset=utf-8" for kind in ("text/html", "text/css", "text/javascript", "image/svg+xml")
    ]


async def test_who_has_the_page_already_is_told_so(visitor: aiohttp.ClientSession) -> None:
    async with visitor.get("/") as answer:
        etag = answer.headers["ETag"]
    async with visitor.get("/", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
        assert await answer.read() == b""
    async with visitor.get("/", headers={"If-None-Match": '"another"'}) as answer:
        assert answer.status == 200


async def test_many_who_look_at_once_cost_one_rendering() -> None:
    node = FakeNode()
    page = SharedPage(node)
    found = await asyncio.gather(*(page.get() for _ in range(100)))
    assert len({id(each) for each in found}) == 1
    assert (node.asked, page.renderings) == (1, 1)


async def test_one_who_goes_away_does_not_take_it_from_the_others() -> None:
    page = SharedPage(FakeNode())
    impatient = asyncio.create_task(page.get())
    waiting = asyncio.create_task(page.get())
    await asyncio.sleep(0)
    impatient.cancel()
    assert b"web-1 leads" in (await waiting).body
    assert impatient.cancelled()


@virtual()
async def test_it_is_rendered_anew_after_half_a_second_and_no_sooner() -> None:
    node = FakeNode()
    page = SharedPage(node)
    before = await page.get()
    await asyncio.sleep(0.4)
    assert await page.get() is before
    node.said = a_status(term=13)
    await asyncio.sleep(0.2)
    after = await page.get()
    assert b"in term 13" in after.body
    assert after.etag != before.etag


@virtual()
async def test_a_node_that_could_not_be_asked_is_asked_again() -> None:
    node = FakeNode()
    page = SharedPage(node)
    good, node.said = node.said, {}
    with pytest.raises(KeyError):
        await page.get()
    node.said = good
    await asyncio.sleep(0.6)
    assert b"web-1 leads" in (await page.get()).body


@virtual()
async def test_who_is_gone_keeps_its_name_on_the_page() -> None:
    node = FakeNode()
    page = SharedPage(node)
    await page.get()
    node.said = a_status(2)
    await asyncio.sleep(0.6)
    body = (await page.get()).body
    assert b"web-3 is lost" in body
    assert b"10.0.0.3:4000 is lost" not in body


@virtual()
async def test_only_so_many_names_are_remembered() -> None:
    node = FakeNode()
    page = SharedPage(node)
    for beginning in range(0, 1000, 100):
        node.said["members"] = [a_member(index) for index in range(beginning, beginning + 100)]
        await page.get()
        await asyncio.sleep(0.6)
    assert 100 <= len(page.names) <= 256
    assert address(999) in page.names


async def test_it_tells_how_much_work_the_page_is() -> None:
    ctx = FakeContext(config=None)
    assert dashboard.status(ctx=ctx)["renderings"] == 0
    show = dashboard.http_routes(node=FakeNode(), ctx=ctx)[0].handler
    for _ in range(3):
        await show(make_mocked_request("GET", "/"))
    assert dashboard.status(ctx=ctx)["renderings"] == 1


def test_the_script_makes_nothing_of_text_but_text() -> None:
    content, _ = FILES["dashboard.js"]
    script = content.decode()
    sinks = r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\b|new Function|importNode|ContextualFragment"
    assert not re.search(sinks, script)
    # What the allow-list holds can do nothing by itself.
    assert not re.search(
        r'"[^"]*\b(on\w+|style|src|srcdoc|action|script|iframe|img|form|use|animate)\b[^"]*"\)?\.split', script
    )
    assert len(script.splitlines()) < 210
