"""Clusters with TLS: members show certificates that name them, which change while they run; strangers get nowhere."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from les_hooks import wire
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.election.frames import Farewell
from les_hooks.election.messages import Introduced, LinkUp, OriginalAnswered, Undone
from les_hooks.members import Boot
from les_hooks.security import Credentials, TlsFiles
from tests.backends.peers.fakes import Node, free_port, hello, make_node, running, until
from tests.security.files import YEAR, TestAuthority

BROKE_OFF = "broke off without an answer, as a node does"
ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path)


def held(files: TlsFiles, host: str) -> Credentials:
    return Credentials(tls_files=files, host=host)


def node_at(host: str, files: TlsFiles, *seeds: str, **settings: Any) -> Node:
    address = f"{host}:{free_port(host)}"
    return make_node(*seeds, address=address, name=f"n{host[-1]}", credentials=held(files, host), **settings)


def agree(nodes: list[Node]) -> bool:
    leaders = {node.view.leader if node.views else None for node in nodes}
    return len(leaders) == 1 and None not in leaders and all(len(node.view.members) == len(nodes) for node in nodes)


def linked(nodes: list[Node]) -> bool:
    return all(len(node.links) == len(nodes) - 1 for node in nodes)


def reasons(logs: list[Any], event: str) -> list[str]:
    return [log["reason"] for log in logs if log["event"] == event]


# -- members -----------------------------------------------------------------------------------------------------------


async def test_everything_changes_while_one_leads(tmp_path: Path) -> None:
    """Certificates and keys one node after the other, and then the authority, by way of a bundle of both."""
    old, new = TestAuthority(tmp_path / "old"), TestAuthority(tmp_path / "new")
    hosts = (ONE, TWO, THREE)
    addresses = [f"{host}:{free_port(host)}" for host in hosts]
    nodes = [
        make_node(*addresses, address=address, name=f"n{host[-1]}", credentials=held(files, host))
        for host, address in zip(hosts, addresses, strict=True)
        for files in [old.issue(host, host, folder=tmp_path)]
    ]

    def renew(host: str) -> None:
        old.issue(host, host, folder=tmp_path)

    def trust_both(host: str) -> None:
        (tmp_path / f"{host}-ca.crt").write_bytes(old.certificate + new.certificate)

    def change(host: str) -> None:
        new.trusting(new.issue(host, host, folder=tmp_path), old)

    def trust_the_new_one(host: str) -> None:
        (tmp_path / f"{host}-ca.crt").write_bytes(new.certificate)

    async with running(*nodes):
        await until(lambda: agree(nodes) and linked(nodes))
        leader, term = nodes[0].view.leader, nodes[0].view.term
        told = [len(node.views) for node in nodes]
        steps: tuple[Callable[[str], None], ...] = (renew, trust_both, change, trust_the_new_one)
        for step in steps:
            for host in hosts:
                step(host)
                await asyncio.sleep(0.6)  # longer than four heartbeats, after which the files are looked at
                await until(lambda: linked(nodes))
        await asyncio.sleep(0.5)
        assert agree(nodes)
        for node, before in zip(nodes, told, strict=True):
            assert {(view.leader, view.term, view.departed) for view in node.views[before:]} <= {(leader, term, ())}
        authorities = {each for node in nodes for link in node.backend._links.all() for each in link.authorities}
        assert len(authorities) == 1
        assert authorities == set(nodes[0].backend._credentials.tls.authorities)  # type: ignore[union-attr]  # there is TLS


async def test_an_authority_that_is_taken_back_while_a_link_is_made_makes_none(tmp_path: Path) -> None:
    """Whoever keeps its hello until the others are done would else be in for good, with a certificate of before."""
    old, new = TestAuthority(tmp_path / "old"), TestAuthority(tmp_path / "new")
    node = node_at(ONE, old.issue("a", ONE, folder=tmp_path), noting=True)
    guest = held(old.issue("b", TWO), TWO).tls
    assert guest is not None
    async with (
        running(node),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"wss://{node.address}/les/link", ssl=guest.dialer) as ws,
    ):
        new.issue("a", ONE, folder=tmp_path)
        await node.backend._refresh()
        await ws.send_bytes(wire.encode(hello(f"{TWO}:9")))
        assert "before the certificates of the other end changed" in str((await ws.receive()).extra)
    assert node.machine.all(LinkUp) == []


async def test_half_a_renewal_changes_nothing_and_is_told_once(authority: TestAuthority) -> None:
    files = authority.issue("a", ONE)
    node = node_at(ONE, files, noting=True)
    async with running(node):
        with capture_logs() as logs:
            files.key.write_bytes(authority.issue("other", ONE).key.read_bytes())
            for _ in range(2):
                await node.backend._refresh()
        assert [log["what"] for log in logs] == [f"[security.tls] key_file {files.key}"]
        assert "is the key of another certificate" in logs[0]["reason"]
        assert await get(node, "/ping", files) == (200, "OK")


async def test_a_disk_that_hangs_holds_up_no_heartbeat(
    authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [node_at(ONE, authority.issue("one", ONE))]
    nodes.append(node_at(TWO, authority.issue("two", TWO), nodes[0].address))
    hanging, over = threading.Event(), threading.Event()

    def hang() -> bool:
        hanging.set()
        over.wait(10)
        return False

    async with running(*nodes):
        await until(lambda: agree(nodes) and linked(nodes))
        monkeypatch.setattr(nodes[0].backend._credentials, "refresh", hang)
        await until(hanging.is_set)
        before = [len(node.views) for node in nodes]
        await asyncio.sleep(2 * nodes[0].backend._settings.timing.failure)
        over.set()
        assert linked(nodes)
        assert [len(node.views) for node in nodes] == before


async def test_links_and_farewells_are_of_tls_1_3(authority: TestAuthority) -> None:
    one = node_at(ONE, authority.issue("one", ONE))
    other = node_at(TWO, authority.issue("two", TWO), one.address)
    async with running(one, other):
        await until(lambda: agree([one, other]) and linked([one, other]))
        for node in (one, other):
            for link in node.backend._links.all():
                assert link._ws.get_extra_info("ssl_object").version() == "TLSv1.3"


@pytest.mark.parametrize("both", [True, False])
async def test_a_secret_and_tls_are_both_asked_for_where_both_are_set(authority: TestAuthority, both: bool) -> None:
    secret = authority.folder / "secret"
    secret.touch(0o600)
    secret.write_text("les_" + "a" * 43)
    nodes: list[Node] = []
    for host in (ONE, TWO):
        files = authority.issue(host, host)
        credentials = Credentials(secret if both or host == ONE else None, tls_files=files, host=host)
        seeds = [node.address for node in nodes]
        nodes.append(make_node(*seeds, address=f"{host}:{free_port(host)}", credentials=credentials))
    async with running(*nodes):
        if both:
            await until(lambda: agree(nodes) and linked(nodes))
        else:
            await asyncio.sleep(0.3)
            assert not any(node.links for node in nodes)


# -- who is no member --------------------------------------------------------------------------------------------------


async def refused(one: Node, other: Node) -> tuple[list[str], list[str], list[str]]:
    """Run both, of which the other dials the one; why they do not link, as `one` and as `other` have it."""
    with capture_logs() as logs:
        async with running(one, other):
            await asyncio.sleep(0.4)
            assert not one.links
            assert not other.links
            told = [*logs]  # what follows is that they leave
    return reasons(told, "link-refused"), reasons(told, "handshake-failed"), reasons(told, "dial-failed")


async def test_a_certificate_of_another_address_is_refused_and_both_say_what_it_names(authority: TestAuthority) -> None:
    """As of a member that goes by the address of another."""
    one = node_at(ONE, authority.issue("one", ONE))
    liar = make_node(
        one.address, address=f"{THREE}:{free_port(THREE)}", credentials=held(authority.issue("two", TWO), TWO)
    )
    links, _, dials = await refused(one, liar)
    told = f"goes by {liar.address}, and its certificate names {TWO}"
    assert set(links) == {told}
    assert dials == [f"closed the link: {told}"]


async def test_who_is_dialed_must_be_named_too(authority: TestAuthority) -> None:
    liar = make_node(address=f"{THREE}:{free_port(THREE)}", credentials=held(authority.issue("two", TWO), TWO))
    one = node_at(ONE, authority.issue("one", ONE), liar.address)
    _, _, dials = await refused(liar, one)
    assert dials == [f"goes by {liar.address}, and its certificate names {TWO}"]


async def test_another_authority_is_refused_and_both_say_so(authority: TestAuthority, tmp_path: Path) -> None:
    other = TestAuthority(tmp_path / "other")
    one = node_at(ONE, authority.issue("one", ONE))
    stranger = node_at(TWO, other.issue("two", TWO), one.address)
    _, _, dials = await refused(one, stranger)
    assert dials == ["shows a certificate of an authority that is not in ca_file"]


async def test_who_trusts_us_and_is_not_trusted_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    other = TestAuthority(tmp_path / "other")
    one = node_at(ONE, authority.issue("one", ONE))
    stranger = node_at(TWO, other.trusting(other.issue("two", TWO), authority), one.address)
    _, handshakes, dials = await refused(one, stranger)
    assert set(handshakes) == {"shows a certificate of an authority that is not in ca_file"}
    assert dials == [f"{BROKE_OFF} that refuses this one's certificate: its log says why"]


async def test_an_expired_certificate_is_refused_and_both_say_so(authority: TestAuthority, tmp_path: Path) -> None:
    """Its node has started before it expired."""
    long_ago = TestAuthority(tmp_path / "old", made=time.time() - 4 * YEAR)
    one = node_at(ONE, long_ago.issue("one", ONE))
    two_files = long_ago.issue("two", TWO)
    two = node_at(TWO, two_files, one.address)
    expired = long_ago.issue("late", TWO, now=time.time() - 3 * YEAR)
    assert two.backend._credentials.tls is not None
    for context in (two.backend._credentials.tls.dialer, two.backend._credentials.tls.listener):
        context.load_cert_chain(expired.cert, expired.key)
    _, handshakes, dials = await refused(one, two)
    assert set(handshakes) == {"shows a certificate that is refused: certificate has expired"}
    assert dials == [f"{BROKE_OFF} that refuses this one's certificate: its log says why"]
    three = node_at(THREE, long_ago.issue("three", THREE), two.address)
    _, _, dials = await refused(two, three)
    assert dials == ["shows a certificate that is refused: certificate has expired"]


async def test_a_node_without_tls_is_told_what_it_may_be_and_the_other_way_round(authority: TestAuthority) -> None:
    one = node_at(ONE, authority.issue("one", ONE))
    _, handshakes, dials = await refused(one, make_node(one.address))
    assert set(handshakes) == {"speaks no TLS, which [security.tls] asks for: set it on both ends"}
    assert dials == [f"{BROKE_OFF} with TLS to one without"]
    plain = make_node()
    _, _, dials = await refused(plain, node_at(ONE, authority.issue("two", ONE), plain.address))
    assert dials == ["speaks no TLS, which [security.tls] asks for: set it on both ends"]


async def test_who_speaks_no_more_than_tls_1_2_is_refused(authority: TestAuthority) -> None:
    files = authority.issue("one", ONE)
    node = node_at(ONE, files, noting=True)
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(node), aiohttp.ClientSession() as session:
        with capture_logs() as logs, pytest.raises(aiohttp.ClientError):
            await session.get(f"https://{node.address}/ping", ssl=context)
    assert reasons(logs, "handshake-failed") == ["speaks no TLS 1.3"]


async def test_a_handshake_that_is_never_answered_is_given_up_in_time(authority: TestAuthority) -> None:
    """As of a frozen process, whose kernel goes on to take connections."""
    connections = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(time.monotonic())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, TWO, 0)
    async with server:
        node = node_at(ONE, authority.issue("one", ONE), f"{TWO}:{server.sockets[0].getsockname()[1]}")
        with capture_logs() as logs:
            async with running(node):
                await until(lambda: len(connections) > 2)
                told = [*logs]
    assert max(after - before for before, after in pairwise(connections)) < node.backend._settings.timing.failure
    assert reasons(told, "dial-failed") == ["did not answer in time"]


# -- what is answered --------------------------------------------------------------------------------------------------


async def get(node: Node, path: str, files: TlsFiles, mine: TlsFiles | None = None) -> tuple[int, str]:
    """Ask, with the certificate of `mine` or with none."""
    context = ssl.create_default_context(cafile=str(files.ca))
    if mine is not None:
        context.load_cert_chain(mine.cert, mine.key)
    url = f"https://{node.address}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
        return response.status, await response.text()


async def test_a_stranger_is_answered_that_this_node_is_there_and_no_more(authority: TestAuthority) -> None:
    files = authority.issue("one", ONE)
    node = node_at(ONE, files, noting=True, public=False)
    async with running(node):
        paths = ("/ping", "/state", "/diag", f"/state/{ONE}:9", "/les/link")
        found = {path: await get(node, path, files) for path in paths}
        assert [status for status, _ in found.values()] == [200, 403, 403, 401, 401]
        assert "wants a certificate of its authority" in found["/les/link"][1]
        assert node.machine.all(Introduced) == []


async def test_who_has_a_certificate_may_look_and_introduces_nobody_but_itself(authority: TestAuthority) -> None:
    files, mine = authority.issue("one", ONE), authority.issue("two", TWO)
    node = node_at(ONE, files, noting=True, public=False)
    async with running(node):
        assert [(await get(node, path, files, mine))[0] for path in ("/state", "/diag")] == [200, 200]
        assert await get(node, f"/state/{THREE}:9", files, mine) == (
            403,
            f"whoever asks goes by {THREE}:9, and its certificate names {TWO}\n",
        )
        assert node.machine.all(Introduced) == []
        assert (await get(node, f"/state/{TWO}:9", files, mine))[0] == 200
        assert [told.address for told in node.machine.all(Introduced)] == [f"{TWO}:9"]


async def test_nothing_is_believed_that_the_certificate_does_not_name(authority: TestAuthority) -> None:
    files, mine = authority.issue("one", ONE), authority.issue("two", TWO)
    node = node_at(ONE, files, noting=True)
    lies = (
        wire.encode(hello(f"{THREE}:9")),
        wire.encode(Farewell(protocol=1, cluster="web", address=f"{THREE}:9", boot=Boot(1, "x"))),
    )

    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(mine.cert, mine.key)
    url = f"https://{node.address}/les/link"
    async with running(node), aiohttp.ClientSession() as session:
        for lie in lies:
            async with session.ws_connect(url, ssl=context) as ws, asyncio.timeout(5):
                await ws.send_bytes(lie)
                assert (await ws.receive()).extra == f"goes by {THREE}:9, and its certificate names {TWO}"
        assert node.machine.all(LinkUp) == []
        assert node.machine.all(Undone) == []


@pytest.mark.parametrize(("host", "taken"), [(TWO, True), (THREE, False)])
async def test_a_farewell_is_taken_from_who_has_the_certificate_of_its_address(
    authority: TestAuthority, host: str, taken: bool
) -> None:
    node = node_at(ONE, authority.issue("one", ONE), noting=True)
    farewell = Farewell(protocol=1, cluster="web", address=f"{TWO}:9", boot=Boot(1, "x"))
    mine = held(authority.issue("mine", host), host)
    async with running(node):
        begun = time.monotonic()
        told = await say_farewell([node.address], farewell, mine, limit=2.0, log=structlog.get_logger())
        assert time.monotonic() - begun < 1.0
        assert told == ({node.address} if taken else frozenset())
        assert [message.boot for message in node.machine.all(Undone)] == ([Boot(1, "x")] if taken else [])


async def test_a_farewell_is_said_to_nobody_but_the_voter(authority: TestAuthority, tmp_path: Path) -> None:
    """Neither to another member in its place, nor to a stranger."""
    impostor = make_node(
        address=f"{THREE}:{free_port(THREE)}", noting=True, credentials=held(authority.issue("two", TWO), TWO)
    )
    stranger = node_at(THREE, TestAuthority(tmp_path / "other").issue("three", THREE), noting=True)
    farewell = Farewell(protocol=1, cluster="web", address=f"{ONE}:9", boot=Boot(1, "x"))
    voters = [impostor.address, stranger.address]
    async with running(impostor, stranger):
        with capture_logs() as logs:
            mine = held(authority.issue("mine", ONE), ONE)
            assert not await say_farewell(voters, farewell, mine, limit=2.0, log=structlog.get_logger())
        assert impostor.machine.all(Undone) == stranger.machine.all(Undone) == []
    assert set(reasons(logs, "farewell-failed")) == {
        f"goes by {impostor.address}, and its certificate names {TWO}",
        "shows a certificate of an authority that is not in ca_file",
    }


# -- originals, behind something that gives them TLS -------------------------------------------------------------------


@pytest.mark.parametrize(("host", "polled"), [(TWO, True), (THREE, False)])
async def test_an_original_is_polled_over_tls_where_its_certificate_names_it(
    authority: TestAuthority, host: str, polled: bool
) -> None:
    theirs = held(authority.issue("theirs", host), host)
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        asked.append(path)
        body = b'{"members": [], "leader": false, "start_time": 1.0}' if path.startswith(b"/state/") else b""
        status = b"200 OK" if body else b"404 Not Found"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    assert theirs.tls is not None
    server = await asyncio.start_server(answer, TWO, 0, ssl=theirs.tls.listener)
    async with server:
        seed = f"{TWO}:{server.sockets[0].getsockname()[1]}"
        node = node_at(ONE, authority.issue("one", ONE), seed)
        with capture_logs() as logs:
            async with running(node):
                await until(lambda: len(asked) > 2)
                heard = node.backend.heard()
                assert isinstance(heard.get(seed), OriginalAnswered) == polled  # type: ignore[call-overload]  # a seed
    assert (set(asked) == {b"/les/link"}) != polled
    assert any("original-found" in log["event"] for log in logs)
