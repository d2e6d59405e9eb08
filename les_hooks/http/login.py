"""The page on which a browser exchanges the token for a session. For this package only."""

import base64
import hashlib
import html
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from les_hooks.http.answers import refusal
from les_hooks.http.gate import LOGIN, Gate
from les_hooks.http.routes import Page

__all__ = ["login_routes"]

_FORM: Final = "application/x-www-form-urlencoded"
_STYLE: Final = (
    ":root{--paper:#fcfbf8;--ink:#1d1c1a;--quiet:#5f5b53;--accent:#0b6b5b;--fails:#a9261c;"
    "color-scheme:light dark;font:15px/24px ui-sans-serif,system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){:root{--paper:#141617;--ink:#e9e6df;--quiet:#a7a298;--accent:#62c9b1;"
    "--fails:#f4948a}}"
    "body{margin:0;background:var(--paper);color:var(--ink)}"
    "main{max-width:352px;margin:16vh auto;padding:0 16px}"
    "h1{margin:0 0 24px;font-size:32px;line-height:40px;letter-spacing:-.02em}"
    "label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}"
    "label,small{color:var(--quiet);font-size:13px}"
    "input,button{margin:4px 0 16px;padding:8px 12px;border:1px solid var(--quiet);border-radius:2px;"
    "background:none;color:inherit}"
    "button{border-color:var(--accent);background:var(--accent);color:var(--paper);font-weight:600;cursor:pointer}"
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}"
    "[hidden]{display:none}p{color:var(--fails)}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>les-hooks: log in</title>
<style>{style}</style>
<main>
<h1>les-hooks</h1>
{problem}<form method="post" action="{action}">
<input name="user" autocomplete="username" value="les-hooks" hidden>
<label for="token">The token of this listener</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<input name="next" type="hidden" value="{target}">
<button>Log in</button>
<small>It is in the file that <code>[http] token_file</code> names in les.toml, on this node.</small>
</form>
</main>
</html>
"""


def login_routes(gate: Gate, is_page: Callable[[str], bool]) -> tuple[Page, ...]:
    """The routes; `is_page` says whether somebody can be sent to this path after the login. None without a token."""
    if not gate.locked:
        return ()

    def target(wanted: str) -> str:
        # Only ever a path of ours: an address of elsewhere would make this page lend its name to a forged one.
        for path in (wanted, "/"):
            if is_page(path.partition("?")[0]) and path.isascii() and path.isprintable():
                return path
        return "/api/v1/status"

    async def show(request: web.Request) -> web.StreamResponse:
        return _page(200, target(request.query.get("next", "/")), "")

    async def enter(request: web.Request) -> web.StreamResponse:
        if request.content_type != _FORM:
            return refusal(415, f"this takes a form ({_FORM})")
        try:
            form = parse_qs((await request.read()).decode("utf-8", "replace"), max_num_fields=8)
        except ValueError:
            return refusal(400, "this takes the fields token and next")
        wanted = target(form.get("next", ["/"])[0])
        answer = gate.log_in(request, form.get("token", [""])[0].strip(), wanted)
        if answer is not None:
            return answer
        return gate.failed(request) or _page(401, wanted, "This is not the token.")

    async def leave(_request: web.Request) -> web.StreamResponse:
        return gate.log_out()

    return (
        Page(path=LOGIN, handler=show, open=True),
        Page(path=LOGIN, handler=enter, method="POST", open=True),
        Page(path="/logout", handler=leave, method="POST", open=True),
    )


def _page(status: int, target: str, problem: str) -> web.Response:
    text = _PAGE.format(
        style=_STYLE,
        action=LOGIN,
        target=html.escape(target),
        problem=f'<p role="alert">{html.escape(problem)}</p>\n' if problem else "",
    )
    response = web.Response(status=status, text=text, content_type="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response
