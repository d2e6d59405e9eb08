"""Who has the secret and goes by the address of another: he may disturb, and is forgotten; and what is not defended."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from les_hooks import wire
from les_hooks.election.frames import Farewell, Grant, Release, Request
from les_hooks.members import Address, Boot
from tests.backends.peers.fakes import Node, free_port, hello, until
from tests.hostile.liar import Lie, lying
from tests.hostile.stage import logged, reasons
from tests.hostile.trio import LAST, Trio, state


@pytest.mark.parametrize("majority", [False, True], ids=["members", "majority"])
@pytest.mark.parametrize("counter", ["lower", "same", "higher"])
async def test_who_went_by_another_members_address_is_forgotten(tmp_path: Path, counter: str, majority: bool) -> None:
    """As an older process there, as the very same one, or as one of the last start that there can be."""
    trio = Trio(tmp_path, majority=majority)
    async with trio.running():
        async with contextlib.AsyncExitStack() as stack:
            for node, other in zip(trio.nodes, [*trio.nodes[1:], trio.nodes[0]], strict=True):
                boots = {"lower": Boot(0, "x"), "same": state(other).boot, "higher": Boot(LAST, "x")}
                boot = boots[counter]
                lie = await stack.enter_async_context(lying(node.address, other.address, boot))
                await lie.tell(serial=LAST, fit=False, unfit="lie", start_time=0.0)
                await lie.say(Request(number=LAST, term=5, sitting=True), Release(number=LAST, boot=boot))
            await asyncio.sleep(1.0)
        await trio.heal()


@pytest.mark.parametrize("majority", [False, True], ids=["members", "majority"])
async def test_farewells_for_everybody_are_got_over(tmp_path: Path, majority: bool) -> None:
    """Of whoever has a link they are refused at once."""
    trio = Trio(tmp_path, majority=majority)
    with logged() as logs:
        async with trio.running():
            for node in trio.nodes:
                for other in trio.nodes:
                    frame = Farewell(protocol=1, cluster="web", address=other.address, boot=state(other).boot)
                    await take_leave(node, frame)
            await trio.heal()
    refused = reasons(logs, "link-refused")
    # None of the nine is taken, and each node says once of what kind they were.
    assert "farewell-taken" not in [line["event"] for line in logs]
    assert len([why for why in refused if "process that has a link" in why]) == 3
    assert len([why for why in refused if "this very process" in why]) == 3


async def take_leave(node: Node, farewell: Farewell) -> None:
    """Say that as the first frame."""
    async with lying(node.address, first=farewell) as lie:
        await asyncio.wait_for(lie.over.wait(), 5)


BAD: dict[str, bytes] = {
    "an unknown role": b'{"kind":"tell","seq":1,"ack":0,"state":{"role":"king"},"relayed":[]}',
    "an oversize frame": b" " * (wire.FRAME_LIMIT + 1),
    "a negative term": b'{"kind":"request","number":1,"term":-1,"sitting":false}',
    "a term past 2^53": b'{"kind":"request","number":1,"term":9007199254740993,"sitting":false}',
    "a term past 2^63": b'{"kind":"refusal","number":1,"boot":[1,"x"],"term":9223372036854775808}',
    "a term past belief": b'{"kind":"refusal","number":1,"boot":[1,"x"],"term":9007199254740992}',
    "an offer of NaN": b'{"kind":"offer","start_time":NaN,"boot":[1,"x"]}',
    "an offer of infinity": b'{"kind":"offer","start_time":1e999,"boot":[1,"x"]}',
    "an offer of minus one": b'{"kind":"offer","start_time":-1.0,"boot":[1,"x"]}',
    "an offer of minus infinity": b'{"kind":"offer","start_time":-Infinity,"boot":[1,"x"]}',
    "an offer of 2^33 and a second": b'{"kind":"offer","start_time":8589934593,"boot":[1,"x"]}',
    "a second hello": wire.encode(hello("127.0.0.7:4000")),
    "a farewell on a link": wire.encode(Farewell(protocol=1, cluster="web", address="127.0.0.7:1", boot=Boot(1, "x"))),
    "no JSON": b"\x00",
}


@pytest.mark.parametrize("what", BAD)
async def test_what_no_member_says_ends_his_link_and_nothing_else(tmp_path: Path, what: str) -> None:
    trio = Trio(tmp_path, majority=False)
    with logged() as logs:
        async with trio.running():
            node = trio.nodes[0]
            before = len(node.views)
            async with lying(node.address) as lie:
                await lie.say_bytes(BAD[what])
                await asyncio.wait_for(lie.over.wait(), 5)
            await until(trio.agree)
            trio.check()
            assert {view.leader for view in node.views[before - 1 :]} == {node.view.leader}
    ended = [line["reason"] for line in logs if line["event"] == "link-ended" and line["peer"] == "127.0.0.7:4000"]
    assert len(ended) == 1


# -- what is not defended ----------------------------------------------------------------------------------------------


async def _vote_twice(lie: Lie, node: Node) -> None:
    """As a voter that hears everybody, follow whoever asks, and grant whatever is asked for."""
    electorate = state(node).electorate
    assert electorate is not None
    await lie.tell(links=(node.address, lie.address), electorate=electorate, start_time=3e9)
    answered = 0
    while not lie.over.is_set():
        asked = [frame for frame in lie.said[answered:] if isinstance(frame, Request)]
        answered = len(lie.said)
        await lie.say(*(Grant(number=request.number, boot=state(node).boot) for request in asked))
        await asyncio.sleep(0.01)


async def test_not_defended_a_voter_that_lies_makes_two_leaders_of_a_cut(tmp_path: Path) -> None:
    """Of three voters two are cut off from each other, and the third grants both its one vote.

    With a shared secret that third one may be anybody who has the secret: it goes by the voter's address. Only a
    certificate keeps him from that; against the voter itself nothing does.
    """
    third = Address(f"127.0.0.1:{free_port()}")
    trio = Trio(tmp_path, majority=True, third=third)
    one, two = trio.nodes
    async with trio.running(agreeing=False), contextlib.AsyncExitStack() as stack:
        for node in (one, two):
            lie = await stack.enter_async_context(lying(node.address, third))
            vote = asyncio.create_task(_vote_twice(lie, node))
            stack.callback(vote.cancel)
        await until(lambda: all(node.views and node.view.leading for node in (one, two)), 10)
        assert one.view.leader != two.view.leader
