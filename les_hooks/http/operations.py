"""The engine's own pages in the words of OpenAPI: what each takes and answers. For `openapi` only.

What any page answers to who may not ask, or asks wrongly, is not here: `openapi` adds it by what the page is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["OPERATIONS", "RETRY", "text"]

_LONGEST: Final = 9_999_999_999_999_999


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, kind: str = "text/plain", **more: Any) -> dict[str, Any]:
    """A response that is text."""
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}, **more}


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _word(name: str, summary: str, yes: str, no: str) -> dict[str, Any]:
    def answer(word: str) -> dict[str, Any]:
        return {"description": word, "content": {"text/plain": {"schema": {"const": f"{word}\n"}}}}

    return {
        "operationId": name,
        "tags": ["health"],
        "summary": summary,
        "responses": {"200": answer(yes), "503": answer(no)},
    }


def _header(name: str, kind: str, description: str) -> dict[str, Any]:
    return {name: {"description": description, "required": True, "schema": {"type": kind}}}


RETRY: Final = _header("Retry-After", "integer", "In seconds.")
_SESSION: Final = {
    **_header("Location", "string", "A path of this listener."),
    **_header("Set-Cookie", "string", "The session, or its end."),
}
_EVENTS: Final = """\
Server-Sent Events, until the node stops; the schema is that of each. The first block has no event and the number of
the last one before the stream began; `gap` says that something is missing; a comment comes after 15 seconds of
silence."""
_SENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The event's `seq`."},
        "event": {"anyOf": [_ref("EventKind"), {"const": "gap"}]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"anyOf": [_ref("Event"), _ref("Gap")]},
        },
    },
    "required": ["event", "data"],
}
_DOCUMENT: Final = {"type": "object", "required": ["openapi", "paths"]}

OPERATIONS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = MappingProxyType(
    {
        ("/healthz", "GET"): _word("isAlive", "Whether the daemon runs and is not about to stop.", "ok", "stopping"),
        ("/readyz", "GET"): _word("isReady", "Whether the node has its first view of the cluster.", "ready", "joining"),
        ("/leader", "GET"): _word(
            "isLeader", "Whether the node leads and may act on it at this moment.", "leader", "not the leader"
        ),
        ("/follower", "GET"): _word(
            "isFollower", "Whether the node accepts another one as the leader.", "follower", "not a follower"
        ),
        ("/api/v1", "GET"): {
            "operationId": "getIndex",
            "summary": "Where to find the rest.",
            "responses": {"200": _json("Paths of this listener.", _ref("Index"))},
        },
        ("/api/v1/openapi.json", "GET"): {
            "operationId": "getDescription",
            "summary": "This description.",
            "responses": {
                "200": _json("An OpenAPI description.", {"type": "object", "required": ["openapi", "paths"]})
            },
        },
        ("/api/v1/status", "GET"): {
            "operationId": "getStatus",
            "summary": "All that this node tells of itself, at most a quarter of a second old.",
            "responses": {"200": _json("As `les status --json` prints it.", _ref("Status"))},
        },
        ("/api/v1/history", "GET"): {
            "operationId": "getHistory",
            "summary": "Who led, the oldest first.",
            "parameters": [
                {
                    "name": "since",
                    "in": "query",
                    "description": "Unix seconds: what had ended by then is left out.",
                    "schema": {"type": "number", "default": 0},
                }
            ],
            "responses": {
                "200": _json("As `les history --json` prints it.", {"type": "array", "items": _ref("Leadership")})
            },
        },
        ("/api/v1/events", "GET"): {
            "operationId": "getEvents",
            "summary": "What happens, as it happens.",
            "parameters": [
                {
                    "name": "after",
                    "in": "query",
                    "description": "The number of the last event that the reader knows: first it gets what followed.",
                    "schema": {"type": "integer", "minimum": 0, "maximum": _LONGEST},
                },
                {
                    "name": "Last-Event-ID",
                    "in": "header",
                    "description": "The same, as browsers send it; it wins. What is no number stands for 0.",
                    "schema": {"type": "string"},
                },
            ],
            "responses": {
                "200": {"description": _EVENTS, "content": {"text/event-stream": {"schema": _SENT}}},
                "503": text("As many listen already as may.", headers=RETRY),
            },
        },
        ("/login", "GET"): {
            "operationId": "showLogin",
            "tags": ["browsers"],
            "summary": "The page on which a browser exchanges the token for a session.",
            "parameters": [
                {
                    "name": "next",
                    "in": "query",
                    "description": "The path to go on to; one that there is not is passed over.",
                    "schema": {"type": "string", "default": "/"},
                }
            ],
            "responses": {"200": text("The page.", "text/html")},
        },
        ("/login", "POST"): {
            "operationId": "logIn",
            "tags": ["browsers"],
            "summary": "Exchange the token for a session.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "token": {"type": "string"},
                                "next": {"type": "string"},
                                "user": {"type": "string", "description": "For password managers; it says nothing."},
                            },
                            "required": ["token"],
                            "additionalProperties": {"type": "string"},
                            "maxProperties": 8,
                        }
                    }
                },
            },
            "responses": {
                "303": {"description": "The token is right.", "headers": _SESSION},
                "401": text("This is not the token: the page again.", "text/html"),
                "413": text("The body is too large."),
                "415": text("The body is no form."),
                "429": {"$ref": "#/components/responses/TooMany"},
            },
        },
        ("/logout", "POST"): {
            "operationId": "logOut",
            "tags": ["browsers"],
            "summary": "Have the browser forget its session.",
            "responses": {"303": {"description": "Done.", "headers": _SESSION}},
        },
    }
)
