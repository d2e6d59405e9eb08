"""Serving the pages and the API of a node: for `les run`, and for programs that hold a node themselves."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping

from les_hooks.daemon import Node
from les_hooks.daemon.pages import Pages
from les_hooks.errors import PluginError
from les_hooks.hookspecs import NodeReport
from les_hooks.http.api import api_routes
from les_hooks.http.events import EventStream
from les_hooks.http.gate import Gate
from les_hooks.http.listener import Listener
from les_hooks.http.login import login_routes
from les_hooks.http.openapi import description_route
from les_hooks.http.place import Place
from les_hooks.http.report import Report
from les_hooks.http.routes import Page, Table, usable
from les_hooks.http.tokens import TokenFile
from les_hooks.text import error_words

__all__ = ["serve_http"]


@contextlib.asynccontextmanager
async def serve_http(node: Node) -> AsyncIterator[None]:
    """Answer at `[http] listen` for a node that has been entered, inside the block; nothing where that is not set.

        async with Node(config) as node, serve_http(node):
            ...

    Raises StartError where it cannot listen there, or the token cannot be used.
    """
    listen = node.config.http.listen
    if listen is None:
        yield
        return
    report = Report(node)
    gate = _gate(node)
    listener = Listener(Place.of(listen), gate, node.log)
    stream = EventStream(report.events, node.log)
    own = (
        *api_routes(node, report, stream),
        description_route(lambda: listener.table, gate.cookie),
        *login_routes(gate, lambda path: "GET" in listener.table.get(path, {})),
    )

    def renew() -> None:
        listener.table, refused = _table(node, report, own)
        node.pages = Pages(url=listener.url, token=gate.locked, refused=refused)

    try:
        await listener.start()
        renew()
        node.on_plugins = renew
        node.log.info("http-ready", url=listener.url)
        yield
    finally:
        node.on_plugins, node.pages = _nothing, None
        await stream.close()
        await listener.close()


def _nothing() -> None:
    """Nobody wants to know any more."""


def _gate(node: Node) -> Gate:
    http = node.config.http
    assert http.listen is not None
    place = Place.of(http.listen)
    return Gate(
        hosts=None if place.path is not None else ("localhost", place.host, *http.hosts),
        tokens=None if http.token_file is None else TokenFile(http.token_file, node.log),
        # Browsers keep the cookies of all ports of a host together, and there may be several nodes on this one.
        cookie="les-session" if place.path is not None else f"les-session-{place.port}",
        log=node.log,
    )


def _table(node: Node, report: NodeReport, own: Iterable[Page]) -> tuple[Table, Mapping[str, str]]:
    """All pages, the engine's first, then those of the plugins in their order; and of which there are none, and why.

    A plugin that offers one that cannot be shown has none: half of its pages might be worse.
    """
    pages = {(page.path, page.method): page for page in own}
    refused: dict[str, str] = {}
    for found in node.registry.implementations("http_routes"):
        try:
            offered = found.function(**found.bind(node=report, ctx=node.plugins.contexts[found.plugin]))
            pages |= usable(found.plugin, pages, offered)
        except (Exception, SystemExit) as error:  # a stranger's code, or what is wrong with what it offers
            why = error.why if isinstance(error, PluginError) else error_words(error)
            node.log.warning("http-routes-refused", plugin=found.plugin, reason=why)
            refused[found.plugin] = why
    table: dict[str, dict[str, Page]] = {}
    for (path, method), page in pages.items():
        table.setdefault(path, {})[method] = page
    return table, refused
