"""What the engine answers itself: whether this node lives and leads, and its status as JSON. For this package only."""

import msgspec
from aiohttp import web

from les_hooks.daemon import Node
from les_hooks.hookspecs import NodeReport, Route

__all__ = ["api_routes"]


def api_routes(node: Node, report: NodeReport) -> tuple[Route, ...]:
    """The routes over one node."""

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return _word(not node.stopping, "ok", "stopping")

    async def readyz(_request: web.Request) -> web.StreamResponse:
        return _word(node.view is not None and node.view.settled, "ready", "joining")

    async def leader(_request: web.Request) -> web.StreamResponse:
        return _word(node.is_leader, "leader", "not the leader")

    async def follower(_request: web.Request) -> web.StreamResponse:
        return _word(not node.is_leader and node.leader is not None, "follower", "not a follower")

    async def status(_request: web.Request) -> web.StreamResponse:
        return _json(await report.status())

    async def history(_request: web.Request) -> web.StreamResponse:
        return _json(report.history())

    return (
        Route(path="/healthz", handler=healthz, open=True),
        Route(path="/readyz", handler=readyz, open=True),
        Route(path="/leader", handler=leader, open=True),
        Route(path="/follower", handler=follower, open=True),
        Route(path="/api/v1/status", handler=status),
        Route(path="/api/v1/history", handler=history),
    )


def _word(good: bool, yes: str, no: str) -> web.Response:
    return web.Response(status=200 if good else 503, text=f"{yes if good else no}\n")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
