"""The API's description of itself, as OpenAPI 3.1: of the pages that this listener has at this moment.

For this package only.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from les_hooks import __version__
from les_hooks.http.gate import LOGIN
from les_hooks.http.operations import OPERATIONS, RETRY, text
from les_hooks.http.routes import Page, Table
from les_hooks.http.shapes import Event, Gap, Index, Leadership, Status

__all__ = ["DESCRIPTION", "describe", "description_route"]

DESCRIPTION: Final = "/api/v1/openapi.json"
"""Where it is."""

_ABOUT: Final = """\
What one node of les-hooks tells of its cluster. Nothing here moves leadership.

What holds for all paths: GET answers HEAD as well. A path is compared as it was sent. A path that is not described is
404, a method that is not 405 with `Allow`; both are 401 to who has no token, where one is asked for. Refusals are one
line of text. A connection carries one request. Fields may be added to objects; none is renamed."""

# By status: what any page may answer, whatever it is about.
_CHALLENGE: Final = {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}}
_RESPONSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Malformed": text("The request is no such request, or a value in it is none; a line says which."),
    "SeeLogin": {
        "description": "For browsers, which ask for `text/html`: log in first.",
        "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
    },
    "NoToken": text("This needs the token.", headers=_CHALLENGE),
    "Elsewhere": text("Another site's page has sent it."),
    "OtherName": text("The listener does not go by the name in `Host`."),
    "TooMany": text("Too many wrong tokens.", headers=RETRY),
    "Failed": text("The page failed; the log of the node says why."),
    "Late": text("The page took too long."),
}


def description_route(table: Callable[[], Table], cookie: str | None) -> Page:
    """The page that shows it; `table` gives the pages of the moment, `cookie` is None where no token is asked for."""

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=msgspec.json.encode(describe(table(), cookie)), content_type="application/json")

    return Page(path=DESCRIPTION, handler=show)


def describe(table: Table, cookie: str | None) -> Mapping[str, Any]:
    """Describe these pages, the engine's and those of plugins. A session's `cookie` is None where there is no token."""
    schemes = {} if cookie is None else _schemes(cookie)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "les-hooks",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "node", "description": "What the node tells."},
            {"name": "health", "description": "A yes or no for load balancers, without a token and by any name."},
            {"name": "browsers", "description": "How a browser shows that it may."},
            {"name": "plugins", "description": "Pages of plugins, which say themselves what they answer."},
        ],
        "paths": {
            path: {method.lower(): _operation(page, schemes) for method, page in sorted(methods.items())}
            for path, methods in sorted(table.items())
        },
        "components": {"schemas": _schemas(), "responses": _RESPONSES, "securitySchemes": schemes},
    }


def _operation(page: Page, schemes: Mapping[str, Any]) -> Mapping[str, Any]:
    own = OPERATIONS.get((page.path, page.method))
    if own is None:  # a plugin's, of which no more is known than where it is
        summary = "A page of a plugin."
        own = {"tags": ["plugins"], "summary": summary, "responses": {"default": {"description": summary}}}
    locked = bool(schemes) and not page.open
    return {
        "tags": ["node"],
        **own,
        "responses": {**_refusals(page, locked), **own["responses"]},
        # Each alone is enough.
        "security": [{name: []} for name in schemes] if locked else [],
    }


def _refusals(page: Page, locked: bool) -> Mapping[str, Any]:
    """What the listener answers in the page's place; the listener's `_answer` and the gate, in the same order."""
    found = {"400": "Malformed"}
    if not page.any_host:
        found["421"] = "OtherName"
        if page.method != "GET":
            found["403"] = "Elsewhere"
    if locked:
        found |= {"401": "NoToken", "429": "TooMany"}
        if page.method == "GET":
            found["303"] = "SeeLogin"
    if not page.lasts:
        found |= {"500": "Failed", "503": "Late"}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in sorted(found.items())}


def _schemes(cookie: str) -> Mapping[str, Any]:
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "The token of `[http] token_file`."},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": f"What `{LOGIN}` gives for it."},
    }


@functools.cache
def _schemas() -> Mapping[str, Any]:
    _, found = msgspec.json.schema_components(
        (Event, Gap, Index, Leadership, Status), ref_template="#/components/schemas/{name}"
    )
    for schema in found.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    return found
