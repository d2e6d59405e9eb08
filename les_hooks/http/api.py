"""What the engine answers itself: whether this node lives and leads, its status and history, and events as they happen.

For this package only.
"""

import math
from typing import Final

import msgspec
from aiohttp import web

from les_hooks.daemon import Node
from les_hooks.hookspecs import NodeReport
from les_hooks.http.answers import refusal
from les_hooks.http.events import EventStream
from les_hooks.http.openapi import DESCRIPTION
from les_hooks.http.routes import Page

__all__ = ["api_routes"]

_INDEX: Final = {
    "status": "/api/v1/status",
    "history": "/api/v1/history",
    "events": "/api/v1/events",
    "openapi": DESCRIPTION,
}


def api_routes(node: Node, report: NodeReport, stream: EventStream) -> tuple[Page, ...]:
    """The routes over one node."""
    return (*_health_routes(node), *_data_routes(report, stream))


def _health_routes(node: Node) -> tuple[Page, ...]:
    """Answers of one word, in which there is nothing to protect, for load balancers, which call hosts by any name."""

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return _word(not node.stopping, "ok", "stopping")

    async def readyz(_request: web.Request) -> web.StreamResponse:
        return _word(node.view is not None and node.view.settled, "ready", "joining")

    async def leader(_request: web.Request) -> web.StreamResponse:
        return _word(node.is_leader, "leader", "not the leader")

    async def follower(_request: web.Request) -> web.StreamResponse:
        return _word(not node.is_leader and node.leader is not None, "follower", "not a follower")

    handlers = {"/healthz": healthz, "/readyz": readyz, "/leader": leader, "/follower": follower}
    return tuple(Page(path=path, handler=one, open=True, any_host=True) for path, one in handlers.items())


def _data_routes(report: NodeReport, stream: EventStream) -> tuple[Page, ...]:
    async def index(_request: web.Request) -> web.StreamResponse:
        return _json(_INDEX)

    async def status(_request: web.Request) -> web.StreamResponse:
        return _json(await report.status())

    async def history(request: web.Request) -> web.StreamResponse:
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            since = math.nan
        if not math.isfinite(since):
            return refusal(400, "since is a time in Unix seconds, such as 1767225600")
        return _json(report.history(since))

    return (
        Page(path="/api/v1", handler=index),
        Page(path="/api/v1/status", handler=status),
        Page(path="/api/v1/history", handler=history),
        Page(path="/api/v1/events", handler=stream.answer, lasts=True),
    )


def _word(good: bool, yes: str, no: str) -> web.Response:
    return web.Response(status=200 if good else 503, text=f"{yes if good else no}\n")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
