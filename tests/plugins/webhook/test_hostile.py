"""Receivers, names and certificates that are broken or mean harm: an attempt ends in time, and sends nobody secrets."""

import asyncio
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from les_plugins.webhook.contract import Answer, Verdict
from tests.plugins.webhook.receivers import DELIVERY, Receiver, Speak, a_poster, certificate, serving_bytes

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def saying(*words: bytes, pause: float = 0.0, again: bool = False) -> Speak:
    """Read what comes, and say these words; the last again and again."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for word in words:
            writer.write(word)
            await writer.drain()
            await asyncio.sleep(pause)
        while again:
            writer.write(words[-1])
            await writer.drain()
            await asyncio.sleep(pause)

    return speak


NO_ANSWER: dict[str, tuple[Speak, str]] = {
    "hangs": (hang, "no answer within 0.3 s"),
    "a byte of its head at a time": (saying(OK, b"x", pause=0.02, again=True), "no answer within 0.3 s"),
    "hangs up": (saying(), "hung up without an answer"),
    "hangs up in its head": (saying(OK), "hung up without an answer"),
    "garbage": (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "no answer in HTTP"),
    "a status that is none": (saying(b"HTTP/1.1 2x0 OK\r\n\r\n"), "no answer in HTTP"),
    "binary": (saying(b"\x00\xff\x00\xff\r\n\r\n"), "no answer in HTTP"),
    "a huge header": (saying(OK, b"X: " + b"x" * 100_000 + b"\r\n\r\n"), "no answer in HTTP"),
    "headers without end": (saying(OK, b"X: " + b"x" * 1000 + b"\r\n", again=True), "no answer in HTTP"),
    "two lengths": (saying(OK, b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), "no answer in HTTP"),
    "chunks that are none": (saying(CHUNKED + b"zzz\r\n"), "no answer in HTTP"),
    "only what comes before an answer": (
        saying(b"HTTP/1.1 100 Continue\r\n\r\n", again=True),
        "no answer within 0.3 s",
    ),
}


@pytest.mark.parametrize("what", NO_ANSWER)
async def test_what_is_no_answer_is_tried_again_later(what: str) -> None:
    speak, why = NO_ANSWER[what]
    async with serving_bytes(speak) as url, a_poster(f"{url}/s3cr3tpath", timeout=0.3) as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, answer.status, answer.why) == (Verdict.RETRY, None, why)
    assert answer.seconds < 1.0
    assert "s3cr3tpath" not in repr(answer)


ANSWERED: dict[str, Speak] = {
    "a body without end": saying(OK + b"\r\n", b"x" * 65536, again=True),
    "a body of 10 GiB": saying(OK + b"Content-Length: 10737418240\r\n\r\n", b"x" * 65536, again=True),
    "chunks without end": saying(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", again=True
    ),
    "a byte of its body at a time": saying(OK + b"Content-Length: 5000\r\n\r\n", b"x", pause=0.1, again=True),
    "a body that breaks off": saying(OK + b"Content-Length: 5000\r\n\r\nhalf"),
    "a bomb": saying(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"),
}


@pytest.mark.parametrize("what", ANSWERED)
async def test_a_good_status_counts_whatever_its_body_does(what: str) -> None:
    """The body is read for a second and up to 8 KiB: to try again would only deliver twice."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving_bytes(ANSWERED[what]) as url, a_poster(url) as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, answer.status) == (Verdict.DELIVERED, 200)
    assert answer.seconds < 2.0
    assert len(answer.reply) < 9000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_a_connection_with_a_body_that_was_not_read_whole_is_not_used_again() -> None:
    connections = 0
    endless = saying(OK + b"Content-Length: 99999\r\n\r\n", b"HTTP/1.1 410 Gone\r\n\r\n" * 600, again=True)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await endless(reader, writer)

    async with serving_bytes(speak) as url, a_poster(url) as poster:
        verdicts = [(await poster.post(DELIVERY)).verdict for _ in range(3)]
    assert (verdicts, connections) == ([Verdict.DELIVERED] * 3, 3)


# -- names -------------------------------------------------------------------------------------------------------------


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have `hooks.example` mean these addresses, one list for each lookup; returns those that were looked up."""
    asked, left = list[str](), list(answers)
    system = socket.getaddrinfo

    def look_up(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "hooks.example":
            return system(host, port, *args, **kwargs)
        asked.append(host)
        return [found for address in left.pop(0) for found in system(address, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def renamed(url: str) -> str:
    return url.replace("127.0.0.1", "hooks.example")


async def test_a_name_that_flips_to_a_link_local_address_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    receiver.instead.append(closing := web.Response(status=204))
    closing.force_close()
    named(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    async with receiver.serving() as url, a_poster(renamed(url)) as poster:
        assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why == (
        "169.254.169.254 is link-local, where clouds tell a host its secrets; no webhook is posted there"
    )


async def test_of_several_addresses_those_that_may_be_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems give a host's own name a link-local address beside its others."""
    receiver = Receiver()
    named(monkeypatch, ["169.254.1.2", "127.0.0.1"])
    async with receiver.serving() as url, a_poster(renamed(url)) as poster:
        assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "0.0.0.0"],
)
async def test_an_address_that_stands_in_the_url_is_looked_at_too(host: str) -> None:
    async with a_poster(f"http://{host}:1/") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why.endswith("; no webhook is posted there")


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"])
async def test_an_address_in_disguise_is_seen_through(host: str) -> None:
    async with a_poster(f"http://{host}:1/", timeout=2.0) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why.endswith(("no webhook is posted there", "no usable host in the URL"))


async def test_a_name_that_flips_to_a_private_address_meets_the_wrong_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Private addresses are no fault by themselves: receivers stand there. Who they are, TLS says."""
    receiver = Receiver(tls=certificate(tmp_path, names="DNS:intranet.example"))
    named(monkeypatch, ["127.0.0.1"])
    async with receiver.serving() as url, a_poster(renamed(url), ca_file=tmp_path / "cert") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert "certificate is not valid for 'hooks.example'" in answer.why
    assert receiver.posted == []


def fails(*_: object, **__: object) -> list[Any]:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def test_a_name_that_cannot_be_looked_up_may_be_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", fails)
    async with a_poster("https://hooks.example/s3cr3tpath") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why == "its name cannot be looked up (Temporary failure in name resolution)"


async def test_a_dead_name_server_delays_no_other_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, system = threading.Event(), socket.getaddrinfo

    def hangs(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host.startswith("dead"):
            gate.wait(20)
            fails()
        return system("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    receiver = Receiver()
    async with receiver.serving() as url:
        posts = [post(f"https://dead{number}.example/", 1.0) for number in range(8)]
        *dead, alive = await asyncio.gather(*posts, post(renamed(url), 4.0))
    gate.set()
    assert {answer.why for answer in dead} == {"no answer within 1 s"}
    assert alive.verdict is Verdict.DELIVERED


async def post(url: str, timeout: float) -> Answer:
    async with a_poster(url, timeout=timeout) as poster:
        return await poster.post(DELIVERY)


@pytest.mark.parametrize("host", ["a..example", "x" * 64 + ".example", "nobody.invalid", "xn--bcher-kva.invalid"])
async def test_a_name_that_is_none_is_not_reached(host: str) -> None:
    async with a_poster(f"http://{host}/") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert "looked up" in answer.why


# -- certificates ------------------------------------------------------------------------------------------------------


async def test_a_certificate_is_taken_from_whom_the_file_trusts(tmp_path: Path) -> None:
    receiver = Receiver(tls=certificate(tmp_path))
    async with receiver.serving() as url, a_poster(url, ca_file=tmp_path / "cert", allow_http=False) as poster:
        assert (await poster.post(DELIVERY)).verdict is Verdict.DELIVERED


Make = Callable[[Path], ssl.SSLContext]

BAD_CERTIFICATES: dict[str, tuple[Make, bool, str]] = {
    "of nobody's": (certificate, False, "self-signed certificate"),
    "expired": (lambda folder: certificate(folder, expired=True), True, "certificate has expired"),
    "of another name": (lambda folder: certificate(folder, names="DNS:b.example"), True, "not valid for '127.0.0.1'"),
}


@pytest.mark.parametrize("what", BAD_CERTIFICATES)
async def test_a_certificate_that_is_not_right_is_sent_nothing(tmp_path: Path, what: str) -> None:
    make, trusted, words = BAD_CERTIFICATES[what]
    receiver = Receiver(tls=make(tmp_path))
    async with receiver.serving() as url, a_poster(url, ca_file=tmp_path / "cert" if trusted else None) as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why.startswith("no valid certificate (")
    assert words in answer.why
    assert receiver.posted == []


async def test_an_old_tls_is_not_spoken(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("ALL:@SECLEVEL=0")
    receiver = Receiver(tls=tls)
    async with receiver.serving() as url, a_poster(url, ca_file=tmp_path / "cert") as poster:
        answer = await poster.post(DELIVERY)
    assert answer.verdict is Verdict.RETRY
    assert answer.why == "the connection broke"
    assert receiver.posted == []


async def test_what_speaks_no_tls_is_no_receiver_for_https() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read(10_000)

    async with serving_bytes(speak) as url, a_poster(url.replace("http:", "https:")) as poster:
        answer = await poster.post(DELIVERY)
    assert (answer.verdict, answer.why) == (Verdict.RETRY, "no TLS (wrong version number)")
