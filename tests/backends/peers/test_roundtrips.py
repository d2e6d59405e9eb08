"""How long the other end of a link takes to answer: as numbers, and over real links."""

import asyncio

import aiohttp
import pytest

from les_hooks.backends.peers import roundtrips
from les_hooks.backends.peers.roundtrips import EVERY_SECONDS, FIRST_SECONDS, RoundTrips
from les_hooks.election.effects import Send
from les_hooks.election.frames import Beat, Hello
from les_hooks.election.messages import LinkUp
from les_hooks.members import Address
from tests.backends.peers.fakes import hello, make_node, peer_of, running, until

THERE = Address("127.0.0.9:4000")
BEAT = Beat(seq=1, ack=0)


class Clock:
    """Seconds, as the test sets them."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trips(clock: Clock) -> RoundTrips:
    return RoundTrips(clock)


def test_nothing_is_known_and_no_ping_is_due_when_a_link_has_just_come_up(trips: RoundTrips, clock: Clock) -> None:
    assert trips.last is None
    assert trips.ping() is None
    clock.now += FIRST_SECONDS
    assert trips.ping() is not None


def test_what_is_told_is_the_last_round_trip(trips: RoundTrips, clock: Clock) -> None:
    for seconds in (0.25, 0.5):
        clock.now += EVERY_SECONDS
        ping = trips.ping()
        assert ping is not None
        assert trips.ping() is None  # one at a time
        clock.now += seconds
        trips.pong(ping)
        assert trips.last == seconds


def test_an_answer_that_comes_twice_late_or_unasked_tells_nothing(trips: RoundTrips, clock: Clock) -> None:
    trips.pong(b"")
    clock.now += FIRST_SECONDS
    first = trips.ping()
    clock.now += EVERY_SECONDS
    second = trips.ping()
    assert first is not None
    assert second is not None
    clock.now += 0.5
    trips.pong(first)
    trips.pong(b"x" * 125)
    assert trips.last is None
    trips.pong(second)
    clock.now += 3.0
    trips.pong(second)
    assert trips.last == 0.5


async def test_a_ping_of_the_other_end_is_answered_with_what_it_holds() -> None:
    node = make_node(noting=True)
    async with running(node), peer_of(node, autoping=False) as peer:
        await peer.say(hello(THERE))
        assert isinstance(await peer.hear(), Hello)
        await peer.ws.ping(b"once")
        async with asyncio.timeout(5):
            answer = await peer.ws.receive()
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"once")


async def test_an_end_that_answers_no_pings_keeps_its_link_and_has_no_rtt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrips, "FIRST_SECONDS", 0.0)
    node = make_node(noting=True)
    async with running(node), peer_of(node, autoping=False) as peer:
        node.machine.script = lambda message: [Send(address=THERE, frame=BEAT)] if isinstance(message, LinkUp) else []
        await peer.say(hello(THERE))
        async with asyncio.timeout(5):
            kinds = [(await peer.ws.receive()).type for _ in range(3)]
        binary = aiohttp.WSMsgType.BINARY
        assert sorted(kinds) == sorted([binary, aiohttp.WSMsgType.PING, binary])
        assert [link["rtt"] for link in node.links] == [None]


async def test_two_nodes_know_how_far_apart_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrips, "FIRST_SECONDS", 0.0)
    one = make_node()
    two = make_node(one.address)
    async with running(one, two):
        await until(lambda: [link["rtt"] for node in (one, two) for link in node.links if link["rtt"]][1:])
        assert all(0.0 < link["rtt"] < 1.0 for node in (one, two) for link in node.links)
