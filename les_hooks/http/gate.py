"""Who may ask what: names that this listener goes by, requests from other pages, token and session.

For this package only.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import quote

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from les_hooks.http.answers import refusal, see_other
from les_hooks.http.routes import Page
from les_hooks.http.tokens import SESSION_SECONDS, TokenFile
from les_hooks.serving import Bucket
from les_hooks.wire import excerpt

__all__ = ["LOGIN", "Gate", "who"]

LOGIN: Final = "/login"
_SAFE: Final = frozenset({"GET", "HEAD"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


class Gate:
    """Decides on each request; with no `tokens`, whoever reaches the listener may ask.

    `hosts` are the names that a browser may call it by, None for any. `cookie` names the session's.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str] | None,
        tokens: TokenFile | None,
        cookie: str,
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
        failures: Bucket | None = None,
    ) -> None:
        self._hosts = None if hosts is None else frozenset(map(_plain, hosts))
        self._tokens = tokens
        self._cookie = cookie
        self._log = log
        self._wall = wall
        # Each failure is a line of the log. The right token is never refused: who locks out by trying would be anybody.
        self._failures = failures or Bucket(10, 5.0)

    @property
    def locked(self) -> bool:
        """Whether a token is asked for."""
        return self._tokens is not None

    @property
    def cookie(self) -> str | None:
        """The name of a session's cookie; None where no token is asked for."""
        return self._cookie if self.locked else None

    def refuse(self, request: web.Request, route: Page | None) -> web.Response | None:
        """Why this request is not answered, None where it is. `route` is what it asks for, if there is such a thing."""
        if route is not None and route.any_host:
            return None
        if (stranger := self._stranger(request)) is not None:
            return stranger
        if request.method not in _SAFE and not self._is_own_page(request):
            return refusal(403, "another site's page may not ask for this; start from a page of this listener")
        if route is not None and route.open:
            return None
        return self._unknown(request)

    def log_in(self, request: web.Request, token: str, target: str) -> web.Response | None:
        """Exchange a token for a session, and show the target; None where it is not the token."""
        if self._tokens is None or not self._tokens.matches(token):
            return None
        self._log.info("http-login", peer=who(request))
        response = see_other(target)
        response.set_cookie(
            self._cookie,
            self._tokens.session(self._wall()),
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            # A proxy's word. Who lies about it is the browser itself, and keeps the cookie from itself.
            secure=request.headers.get("X-Forwarded-Proto", "").lower() == "https",
        )
        return response

    def log_out(self) -> web.Response:
        """Have the browser forget its session."""
        response = see_other(LOGIN)
        response.del_cookie(self._cookie, path="/", httponly=True, samesite="Strict")
        return response

    def failed(self, request: web.Request) -> web.Response | None:
        """Take note of a wrong token; where there were too many, the answer to that."""
        if not self._failures.take():
            return refusal(429, "too many wrong tokens; wait a moment", {"Retry-After": "5"})
        self._log.warning("http-token-refused", peer=who(request))
        return None

    def _stranger(self, request: web.Request) -> web.Response | None:
        """Refuse what was sent to a name that is none of ours: a page that had its name point here (DNS rebinding)."""
        if self._hosts is None:
            return None
        named = request.headers.getall("Host", [])
        match = _HOST.fullmatch(named[0]) if len(named) == 1 else None
        if match is None:
            return refusal(400, "this needs the header Host, once, with the name of this host")
        # The port says nothing: it is another one behind a proxy or a tunnel, and all of a name are its owner's.
        name = _plain(match[1])
        # Nobody but the owner of an address can have a browser ask for it by number.
        if name in self._hosts or _is_ip(name):
            return None
        return refusal(421, f"this listener does not go by the name {name}; if it should, add it to [http] hosts")

    def _is_own_page(self, request: web.Request) -> bool:
        """Whether a page of ours has sent it, or no browser."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            return site in ("same-origin", "none")
        if origin is None:
            return True
        return origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()

    def _unknown(self, request: web.Request) -> web.Response | None:
        """Refuse who has neither token nor session."""
        if self._tokens is None:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            if self._tokens.matches(token.strip()):
                return None
            if (too_many := self.failed(request)) is not None:
                return too_many
        elif self._tokens.admits(request.cookies.get(self._cookie, ""), self._wall()):
            return None
        elif request.method in _SAFE and "text/html" in request.headers.get("Accept", ""):
            return see_other(f"{LOGIN}?next={quote(request.raw_path, safe='/', errors='replace')}")
        return refusal(401, "this needs the token of [http] token_file", {"WWW-Authenticate": "Bearer"})


def who(request: web.Request) -> str:
    """Who asks, for the log."""
    return excerpt(request.remote or "") or "local"


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
