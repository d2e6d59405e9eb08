"""Answers that are not a page's own, and the headers that all have. For this package only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

__all__ = ["refusal", "secure", "see_other"]

# Strict for all; a page that needs more says so itself.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer` browsers send `Origin: null` with our own forms, which is what strangers send, too.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def secure(response: web.StreamResponse) -> None:
    """Add the headers that every answer has, where it has not its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # Which library in which version answers is nobody's business.
    response.headers["Server"] = "les-hooks"


def refusal(status: int, why: str, headers: Mapping[str, str] = _NONE) -> web.Response:
    """One line of text on why not."""
    return web.Response(status=status, text=f"{why}\n", headers=headers)


def see_other(target: str) -> web.Response:
    """Send a browser to another page of this listener."""
    return web.Response(status=303, headers={"Location": target})
