"""Serving the pages and the API of a node: for `les run`, and for programs that hold a node themselves."""

import contextlib
from collections.abc import AsyncIterator

from les_hooks.daemon import Node
from les_hooks.hookspecs import NodeReport, Route
from les_hooks.http.api import api_routes
from les_hooks.http.listener import Listener, Table
from les_hooks.http.report import Report
from les_hooks.text import error_words

__all__ = ["serve_http"]


@contextlib.asynccontextmanager
async def serve_http(node: Node) -> AsyncIterator[None]:
    """Answer at `[http] listen` for a node that has been entered, inside the block; nothing where that is not set.

        async with Node(config) as node, serve_http(node):
            ...

    Raises StartError where it cannot listen there.
    """
    listen = node.config.http.listen
    if listen is None:
        yield
        return
    report = Report(node)
    listener = Listener(listen, node.log)

    def renew() -> None:
        listener.table = _table(node, report)

    renew()
    node.on_plugins = renew
    await listener.start()
    node.log.info("http-ready", listen=listen)
    try:
        yield
    finally:
        await listener.close()


def _table(node: Node, report: NodeReport) -> Table:
    """All routes: the engine's first, then those of the plugins in their order; of two for one path the first stays."""
    routes = {(route.method, route.path): route for route in api_routes(node, report)}
    for found in node.registry.implementations("http_routes"):
        context = node.plugins.contexts[found.plugin]
        try:
            offered: list[Route] = list(found.function(**found.bind(node=report, ctx=context)))
        except (Exception, SystemExit) as error:  # a stranger's code
            node.log.warning("http-routes-refused", plugin=found.plugin, error=error_words(error))
            continue
        taken = [route.path for route in offered if (route.method, route.path) in routes]
        if taken:
            node.log.warning("http-routes-refused", plugin=found.plugin, taken=taken)
            continue
        routes |= {(route.method, route.path): route for route in offered}
    return routes
