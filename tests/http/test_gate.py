"""Who gets in: names of the host, tokens, sessions, and requests that another site's page has sent."""

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from les_hooks import Route
from les_hooks.http.tokens import SESSION_SECONDS, TokenFile
from les_hooks.serving import Bucket
from tests.http.lone import TOKEN, Lone, Pages, lone, token_file

BEARER = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html,application/xhtml+xml"}
OPEN = ("/healthz", "/readyz", "/leader", "/follower")


async def _hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


def page(path: str, **options: Any) -> Route:
    return Route(path=path, handler=_hello, **options)


async def log_in(at: Lone, token: str = TOKEN, **options: Any) -> tuple[int, Any]:
    data = {"token": token, "next": options.pop("next", "/")}
    return await at.head("/login", method="POST", data=data, **options)


# -- the name of the host ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9", 200),
        ("localhost:4080", 200),
        ("LOCALHOST.", 200),
        ("[::1]:4080", 200),
        ("10.1.2.3", 200),
        ("les.example.org", 200),
        ("LES.example.org:443", 200),
        ("evil.example", 421),
        ("evil.example:4080", 421),
        ("127.0.0.1.evil.example", 421),
        ("les.example.org.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 400),
        ("a b", 400),
        ("user@127.0.0.1", 400),
        ("127.0.0.1:4080:1", 400),
        ("127.0.0.1/x", 400),
        ("[::1", 400),
        ("127.0.0.1:x", 400),
    ],
)
async def test_only_names_of_this_host_are_answered(tmp_path: Path, host: str, status: int) -> None:
    """So that a page whose name is pointed at this host, after it was loaded, learns nothing."""
    async with lone(tmp_path, hosts=["les.example.org"]) as at:
        answer = await at.raw(b"GET /api/v1/history HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert status != 421 or b"add it to [http] hosts" in answer


async def test_load_balancers_may_call_the_host_as_they_like_or_not_at_all(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        for path in OPEN:
            for head in (b" HTTP/1.0\r\n", b" HTTP/1.1\r\nHost: what.ever\r\n"):
                answer = await at.raw(b"GET " + path.encode() + head + b"\r\n")
                body = answer.partition(b"\r\n\r\n")[2]
                assert body in (b"ok\n", b"ready\n", b"leader\n", b"not a follower\n")


# -- tokens ------------------------------------------------------------------------------------------------------------


async def test_who_has_no_token_sees_nothing_but_health(tmp_path: Path) -> None:
    plugin = Pages(page("/"), page("/open", open=True))
    async with lone(tmp_path, plugin, token_file=str(token_file(tmp_path))) as at:
        for path in ("/", "/none", "/api/v1/status", "/api/v1/history", "/api/v1/events"):
            status, headers = await at.head(path)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert (await at.head(path, headers=BEARER))[0] == (404 if path == "/none" else 200)
        assert (await at.get("/open")) == (200, "hello")
        assert [(await at.get(path))[0] for path in OPEN] == [200, 200, 200, 503]


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ü"]
)
async def test_what_is_not_the_token_is_refused(tmp_path: Path, value: str) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        status, _ = await at.head("/api/v1/status", headers={"Authorization": value})
        assert status == 401


async def test_wrong_tokens_are_bounded_and_logged_without_the_token_and_lock_nobody_out(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        wrong = {"Authorization": "Bearer sesame-open-thyself"}
        found = [(await at.head("/api/v1/status", headers=wrong))[0] for _ in range(14)]
        assert found[:10] == [401] * 10
        assert found[11:] == [429] * 3
        status, headers = await log_in(at, "sesame-open-thyself")
        assert (status, headers["Retry-After"]) == (429, "5")
        assert (await at.head("/api/v1/status", headers=BEARER))[0] == 200
        assert 10 <= len(at.said("http-token-refused")) <= 11
        assert {line["peer"] for line in at.said("http-token-refused")} == {"127.0.0.1"}
        assert "sesame" not in repr(at.logs)


async def test_a_token_is_rotated_without_a_restart_and_ends_all_sessions(tmp_path: Path) -> None:
    path = token_file(tmp_path)
    async with lone(tmp_path, token_file=str(path)) as at, at.browser() as browser:
        async with browser.post("/login", data={"token": TOKEN, "next": "/api/v1"}) as response:
            assert response.status == 200
        new = "another-token-" * 3
        path.write_text(new)
        assert (await at.head("/api/v1", headers=BEARER))[0] == 401
        assert (await at.head("/api/v1", headers={"Authorization": f"Bearer {new}"}))[0] == 200
        async with browser.get("/api/v1") as response:
            assert response.status == 401
        path.chmod(0o644)
        assert (await at.head("/api/v1", headers={"Authorization": f"Bearer {new}"}))[0] == 401
        (line,) = at.said("http-token-unusable")
        assert "mode 0644" in line["reason"]
        path.chmod(0o600)
        assert (await at.head("/api/v1", headers={"Authorization": f"Bearer {new}"}))[0] == 200
        assert new not in repr(at.logs)


async def test_every_login_is_logged_with_who_it_was_as_the_connection_says(tmp_path: Path) -> None:
    """And not as a header says, which is anybody's word."""
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        told = {"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7", "Forwarded": "for=10.9.8.7"}
        assert (await log_in(at, headers=told))[0] == 303
        assert (await log_in(at, "wrong", headers=told))[0] == 401
        assert [line["peer"] for line in at.said("http-login")] == ["127.0.0.1"]
        assert [line["peer"] for line in at.said("http-token-refused")] == ["127.0.0.1"]
        assert TOKEN not in repr(at.logs)


async def test_the_token_counts_in_its_header_and_nowhere_else(tmp_path: Path) -> None:
    """A URL with the token in it would stand in histories, in the logs of proxies, and be passed on."""
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        for name in ("token", "access_token", "key"):
            assert (await at.head("/api/v1/status", params={name: TOKEN}))[0] == 401
            assert (await at.head("/api/v1/status", cookies={name: TOKEN}))[0] == 401


async def test_a_new_login_gives_a_session_of_its_own_and_takes_over_none(tmp_path: Path) -> None:
    """Whoever plants a cookie in a browser has not logged it in, nor knows what it gets then."""
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        name = f"les-session-{at.listen.rpartition(':')[2]}"
        planted = "9999999999.0"
        assert (await at.head("/api/v1", cookies={name: planted}))[0] == 401
        _, headers = await log_in(at, cookies={name: planted})
        assert planted not in headers["Set-Cookie"]


def test_the_bucket_fills_again() -> None:
    now = [0.0]
    bucket = Bucket(2, 5.0, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 5.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


# -- browsers ----------------------------------------------------------------------------------------------------------


async def test_a_browser_logs_in_once_and_comes_to_the_page_that_it_asked_for(tmp_path: Path) -> None:
    plugin = Pages(page("/"), page("/term"))
    async with lone(tmp_path, plugin, token_file=str(token_file(tmp_path))) as at, at.browser() as browser:
        async with browser.get("/term?a=%22<b>&c=d", headers=HTML) as response:
            login = await response.text()
            assert response.url.path == "/login"
        assert "<script" not in login
        action = re.search(r'<form method="post" action="([^"]*)"', login)
        target = re.search(r'name="next" type="hidden" value="([^"]*)"', login)
        assert action is not None
        assert target is not None
        assert "<b>" not in login
        data = {"token": TOKEN, "next": target[1].replace("&amp;", "&")}
        async with browser.post(action[1], data=data, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/term?a=%22%3Cb%3E&c=d")
        async with browser.get("/term") as response:
            assert await response.text() == "hello"
        async with browser.post("/logout", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/login")
        async with browser.get("/term") as response:
            assert response.status == 401


async def test_the_cookie_is_for_this_listener_alone_and_no_scripts(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        _, headers = await log_in(at)
        port = at.listen.rpartition(":")[2]
        words = [word.strip() for word in headers["Set-Cookie"].split(";")]
        assert words[0].startswith(f"les-session-{port}=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_SECONDS}"} <= set(words)
        assert "Secure" not in words
        assert TOKEN not in headers["Set-Cookie"]
        _, headers = await log_in(at, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in headers["Set-Cookie"]


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "", "term"),
        *("/none", "/%0d%0aX-Evil: 1", "/\r\nX-Evil: 1", "/é", "/logout", "/../term"),
    ],
)
async def test_after_the_login_nobody_is_sent_elsewhere(tmp_path: Path, target: str) -> None:
    async with lone(tmp_path, Pages(page("/"), page("/term")), token_file=str(token_file(tmp_path))) as at:
        status, headers = await log_in(at, next=target)
        assert (status, headers["Location"]) == (303, "/")
        assert "X-Evil" not in headers
        _, text = await at.get("/login", params={"next": target})
        assert 'type="hidden" value="/"' in text


async def test_without_a_page_at_the_root_the_login_leads_to_the_status(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        assert (await log_in(at))[1]["Location"] == "/api/v1/status"


async def test_a_wrong_token_shows_the_form_again(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        status, text = await at.get("/login", method="POST", data={"token": "x", "next": "/api/v1"})
        assert status == 401
        assert "This is not the token." in text
        assert 'value="/api/v1"' in text
        assert (await at.head("/login", method="POST", data=b"token=x"))[0] == 415
        assert (await at.head("/login", method="POST", data={str(i): "x" for i in range(99)}))[0] == 400
        assert (await at.head("/login", method="POST", data={"token": "x" * 50_000}))[0] == 413


async def test_without_a_token_file_there_is_nothing_to_log_in_to(tmp_path: Path) -> None:
    async with lone(tmp_path) as at:
        assert (await at.head("/login"))[0] == 404
        assert (await at.head("/api/v1"))[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://{listen}"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://{listen}"}, 403),
    ],
    ids=repr,
)
async def test_what_changes_something_is_taken_from_our_own_pages_only(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with lone(tmp_path, Pages(page("/do", method="POST"))) as at:
        filled = {key: value.format(listen=at.listen) for key, value in headers.items()}
        assert (await at.head("/do", method="POST", headers=filled))[0] == status
        assert (await at.head("/api/v1", headers=filled))[0] == 200


async def test_another_site_can_log_nobody_in_or_out(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        evil = {"Origin": "http://evil.example"}
        assert (await log_in(at, headers=evil))[0] == 403
        assert (await at.head("/logout", method="POST", headers=evil))[0] == 403


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_a_session_ends_after_twelve_hours_and_cannot_be_made_up(tmp_path: Path) -> None:
    tokens = TokenFile(token_file(tmp_path), log=None)  # type: ignore[arg-type]  # nothing is logged here
    session = tokens.session(1000.0)
    assert tokens.admits(session, 1000.0)
    assert tokens.admits(session, 1000.0 + SESSION_SECONDS - 1)
    assert not tokens.admits(session, 1000.0 + SESSION_SECONDS)
    end, _, signature = session.partition(".")
    for forged in (
        f"{int(end) + 1}.{signature}",
        f"{end}.{signature[:-1]}",
        f"{end}.",
        f"{end}",
        "",
        ".",
        f"-{end}.{signature}",
        f"{end}.{signature}é",
        f"{'9' * 5000}.{signature}",
        f"²{end}.{signature}",
    ):
        assert not tokens.admits(forged, 1000.0), forged
