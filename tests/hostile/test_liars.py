"""Who has the secret and lies, among three real nodes: he may disturb, breaks nobody, and leaves nothing behind.

Each lie is told to all three for a while. Then he is gone, and they have one leader, the members that there are, and
another leader when that one leaves.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Electorate,
    Grant,
    Leadership,
    Offer,
    Refusal,
    Release,
    Request,
)
from les_hooks.members import UNSTAMPED, Boot
from les_hooks.wire import highest_term
from tests.backends.peers.fakes import Node
from tests.election.lone import state_of
from tests.hostile.liar import LIAR, Lie, lying, with_serial
from tests.hostile.trio import LAST, LEASE, Trio, state

Told = Callable[[Lie, Node, Sequence[Node]], Awaitable[None]]
"""What is said to one node over its link."""


async def be_oldest(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    for start_time in (0.0, 1.0):
        for role, led in (("candidate", 0), ("leader", 1), ("leader", 99)):
            await lie.tell(start_time=start_time, role=role, led_term=led, leader=lie.address, leader_boot=lie.boot)


async def be_youngest(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    """A leader behind whom there is no later stamp."""
    for start_time in (UNSTAMPED - 1e-6, UNSTAMPED, 2.0**33):
        await lie.tell(start_time=start_time, newest=2.0**33, role="leader", led_term=5)
        await asyncio.sleep(0.1)


async def tell_of_tomorrow(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    await lie.tell(newest=time.time() + 86_000)
    await lie.tell(newest=2.0**33, start_time=time.time() + 86_300)


async def name_the_last_term(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    await lie.tell(term=LAST)


async def lead_in_the_last_term(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    await lie.tell(term=LAST, led_term=LAST, role="leader", start_time=0.0)


async def relay_the_last_term(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    await lie.tell(state_of("127.0.0.6:4000", term=LAST, led_term=LAST, role="leader"))


async def name_the_highest_term(lie: Lie, _node: Node, nodes: Sequence[Node]) -> None:
    """The highest that is believed, again and again."""
    for _ in range(20):
        term = highest_term(time.time() - 0.01)
        await lie.tell(term=term, led_term=term, role="leader", start_time=0.0, electorate=state(nodes[0]).electorate)
        await asyncio.sleep(0.02)


async def ask_for_the_last_term(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    await lie.say(Request(number=LAST, term=LAST, sitting=True))


async def ask_for_the_highest_term(lie: Lie, _node: Node, nodes: Sequence[Node]) -> None:
    """As the oldest, who hears everybody."""
    addresses = tuple(sorted(node.address for node in nodes))
    for number in range(1, 20):
        term = highest_term(time.time() - 0.01)
        await lie.tell(start_time=0.0, role="candidate", links=addresses, electorate=state(nodes[0]).electorate)
        await lie.say(Request(number=number, term=term, sitting=False), Request(number=LAST, term=term, sitting=True))
        await asyncio.sleep(0.02)


async def refuse_with_a_huge_term(lie: Lie, node: Node, _nodes: Sequence[Node]) -> None:
    for number in range(50):
        await lie.say(Refusal(number=number, boot=state(node).boot, term=highest_term(time.time()) - 1000))
    await lie.say(Refusal(number=1, boot=state(node).boot, term=LAST))


async def tell_of_endless_members(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    for block in range(20):
        crowd = [f"127.{block + 1}.{n % 200 + 1}.{n // 200 + 1}:9" for n in range(240)]
        await lie.tell(*(state_of(each, start_time=float(n)) for n, each in enumerate(crowd)), members=tuple(crowd))
        await asyncio.sleep(0.02)


async def speak_for_others(lie: Lie, node: Node, nodes: Sequence[Node]) -> None:
    """What each other node would say of itself, under the last number, and as a process of a later start."""
    others = [state(other) for other in nodes if other is not node]
    for _ in range(5):
        await lie.tell(*(with_serial(each, fit=False, unfit="lied about") for each in others))
        await lie.tell(*(with_serial(each, boot=Boot(LAST, "later")) for each in others))
        await asyncio.sleep(0.05)


async def vote_for_others(lie: Lie, node: Node, nodes: Sequence[Node]) -> None:
    """Grants, releases and farewells for everybody, with all numbers."""
    for other in nodes:
        boot = state(other).boot
        await lie.say(*(Grant(number=number, boot=boot) for number in (*range(100), LAST)))
        await lie.say(Release(number=LAST, boot=boot), Bye(boot=boot), Offer(start_time=0.0, boot=boot))


async def offer_the_oldest_stamp(lie: Lie, node: Node, _nodes: Sequence[Node]) -> None:
    await lie.tell(role="demoting", led_term=1)
    await lie.say(Offer(start_time=0.0, boot=state(node).boot))


async def ask_about_everybody(lie: Lie, _node: Node, nodes: Sequence[Node]) -> None:
    for _ in range(50):
        for other in nodes:
            await lie.say(Ask(address=other.address, boot=state(other).boot))
            await lie.say(Answer(address=other.address, boot=state(other).boot, age=0.0))
        await lie.say(Ask(address="127.0.0.6:1", boot=Boot(1, "x")))


async def go_by_other_voters(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    for voters in ((LIAR,), (LIAR, "127.0.0.6:1"), tuple(f"127.0.1.{n}:1" for n in range(10, 99))):
        await lie.tell(electorate=Electorate(voters, LEASE), role="leader", led_term=2**40, start_time=0.0)


async def claim_leaders(lie: Lie, node: Node, nodes: Sequence[Node]) -> None:
    sitting = tuple(Leadership(other.address, state(other).boot, 2**40) for other in nodes)
    ghost = Leadership("127.0.0.6:4000", Boot(1, "ghost"), 2**40)
    await lie.tell(sitting=(*sitting, ghost), leader=node.address, leader_boot=state(node).boot)


async def flood(lie: Lie, _node: Node, _nodes: Sequence[Node]) -> None:
    """Each tell changes what everybody knows, and each beat wants one in return."""
    base = 2**20
    for number in range(700):
        await lie.tell(term=base + number, start_time=float(number))
        await lie.say(*[Beat(seq=number, ack=0, prompt=True)] * 5)
        await lie.ping()


LIES: tuple[Told, ...] = (
    be_oldest, be_youngest, tell_of_tomorrow, name_the_last_term, lead_in_the_last_term, relay_the_last_term,
    name_the_highest_term, ask_for_the_last_term, ask_for_the_highest_term, refuse_with_a_huge_term,
    tell_of_endless_members, speak_for_others, vote_for_others, offer_the_oldest_stamp, ask_about_everybody,
    go_by_other_voters, claim_leaders, flood,
)  # fmt: skip


@pytest.mark.parametrize("majority", [False, True], ids=["members", "majority"])
@pytest.mark.parametrize("tell", LIES, ids=lambda tell: tell.__name__)
async def test_when_the_liar_is_gone_all_is_well_again(tmp_path: Path, tell: Told, majority: bool) -> None:
    trio = Trio(tmp_path, majority=majority)
    async with trio.running():
        async with contextlib.AsyncExitStack() as stack:
            lies = [await stack.enter_async_context(lying(node.address)) for node in trio.nodes]
            for lie in lies:
                await lie.tell()
            await asyncio.gather(*(tell(lie, node, trio.nodes) for lie, node in zip(lies, trio.nodes, strict=True)))
            await asyncio.sleep(0.3)
        await trio.heal()
