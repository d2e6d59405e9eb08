"""One attempt: what is posted, what each answer means, and that nobody hangs it up. Over real HTTP."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from aiohttp import web

from les_hooks import PluginError
from les_plugins.webhook.contract import Delivery, Outgoing, Verdict
from les_plugins.webhook.formats import FORMATS
from les_plugins.webhook.posting.transport import MOST_REPLY_BYTES
from les_plugins.webhook.settings import Endpoint
from tests.cluster import free_ports
from tests.fake_context import FakeContext
from tests.plugins.webhook.receivers import DELIVERY, Receiver, a_poster


async def test_an_event_arrives_with_its_id_and_without_a_query_of_whom() -> None:
    receiver = Receiver()
    async with receiver.serving() as url, a_poster(f"{url}/les?x=%2F%2b") as poster:
        answer = await poster.post(DELIVERY)
    (posted,) = receiver.posted
    assert (answer.verdict, answer.status, answer.why) == (Verdict.DELIVERED, 204, "")
    assert (posted.method, posted.path) == ("POST", "/les?x=%2F%2b")
    assert posted.headers["webhook-id"] == "msg-a-1-7"
    assert posted.headers["content-type"].startswith("application/cloudevents+json")
    assert posted.headers["user-agent"].startswith("les-hooks/")
    assert "webhook-signature" not in posted.headers
    assert 0 < answer.seconds < 5


STATUSES = {
    200: Verdict.DELIVERED,
    202: Verdict.DELIVERED,
    301: Verdict.REFUSED,
    302: Verdict.REFUSED,
    307: Verdict.REFUSED,
    400: Verdict.REFUSED,
    401: Verdict.REFUSED,
    404: Verdict.REFUSED,
    408: Verdict.RETRY,
    410: Verdict.GONE,
    413: Verdict.REFUSED,
    425: Verdict.RETRY,
    429: Verdict.RETRY,
    500: Verdict.RETRY,
    503: Verdict.RETRY,
    599: Verdict.RETRY,
    600: Verdict.REFUSED,
}


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_has_its_verdict(status: int) -> None:
    receiver = Receiver()
    receiver.instead.append(web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"}))
    async with receiver.serving() as url, a_poster(url) as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, answer.status) == (STATUSES[status], status)
    assert answer.why == "" if answer.verdict is Verdict.DELIVERED else answer.why.startswith(f"status {status}")
    assert len(receiver.posted) == 1


async def test_a_redirection_says_that_it_is_one() -> None:
    receiver = Receiver()
    receiver.instead.append(web.Response(status=302, headers={"Location": "http://elsewhere.example/s3cr3t"}))
    async with receiver.serving() as url, a_poster(url) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.why == "status 302, a redirection, which is not followed; is its URL right?"
    assert "s3cr3t" not in repr(answer)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [(429, "7", 7.0), (503, "Fri, 15 Jan 2100 08:00:30 GMT", 3600.0), (503, "soon", None), (410, "7", None)],
)
async def test_retry_after_is_handed_on_where_there_will_be_a_retry(
    status: int, text: str, seconds: float | None
) -> None:
    receiver = Receiver()
    receiver.instead.append(web.Response(status=status, headers={"Retry-After": text}))
    async with receiver.serving() as url, a_poster(url) as poster:
        assert (await poster.post(DELIVERY)).retry_after == seconds


async def test_a_flood_goes_over_one_connection() -> None:
    receiver = Receiver()
    async with receiver.serving() as url, a_poster(url) as poster:
        for _ in range(20):
            assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED
    assert len({posted.peer for posted in receiver.posted}) == 1


async def test_two_posts_at_a_time_do_not_wait_for_each_other() -> None:
    arrived = asyncio.Barrier(2)
    receiver = Receiver()

    class Slow(web.Response):
        async def prepare(self, request: web.BaseRequest) -> object:  # type: ignore[override]  # of a private type
            await arrived.wait()
            return await super().prepare(request)

    receiver.instead.extend([Slow(status=204), Slow(status=204)])
    async with receiver.serving() as url, a_poster(url) as poster:
        answers = await asyncio.gather(poster.post(DELIVERY), poster.post(DELIVERY))
    assert [answer.verdict for answer in answers] == [Verdict.DELIVERED] * 2


async def test_what_a_receiver_says_is_shown_within_bounds_and_fit_for_a_terminal() -> None:
    receiver = Receiver()
    receiver.instead.append(web.Response(status=400, body=b"no \x1b[31mservice\n" + "é".encode() * 10_000))
    async with receiver.serving() as url, a_poster(url) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.reply.startswith("HTTP 400 Bad Request\n\nno \\x1b[31mservice\né")
    assert answer.reply.endswith("(more is not shown)")
    assert len(answer.reply) < MOST_REPLY_BYTES + 100
    assert answer.why.startswith("status 400: no service é")
    assert len(answer.why) <= 220


async def test_what_is_no_text_is_not_shown() -> None:
    receiver = Receiver()
    receiver.instead.append(web.Response(status=200, body=b"\x1f\x8b\xff", headers={"Content-Encoding": "gzip"}))
    async with receiver.serving() as url, a_poster(url) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.DELIVERED
    assert answer.reply == "HTTP 200 OK\n\n(3 bytes that are no text)"


SECRET_PATH = "services/T0001234/B0005678/XXabcdefXX"


async def test_nothing_secret_is_in_an_answer_though_the_receiver_repeats_all_of_it() -> None:
    receiver = Receiver()
    path = SECRET_PATH.replace("/", "\\/")
    repeated = f'"{path}" /{SECRET_PATH}?key=k%20eykeykey Bearer topsecret-1 XXabcdefXX "k eykeykey"'
    receiver.instead.append(web.Response(status=404, text=repeated))
    headers = {"Authorization": "Bearer topsecret-1"}
    async with (
        receiver.serving() as url,
        a_poster(f"{url}/{SECRET_PATH}?key=k%20eykeykey", headers=headers) as poster,
    ):
        answer = await poster.post(DELIVERY)
    assert receiver.posted[0].headers["authorization"] == "Bearer topsecret-1"
    for secret in ("T0001234", "B0005678", "XXabcdefXX", "topsecret", "eykeykey"):
        assert secret not in repr(answer)
    assert answer.request.startswith(f"POST {url}/...\n")
    assert "Authorization: (hidden)" in answer.request
    assert '"specversion":"1.0"' in answer.request


async def test_a_host_that_refuses_the_connection_may_come_back() -> None:
    (port,) = free_ports(1)
    async with a_poster(f"http://127.0.0.1:{port}/s3cr3tpath") as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, answer.status, answer.why) == (Verdict.RETRY, None, "connection refused")
    assert "s3cr3tpath" not in repr(answer)


async def test_a_post_that_meets_the_end_leaves_nothing_open() -> None:
    receiver = Receiver()
    async with receiver.serving() as url, a_poster(url) as poster:
        late = asyncio.create_task(poster.post(DELIVERY))
        await asyncio.sleep(0)
        await poster.close()
        answer = await late
        assert answer.verdict is Verdict.RETRY
        assert (await poster.post(DELIVERY)).why == "the node ends, or posts with another configuration"
    assert receiver.posted == []


# -- files -------------------------------------------------------------------------------------------------------------


async def test_a_url_in_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file, now = tmp_path / "url", [0.0]
    receiver, other = Receiver(), Receiver()
    async with receiver.serving() as url, other.serving() as url2:
        file.write_text(f"{url}/one\n")
        file.chmod(0o600)
        async with a_poster(None, url_file=file) as poster:
            poster._clock = lambda: now[0]
            await poster.post(DELIVERY)
            file.write_text(f"{url2}/another\n")
            now[0] = 2.0
            await poster.post(DELIVERY)
    assert [posted.path for posted in receiver.posted] == ["/one"]
    assert [posted.path for posted in other.posted] == ["/another"]


async def test_a_file_that_is_opened_to_others_later_is_noticed(tmp_path: Path) -> None:
    file, now, receiver = tmp_path / "url", [0.0], Receiver()
    async with receiver.serving() as url:
        file.write_text(url)
        file.chmod(0o600)
        async with a_poster(None, url_file=file) as poster:
            poster._clock = lambda: now[0]
            assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED
            file.chmod(0o644)
            now[0] = 2.0
            assert "others could have the URL" in (await poster.post(DELIVERY)).why


BAD_FILES = {
    "missing": (None, 0o600, "No such file or directory; it has to hold the URL"),
    "open to all": ("https://hooks.example/s3cr3t", 0o644, "others could have the URL; chmod o-rwx,g-w"),
    "empty": ("\n", 0o600, "holds no URL; write it there"),
    "no URL": ("ftp://hooks.example/s3cr3t", 0o600, "is no URL of a web server"),
    "two": ("https://hooks.example/s3cr3t\nhttps://b.example/", 0o600, "is no URL"),
    "with a user": ("https://me:s3cr3t@hooks.example/", 0o600, "holds a user or a password"),
    "not encrypted": ("http://hooks.example/s3cr3t", 0o600, "is not encrypted; use https, or allow_http = true"),
    "not ASCII": ("https://bücher.example/s3cr3t", 0o600, "holds no URL"),
}


@pytest.mark.parametrize("what", BAD_FILES)
async def test_a_file_that_does_not_hold_a_url_is_said_and_tried_again(tmp_path: Path, what: str) -> None:
    text, mode, words = BAD_FILES[what]
    if text is not None:
        (tmp_path / "url").write_text(text)
        (tmp_path / "url").chmod(mode)
    async with a_poster(None, url_file=tmp_path / "url", allow_http=False) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert words in answer.why
    assert "s3cr3t" not in repr(answer)


async def test_a_secret_file_that_others_can_read_sends_nothing(tmp_path: Path) -> None:
    file, receiver = tmp_path / "secret", Receiver()
    file.write_text("whsec_" + "QUJD" * 8)
    file.chmod(0o604)
    async with receiver.serving() as url, a_poster(url, secret_file=file) as poster:
        answer = await poster.post(DELIVERY)
        assert answer.why == f"secret_file: {file} (mode 0604): others could have the secret; chmod o-rwx,g-w {file}"
        assert receiver.posted == []
        file.chmod(0o600)
        assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED


async def test_a_pipe_in_the_place_of_a_secret_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secret", 0o600)
    async with a_poster("https://127.0.0.1:1/", secret_file=tmp_path / "secret") as poster:
        assert "holds no secret" in (await poster.post(DELIVERY)).why


async def test_a_file_of_authorities_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nothing")
    async with a_poster("https://127.0.0.1:1/", ca_file=tmp_path / "ca") as poster:
        assert "holds no certificate; it has to hold whom to trust" in (await poster.post(DELIVERY)).why
    async with a_poster("https://127.0.0.1:1/", ca_file=tmp_path / "none") as poster:
        assert "No such file or directory" in (await poster.post(DELIVERY)).why


# -- formats of others -------------------------------------------------------------------------------------------------


def leaves(_: Delivery) -> Outgoing:
    raise SystemExit(3)


def broken(delivery: Delivery) -> Outgoing:
    raise RuntimeError(f"cannot write {delivery.id}")


FORMATS_OF_OTHERS = {
    "broken": (broken, Verdict.REFUSED, "the format 'theirs' failed: RuntimeError: cannot write msg-a-1-7"),
    "leaves": (leaves, Verdict.REFUSED, "the format 'theirs' failed: SystemExit: 3"),
    "bytes": (lambda _: b"{}", Verdict.REFUSED, "made no Outgoing with bytes, but bytes"),
    "text": (lambda _: Outgoing(body="{}", content_type="text/plain"), Verdict.REFUSED, "made no Outgoing with bytes"),  # type: ignore[arg-type]  # on purpose
    "large": (lambda _: Outgoing(body=b"x" * 300_000, content_type="text/plain"), Verdict.REFUSED, "more than 256 KiB"),
    "header": (
        lambda _: Outgoing(body=b"", content_type="a/b\r\nX: y"),
        Verdict.REFUSED,
        "not one line of plain ASCII",
    ),
    "no function": ("text", Verdict.RETRY, "is no function, but str"),
}


@pytest.mark.parametrize("what", FORMATS_OF_OTHERS)
async def test_a_format_that_fails_is_told_and_nothing_is_sent(what: str) -> None:
    write, verdict, words = FORMATS_OF_OTHERS[what]
    receiver, ctx = Receiver(), FakeContext(config=None, offered={FORMATS: {"theirs": write}})
    async with receiver.serving() as url, a_poster(url, ctx, format="theirs") as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, words in answer.why) == (verdict, True), answer.why
    assert receiver.posted == []


async def test_a_format_that_takes_its_time_delays_nothing_else() -> None:
    gate = threading.Event()

    def waits(_: Delivery) -> Outgoing:
        gate.wait(10)
        return Outgoing(body=b"", content_type="text/plain")

    ctx = FakeContext(config=None, offered={FORMATS: {"theirs": waits}})
    async with a_poster("http://127.0.0.1:1/", ctx, format="theirs", timeout=0.2) as poster:
        answer = await poster.post(DELIVERY)
        gate.set()
    assert (answer.verdict, answer.why) == (Verdict.RETRY, "no answer within 0.2 s")


async def test_a_format_that_hangs_at_each_attempt_takes_no_thread_of_the_daemon() -> None:
    gate = threading.Event()

    def waits(_: Delivery) -> Outgoing:
        gate.wait(10)
        return Outgoing(body=b"", content_type="text/plain")

    ctx, before = FakeContext(config=None, offered={FORMATS: {"theirs": waits}}), threading.active_count()
    async with a_poster("http://127.0.0.1:1/", ctx, format="theirs", timeout=0.02) as poster:
        for _ in range(40):
            assert (await poster.post(DELIVERY)).verdict is Verdict.RETRY
        assert threading.active_count() <= before + 1
        async with asyncio.timeout(1):
            await asyncio.to_thread(lambda: None)
        gate.set()


async def test_an_unknown_format_is_told_with_the_known_ones_and_may_still_come() -> None:
    ctx = FakeContext(config=None, offered={FORMATS: {"discord": broken}})
    async with a_poster("https://127.0.0.1:1/", ctx, format="slak") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why == "there is no format 'slak'; there are cloudevents, discord, slack"


async def test_bundled_formats_do_not_hang_on_the_offers_of_others() -> None:
    class Clashing(FakeContext):
        def offers(self, kind: str) -> dict[str, object]:
            raise PluginError("b", f"offers the {kind} 'x', as a does; turn one off")

    receiver, ctx = Receiver(), Clashing(config=None)
    async with receiver.serving() as url:
        async with a_poster(url, ctx, format="slack") as poster:
            assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED
        async with a_poster(url, ctx, format="x") as poster:
            assert "as a does; turn one off" in (await poster.post(DELIVERY)).why


# -- headers -----------------------------------------------------------------------------------------------------------


async def test_configured_headers_are_sent_and_may_replace_the_usual_ones() -> None:
    receiver = Receiver()
    async with receiver.serving() as url, a_poster(url, headers={"user-agent": "me", "Title": "les"}) as poster:
        await poster.post(DELIVERY)
    assert receiver.posted[0].headers["user-agent"] == "me"
    assert receiver.posted[0].headers["title"] == "les"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "\x00", "é"])
def test_a_header_of_two_lines_is_no_setting(value: str) -> None:
    with pytest.raises(ValueError, match="headers has 'X-A'"):
        Endpoint(name="chat", url="https://hooks.example/", headers={"X-A": value})


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    receiver = Receiver()
    async with receiver.serving() as url, a_poster(url) as poster:
        assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED
