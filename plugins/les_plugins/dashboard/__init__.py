"""The bundled plugin `dashboard`: one page that shows how the cluster is, for people.

Loaded through its entry point; nothing imports it.

    shared      one rendering for all who look, and the files beside it
    page        the whole page, from a snapshot
    snapshot    what one rendering shows
    hero        who leads
    succession  who would lead after whom
    links       whom this node reaches
    timeline    who led over the last day
    activity    events, and how hooks ended
    health      what needs attention, facts, plugins
    webhooks    what waits to be posted
    words       moments, lengths of time, names, marks
    markup      HTML that is escaped unless it says otherwise
    static      the style, the script, the icon

`docs/dashboard.md` tells users of it.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import web

from les_hooks import Context, NodeReport, Route, hookimpl
from les_plugins.dashboard.shared import FILES, SharedPage

# By context and not in one variable: a process may hold several nodes.
_pages: WeakKeyDictionary[Context, SharedPage] = WeakKeyDictionary()

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": _POLICY}


@hookimpl
def http_routes(node: NodeReport, ctx: Context) -> Sequence[Route]:
    """The page, which is for who may see the node, and its files, which tell nothing."""
    page = _pages[ctx] = SharedPage(node)

    async def show(request: web.Request) -> web.StreamResponse:
        rendered = await page.get()
        headers = {**_HEADERS, "ETag": f'"{rendered.etag}"', "Cache-Control": "no-cache"}
        if any(tag.value == rendered.etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=rendered.body, content_type="text/html", charset="utf-8", headers=headers)

    return (Route(path="/", handler=show), *map(_file, FILES))


def _file(name: str) -> Route:
    content, kind = FILES[name]

    async def show(_request: web.Request) -> web.StreamResponse:
        # The page asks for it with its version.
        headers = {**_HEADERS, "Cache-Control": "max-age=86400"}
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    return Route(path=f"/{name}", handler=show, open=True)


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """Tell how much work the page is."""
    page = _pages.get(ctx)
    if page is None:
        return {"summary": "no page: `[http] listen` is not set", "renderings": 0}
    return {
        "summary": "shows the page",
        "renderings": page.renderings,
        "last_ms": round(page.seconds * 1000, 3),
    }
