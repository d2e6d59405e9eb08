"""The listener over a real node: pages of the engine and of plugins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from les_hooks import Node, NodeReport, Route, hookimpl, serve_http
from les_hooks.daemon import load_config
from les_hooks.testing.offer import registry_of
from tests.backends.peers.fakes import free_port


class Pages:
    """A plugin with one page of its own, and one that the engine has."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    @hookimpl
    def http_routes(self, node: NodeReport) -> Sequence[Route]:
        """Its pages tell the term."""

        async def term(_request: web.Request) -> web.StreamResponse:
            return web.Response(text=f"{(await node.status())['term']}")

        return [Route(path=path, handler=term) for path in self.paths]


async def answers(tmp_path: Path, plugin: Pages, *paths: str) -> list[tuple[int, str]]:
    """Status and text of these pages of a node that leads alone."""
    port, page = free_port(), free_port()
    registry, _ = registry_of(plugin, "pages")
    config = load_config(
        None,
        flags={
            "node.bind": (f"127.0.0.1:{port}", "test"),
            "node.state_dir": (str(tmp_path), "test"),
            "cluster.seeds": ([f"127.0.0.1:{port}"], "test"),
            "hooks.dir": (str(tmp_path / "hooks.d"), "test"),
            "http.listen": (f"127.0.0.1:{page}", "test"),
        },
        registry=registry,
    )
    table: dict[str, Any] = dict.fromkeys(("pages", "scripts"), config.plugins["scripts"])
    node = Node(msgspec.structs.replace(config, plugins=table), registry=registry)
    async with node, serve_http(node), aiohttp.ClientSession(f"http://127.0.0.1:{page}") as browser:
        await node.wait_elected()
        found = []
        for path in paths:
            async with browser.get(path) as response:
                found.append((response.status, (await response.text()).strip()))
        return found


async def test_the_engine_and_plugins_answer(tmp_path: Path) -> None:
    found = await answers(tmp_path, Pages("/term"), "/healthz", "/readyz", "/leader", "/follower", "/term", "/none")
    assert found[:4] == [(200, "ok"), (200, "ready"), (200, "leader"), (503, "not a follower")]
    assert found[4:] == [(200, "1"), (404, "nothing here")]


async def test_of_a_plugin_that_wants_a_page_of_the_engine_none_is_shown(tmp_path: Path) -> None:
    found = await answers(tmp_path, Pages("/term", "/healthz"), "/healthz", "/term")
    assert found == [(200, "ok"), (404, "nothing here")]
