"""One call: bounded in time and size, counted, and never sent by who leads no more. Over real HTTP."""

import asyncio
import dataclasses
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from les_plugins.floating_ip.allowance import Allowance, Purpose
from les_plugins.floating_ip.http import MOST_BYTES, Http
from les_plugins.floating_ip.tokens import Bearer, read_secret, secret_path
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.lookup import Lookup
from tests.cluster import free_ports
from tests.needs import need_program
from tests.plugins.floating_ip.fakes import TOKEN, Answer, FakeDigitalOcean, error, hang, raw, reset
from tests.plugins.floating_ip.stage import WORLD
from tests.virtual import virtual

PATH = "/v2/reserved_ips/203.0.113.7"
ASSIGN = {"type": "assign", "droplet_id": 111}


class Thing(msgspec.Struct):
    id: int


class Told(msgspec.Struct):
    status: Literal["done"]


def http(url: str, **fields: object) -> Http:
    plain = {"base": url, "timeout": 5.0, "wall": WORLD.wall, "lookup": Lookup()}
    return Http(**{**plain, **fields})  # type: ignore[arg-type]  # as each test needs it


@asynccontextmanager
async def answering(*answers: Answer) -> AsyncIterator[Http]:
    """A server that gives these answers, one after the other."""
    cloud = FakeDigitalOcean()
    cloud.instead.extend(answers)
    async with cloud.serving() as url:
        yield http(url)


async def trouble_of(asking: Http) -> Trouble:
    with pytest.raises(Trouble) as caught:
        (await asking.get(PATH)).read(Thing)
    return caught.value


BAD: dict[str, tuple[Answer, Fault, str]] = {
    "no JSON": (raw(b"{"), Fault.MALFORMED, "not understood"),
    "no text": (raw(b'{"id": "\xff"}'), Fault.MALFORMED, "not understood"),
    "of another form": (raw(b'{"id": "7"}'), Fault.MALFORMED, "Expected int, got str - at $.id"),
    "without what matters": (raw(b"{}"), Fault.MALFORMED, "missing required field id"),
    "nested without end": (raw(b"[" * 60_000), Fault.MALFORMED, "not understood"),
    "empty": (raw(b""), Fault.MALFORMED, "not understood"),
    "too large": (raw(b"[" + b"1," * MOST_BYTES), Fault.MALFORMED, "more than 64 KiB"),
    "a redirection": (raw(b"", 302, Location="https://elsewhere.example/"), Fault.MALFORMED, "a redirection"),
    "denied": (error(401, "Unable to authenticate you"), Fault.DENIED, "status 401"),
    "forbidden": (error(403), Fault.DENIED, "status 403"),
    "missing": (error(404), Fault.MISSING, "status 404"),
    "locked": (error(423), Fault.BUSY, "status 423"),
    "refused": (error(422), Fault.REFUSED, "status 422"),
    "throttled": (error(429), Fault.THROTTLED, "status 429"),
    "broken": (raw(b"<html>" * 100_000, 502), Fault.MALFORMED, "more than 64 KiB"),
    "unavailable": (raw(b"<html>", 503), Fault.BROKEN, "status 503"),
    "no HTTP": (reset, Fault.UNREACHABLE, "hung up without an answer"),
    "silent": (hang, Fault.UNREACHABLE, "no answer within 5 s"),
}


@pytest.mark.parametrize("what", BAD)
@virtual(0.02)
async def test_every_answer_that_is_not_a_good_one_is_a_trouble_with_its_reason(what: str) -> None:
    answer, fault, words = BAD[what]
    async with answering(answer, answer) as asking:
        trouble = await trouble_of(asking)
    assert trouble.fault is fault
    assert words in trouble.why


async def test_a_host_that_refuses_the_connection_is_unreachable() -> None:
    (port,) = free_ports(1)
    trouble = await trouble_of(http(f"http://127.0.0.1:{port}"))
    assert (trouble.fault, trouble.why) == (Fault.UNREACHABLE, "connection refused")


async def test_a_name_that_cannot_be_found_is_unreachable() -> None:
    trouble = await trouble_of(http("http://nobody.invalid"))
    assert trouble.fault is Fault.UNREACHABLE
    assert "looked up" in trouble.why


WAITS = {
    "7": 7.0,
    "0": 0.0,
    "999999": 3600.0,
    "-3": 0.0,
    "soon": 0.0,
    "": 0.0,
    "Fri, 15 Jan 2027 08:00:30 GMT": 30.0,
    "Fri, 15 Jan 2027 07:00:00 GMT": 0.0,
}


@pytest.mark.parametrize("text", WAITS)
@virtual(0.02)
async def test_retry_after_is_seconds_or_a_date(text: str) -> None:
    async with answering(error(429, Retry_After=text)) as asking:
        trouble = await trouble_of(http(asking.base, wall=lambda: 1_800_000_000.0))
    assert trouble.retry_after == WAITS[text]


@virtual(0.02)
async def test_a_change_is_not_sent_by_who_may_no_more_when_the_connection_stands() -> None:
    cloud = FakeDigitalOcean()

    def refuse() -> None:
        raise Trouble(Fault.LOST_AUTHORITY, "not now")

    async with cloud.serving() as url:
        with pytest.raises(Trouble, match="lost-authority: not now"):
            await http(url, permit=refuse).send("POST", f"{PATH}/actions", ASSIGN)
        # And a look needs no permit.
        cloud.tokens = {""}
        await http(url, permit=refuse).get(PATH)
    assert [each.method for each in cloud.asked] == ["GET"]
    assert cloud.actions == []


@virtual(0.02)
async def test_who_may_is_asked_once_for_each_change_and_after_connecting() -> None:
    cloud, order = FakeDigitalOcean(tokens={""}), list[str]()
    cloud.before = lambda asked: order.append(asked.method)
    async with cloud.serving() as url:
        await http(url, permit=lambda: order.append("permit")).send("POST", f"{PATH}/actions", ASSIGN)
    assert order == ["permit", "POST"]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path / "token"


@virtual(0.02)
async def test_a_token_that_was_rotated_is_read_again_at_once(token_file: Path) -> None:
    cloud = FakeDigitalOcean(tokens={"new"})
    async with cloud.serving() as url:
        asking = http(url, authorize=Bearer(token_file, None, {}))
        assert (await trouble_of(asking)).fault is Fault.DENIED
        assert len(cloud.asked) == 1, "the same token is not tried twice"
        token_file.write_text("new\n")
        assert (await asking.get(PATH)).status == 200


@virtual(0.02)
async def test_a_token_that_a_provider_repeats_is_told_to_nobody(token_file: Path) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.append(error(403, f"token {TOKEN} is not allowed to do this"))
    explain: Callable[[int, bytes], tuple[None, str]] = lambda _, body: (None, body.decode())  # noqa: E731  (one use)
    async with cloud.serving() as url:
        asking = http(url, authorize=Bearer(token_file, None, {}), explain=explain)
        trouble = await trouble_of(asking)
    assert "token (token) is not allowed" in trouble.why
    assert TOKEN not in repr(asking) + str(trouble)


@virtual(0.02)
async def test_calls_are_counted_and_those_beyond_are_not_made() -> None:
    cloud = FakeDigitalOcean(tokens={""})
    allowance = Allowance(20, asyncio.get_running_loop().time)
    async with cloud.serving() as url:
        asking = http(url, allowance=allowance)
        for _ in range(15):
            await asking.get(PATH)
        trouble = await trouble_of(asking)
        assert (trouble.fault, len(cloud.asked)) == (Fault.SPENT, 15)
        with allowance.spending(Purpose.TAKE):
            for _ in range(5):
                await asking.get(PATH)
            assert (await trouble_of(asking)).fault is Fault.SPENT
        assert len(cloud.asked) == 20


def test_a_credential_of_systemd_is_found_where_systemd_says(tmp_path: Path) -> None:
    (tmp_path / "do-token").write_text(f"{TOKEN}\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    secret = read_secret(secret_path(None, "do-token", environ))
    assert secret.reveal() == TOKEN
    assert TOKEN not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(Trouble, match=r"add LoadCredential=do-token:\.\.\. to the unit"):
        secret_path(None, "do-token", {})


@pytest.mark.parametrize("text", [b"", b"\n", b"two words", b"a\nb", b"\xff", b"x" * 20_000])
def test_what_is_no_token_is_refused_before_it_gets_into_a_header(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "token").write_bytes(text)
    with pytest.raises(Trouble, match="holds no token"):
        read_secret(tmp_path / "token")


def self_signed(folder: Path) -> ssl.SSLContext:
    """What a server with a certificate of its own making uses."""
    made = ["-keyout", "key", "-out", "cert", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = [need_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *made]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


async def test_a_certificate_that_nobody_vouches_for_ends_the_call_before_the_token_is_sent(
    tmp_path: Path, token_file: Path
) -> None:
    cloud = FakeDigitalOcean(tls=self_signed(tmp_path))
    async with cloud.serving() as url:
        trouble = await trouble_of(http(url, authorize=Bearer(token_file, None, {})))
    assert url.startswith("https://")
    assert trouble.fault is Fault.UNREACHABLE
    assert trouble.why.startswith("no valid certificate (")
    assert cloud.asked == []


def test_a_pipe_in_the_place_of_a_token_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    with pytest.raises(Trouble, match="holds no token"):
        read_secret(tmp_path / "token")


async def test_a_token_that_an_answer_holds_where_a_word_should_be_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with answering(raw(b'{"id": 1, "status": "' + TOKEN.encode() + b'"}')) as plain:
        asking = dataclasses.replace(plain, authorize=Bearer(tmp_path / "token", None, {}))
        with pytest.raises(Trouble) as caught:
            (await asking.get(PATH)).read(Told)
    assert "Invalid enum value '(token)'" in str(caught.value)


async def test_a_name_that_is_none_is_not_reached() -> None:
    trouble = await trouble_of(http("http://a..example"))
    assert (trouble.fault, trouble.why) == (Fault.UNREACHABLE, "its name cannot be looked up (no name of a host)")
