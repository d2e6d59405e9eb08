"""Clusters that share a secret: members prove it, it changes while they run, and who has it not changes nothing."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from les_hooks import wire
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.election.frames import Farewell
from les_hooks.election.messages import Introduced, LinkUp, Undone
from les_hooks.members import Boot
from les_hooks.security import PROTOCOL, Credentials, Dialed, Secret
from tests.backends.peers.fakes import QUICK, Node, free_port, hello, make_node, running, until

OLD, NEW = "les_" + "a" * 43, "les_" + "b" * 43


def write(path: Path, *secrets: str) -> Credentials:
    """Put these into the file, in one step, and return what a node makes of it."""
    new = path.with_suffix(".new")
    new.write_text("\n".join(secrets))
    new.chmod(0o600)
    os.replace(new, path)
    return Credentials(path)


def agree(nodes: list[Node]) -> bool:
    leaders = {node.view.leader if node.views else None for node in nodes}
    return len(leaders) == 1 and None not in leaders and all(len(node.view.members) == len(nodes) for node in nodes)


def linked(nodes: list[Node]) -> bool:
    return all(len(node.links) == len(nodes) - 1 for node in nodes)


async def test_the_secret_changes_in_three_steps_while_one_leads(tmp_path: Path) -> None:
    """Nobody is lost, and the leader and its term stay, although each link is made anew in the end."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    files = [tmp_path / name for name in "abc"]
    timing = replace(QUICK, failure=2.0)  # a busy machine must not lose a member
    nodes = [
        make_node(*addresses, address=own, name=file.name, credentials=write(file, OLD), timing=timing)
        for own, file in zip(addresses, files, strict=True)
    ]
    async with running(*nodes):
        await until(lambda: agree(nodes) and linked(nodes))
        leader, term = nodes[0].view.leader, nodes[0].view.term
        told = [len(node.views) for node in nodes]
        for step in ((OLD, NEW), (NEW, OLD), (NEW,)):
            for node, file in zip(nodes, files, strict=True):
                write(file, *step)
                await asyncio.sleep(0.6)  # longer than four heartbeats, after which the file is looked at
                await until(lambda: linked(nodes))
                assert node.view.leader == leader
        await asyncio.sleep(0.5)
        assert agree(nodes)
        for node, before in zip(nodes, told, strict=True):
            assert {(view.leader, view.term, view.departed) for view in node.views[before:]} <= {(leader, term, ())}
            assert {link.proved for link in node.backend._links.all()} == {Secret(NEW)}


async def test_a_node_with_another_secret_is_never_a_member_and_both_say_why(tmp_path: Path) -> None:
    one = make_node(name="one", credentials=write(tmp_path / "one", OLD))
    other = make_node(one.address, name="two", credentials=write(tmp_path / "two", NEW))
    with capture_logs() as logs:
        async with running(one, other):
            await asyncio.sleep(0.4)
            assert all(len(node.view.members) == 1 for node in (one, other) if node.views)
            warning = str(other.backend.status()["warnings"])
            assert warning.startswith(f"['no link to {one.address}: it closed the link: the secrets differ")
            told = [*logs]
            write(tmp_path / "two", OLD)
            await until(lambda: linked([one, other]))
            assert other.backend.status()["warnings"] == []
    refused = [log["reason"] for log in told if log["event"] == "link-refused"]
    failed = [log["reason"] for log in told if log["event"] == "dial-failed"]
    assert len(refused) == 1, "it is told once, though it goes on"
    assert "the secrets differ" in refused[0]
    assert len(failed) == 1
    assert "the secrets differ" in failed[0]
    assert NEW not in str(logs)


async def test_a_node_without_a_secret_is_told_what_is_missing_and_the_other_way_round(tmp_path: Path) -> None:
    for has, lacks in ((True, False), (False, True)):
        one = make_node(name="one", credentials=write(tmp_path / "one", OLD) if has else None)
        other = make_node(one.address, name="two", credentials=write(tmp_path / "two", OLD) if lacks else None)
        with capture_logs() as logs:
            async with running(one, other):
                await asyncio.sleep(0.3)
                assert all(len(node.view.members) == 1 for node in (one, other) if node.views)
                warnings = other.backend.status()["warnings"]
        [reason] = [log["reason"] for log in logs if log["event"] == "dial-failed"]
        assert warnings == [f"no link to {one.address}: it {reason}"]
        assert reason == (
            "wants proof that this node belongs to its cluster: set [security] here as it is set there"
            if has
            else "takes no secret, and this node has one: set secret_file on that node too"
        )


async def test_an_original_is_not_asked_by_a_node_with_a_secret(tmp_path: Path) -> None:
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        node = make_node(f"127.0.0.1:{port}", credentials=write(tmp_path / "one", OLD))
        with capture_logs() as logs:
            async with running(node):
                await until(lambda: len(asked) > 2)
    assert set(asked) == {b"/les/link"}
    assert "cannot prove the secret" in next(log["reason"] for log in logs if log["event"] == "dial-failed")


async def get(node: Node, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"http://{node.address}{path}") as response:
        return response.status


async def test_a_stranger_introduces_nobody_and_learns_nothing(tmp_path: Path) -> None:
    node = make_node(noting=True, public=False, credentials=write(tmp_path / "one", OLD))
    async with running(node):
        told = {
            "/ping": 200,
            "/state": 403,
            "/diag": 403,
            "/state/127.0.0.1:9": 403,
            "/les/link": 401,
            "/nothing": 403,
            "/les": 403,
            "/": 403,
        }
        assert {path: await get(node, path) for path in told} == told
        assert node.machine.all(Introduced) == []


async def test_what_is_public_may_be_read_and_still_nobody_is_introduced(tmp_path: Path) -> None:
    node = make_node(noting=True, public=True, credentials=write(tmp_path / "one", OLD))
    async with running(node):
        assert [await get(node, path) for path in ("/ping", "/state", "/diag")] == [200, 200, 200]
        assert await get(node, "/state/127.0.0.1:9") == 403
        assert node.machine.all(Introduced) == []


async def test_an_open_node_can_be_closed_too() -> None:
    """A stranger may still introduce itself, or originals could not take part; it is not answered."""
    node = make_node(noting=True, public=False)
    async with running(node):
        assert [await get(node, path) for path in ("/ping", "/state", "/diag")] == [200, 403, 403]


async def say(node: Node, secret: str, frame: bytes) -> tuple[Any, ...]:
    """Prove this secret with this first frame; returns what is answered."""
    url = f"ws://{node.address}/les/link"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(PROTOCOL,)) as ws:
        challenge = (await ws.receive()).data
        first, seal = Dialed(Secret(secret), os.urandom(32)).answer(challenge, frame)
        await ws.send_bytes(first)
        message = await ws.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return "frame", wire.decode(seal.open(message.data))
        return message.type, message.extra


async def test_nothing_is_believed_before_the_proof(tmp_path: Path) -> None:
    node = make_node(noting=True, credentials=write(tmp_path / "one", OLD))
    stranger = wire.encode(hello("127.0.0.1:9"))
    goodbye = wire.encode(Farewell(protocol=1, cluster="web", address="127.0.0.1:9", boot=Boot(1, "x")))
    async with running(node):
        for frame in (stranger, goodbye, b"", b"not even json"):
            kind, reason = await say(node, NEW, frame)
            assert (kind, reason[:19]) == (aiohttp.WSMsgType.CLOSE, "the secrets differ:")
        assert node.machine.all(LinkUp) == []
        assert node.machine.all(Undone) == []
        kind, answer = await say(node, OLD, stranger)
        assert (kind, answer.address) == ("frame", node.address)
        await until(lambda: node.machine.all(LinkUp))


async def test_a_link_ends_with_the_first_frame_whose_tag_is_wrong(tmp_path: Path) -> None:
    node = make_node(noting=True, credentials=write(tmp_path / "one", OLD))
    async with running(node):
        url = f"ws://{node.address}/les/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(PROTOCOL,)) as ws:
            first, seal = Dialed(Secret(OLD), os.urandom(32)).answer(
                (await ws.receive()).data, wire.encode(hello("127.0.0.1:9"))
            )
            await ws.send_bytes(first)
            seal.open((await ws.receive()).data)
            await ws.send_bytes(seal.seal(b'{"kind":"beat"}')[:-1] + b"]")
            message = await ws.receive()
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert "does not prove the secret" in str(message.extra)


async def test_a_secret_that_is_taken_back_while_a_link_is_made_makes_none(tmp_path: Path) -> None:
    """Whoever keeps the proof until the others are done would else be in for good, with the secret that was lost."""
    node = make_node(noting=True, credentials=write(tmp_path / "one", OLD, NEW))
    async with running(node):
        url = f"ws://{node.address}/les/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(PROTOCOL,)) as ws:
            challenge = (await ws.receive()).data
            write(tmp_path / "one", NEW)
            await node.backend._refresh()
            await ws.send_bytes(
                Dialed(Secret(OLD), os.urandom(32)).answer(challenge, wire.encode(hello("127.0.0.1:9")))[0]
            )
            assert (await ws.receive()).extra == "its secret is accepted no more"
        assert node.machine.all(LinkUp) == []


async def test_a_challenge_that_is_never_answered_is_not_waited_for(tmp_path: Path) -> None:
    node = make_node(noting=True, credentials=write(tmp_path / "one", OLD))
    async with running(node):
        url = f"ws://{node.address}/les/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(PROTOCOL,)) as ws:
            await ws.receive()
            async with asyncio.timeout(3):
                assert (await ws.receive()).extra == "said no hello in time"


@pytest.mark.parametrize(("secret", "taken"), [(OLD, True), (NEW, False)])
async def test_a_farewell_is_proven_too(tmp_path: Path, secret: str, taken: bool) -> None:
    node = make_node(noting=True, credentials=write(tmp_path / "one", OLD))
    farewell = Farewell(protocol=1, cluster="web", address="127.0.0.1:9", boot=Boot(1, "x"))
    async with running(node):
        told = await say_farewell(
            [node.address], farewell, write(tmp_path / "two", secret), limit=2.0, log=structlog.get_logger()
        )
        assert told == ({node.address} if taken else frozenset())
        assert [message.boot for message in node.machine.all(Undone)] == ([Boot(1, "x")] if taken else [])
