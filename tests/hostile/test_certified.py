"""A liar with TLS: he has a certificate of the authority, for his own address, which is no voter's.

He may disturb; he never makes two leaders, because what voters say counts only over a link to that very address.
"""

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from les_hooks.election.frames import Bye, Electorate, Farewell, Grant, Offer, Refusal, Release, Request, State
from les_hooks.members import Address, Boot
from les_hooks.security import Credentials
from tests.backends.peers.fakes import QUICK, Node, clock, free_port, make_node, running, until
from tests.hostile.liar import Lie, lying, with_serial
from tests.hostile.stage import logged, reasons
from tests.hostile.trio import LAST, LEASE, state
from tests.security.files import TestAuthority

ONE, TWO, THREE, LIARS = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
ME = Address(f"{LIARS}:4000")


class Cut:
    """Three voters with certificates. The third hears the others, which do not hear each other: the first leads."""

    def __init__(self, folder: Path) -> None:
        authority = TestAuthority(folder)
        hosts = (ONE, TWO, THREE)
        addresses = [Address(f"{host}:{free_port(host)}") for host in hosts]
        electorate = Electorate(tuple(sorted(addresses)), LEASE)
        self.broken: list[BaseException] = []
        self.nodes = [
            make_node(
                *addresses,
                address=address,
                name=f"n{host[-1]}",
                credentials=Credentials(tls_files=authority.issue(host, host, folder=folder), host=host),
                electorate=electorate,
                timing=dataclasses.replace(QUICK, lease=LEASE),
                on_broken=self.broken.append,
            )
            for host, address in zip(hosts, addresses, strict=True)
        ]
        files = authority.issue(LIARS, LIARS, folder=folder)
        self.context = ssl.create_default_context(cafile=str(files.ca))
        self.context.load_cert_chain(files.cert, files.key)
        self.double = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have them elect, end demotions at once, and look all the time for two that may act as leaders."""
        async with running(*self.nodes):
            looking = asyncio.create_task(self._look())
            try:
                await until(lambda: self.leaders() and all(node.view.leader for node in self.nodes), 10)
                yield
            finally:
                looking.cancel()

    def leaders(self) -> list[Node]:
        """Those that have authority at this moment."""
        now = clock().boottime
        return [node for node in self.nodes if node.views and node.backend.mandate.hold_until > now]

    async def _look(self) -> None:
        while True:
            self.double += len(self.leaders()) > 1
            for node in self.nodes:
                if state(node).role in ("demoting", "stopping"):
                    node.backend.released()
            await asyncio.sleep(0.001)


async def claim_votes(lie: Lie, node: Node, others: list[State]) -> None:
    """Grant this node whatever it asks for, and give back, withdraw and refuse in the name of everybody."""
    electorate = state(node).electorate
    own = state(node)
    links = tuple(each.address for each in (own, *others))
    for number in range(40):
        await lie.tell(
            *(with_serial(each, role="follower", fit=number % 2 == 0) for each in others),
            electorate=electorate,
            links=links,
            start_time=0.0,
            role=("candidate", "leader")[number % 2],
            led_term=number,
        )
        await lie.say(Request(number=number, term=own.term + number, sitting=bool(number % 2)))
        await lie.say(Grant(number=number, boot=own.boot), Grant(number=LAST, boot=own.boot))
        await lie.say(Refusal(number=LAST, boot=own.boot, term=own.term + 5), Offer(start_time=0.0, boot=own.boot))
        await lie.say(*(Release(number=LAST, boot=each.boot) for each in (own, *others)))
        await asyncio.sleep(0.02)
    await lie.say(*(Bye(boot=each.boot) for each in (own, *others)))


@pytest.mark.parametrize("boot_of", ["his own", "the leader", "a voter"])
async def test_who_has_no_voters_certificate_never_makes_two_leaders(tmp_path: Path, boot_of: str) -> None:
    """He may say in his hello that he is any process; its address he may not."""
    cut = Cut(tmp_path)
    async with cut.running():
        leader = cut.leaders()[0]
        voter = next(node for node in cut.nodes if node is not leader)
        boot = {"his own": Boot(3, "liar"), "the leader": state(leader).boot, "a voter": state(voter).boot}[boot_of]
        async with contextlib.AsyncExitStack() as stack:
            jobs = []
            for node in cut.nodes:
                lie = await stack.enter_async_context(lying(node.address, ME, boot, tls=cut.context))
                others = [state(other) for other in cut.nodes if other is not node]
                jobs.append(claim_votes(lie, node, others))
            await asyncio.gather(*jobs)
        await until(lambda: len(cut.leaders()) == 1, 10)
        await until(lambda: {node.view.leader for node in cut.nodes} == {cut.leaders()[0].address}, 10)
    assert cut.double == 0
    assert cut.broken == []


async def test_he_goes_by_no_address_but_his_own(tmp_path: Path) -> None:
    cut = Cut(tmp_path)
    with logged() as logs:
        async with cut.running():
            for node in cut.nodes:
                for other in cut.nodes:
                    for first in (
                        None,
                        Farewell(protocol=1, cluster="web", address=other.address, boot=state(other).boot),
                    ):
                        async with lying(
                            node.address, other.address, state(other).boot, first=first, tls=cut.context
                        ) as lie:
                            await asyncio.wait_for(lie.over.wait(), 5)
                            assert lie.said == []
            assert len(cut.leaders()) == 1
    assert cut.double == 0
    refused = reasons(logs, "link-refused")
    assert refused
    assert all("certificate" in why for why in refused)


async def test_his_farewell_frees_no_vote_of_another(tmp_path: Path) -> None:
    """In his own name, with the boot of the leader: the address is what he can prove."""
    cut = Cut(tmp_path)
    async with cut.running():
        leader = cut.leaders()[0]
        farewell = Farewell(protocol=1, cluster="web", address=ME, boot=state(leader).boot)
        for node in cut.nodes:
            if node is leader:
                continue
            async with lying(node.address, ME, first=farewell, tls=cut.context) as lie:
                await asyncio.wait_for(lie.over.wait(), 5)
            quorum = node.backend.status()["quorum"]
            assert isinstance(quorum, dict)
            assert quorum["vote"] == leader.address
    assert cut.double == 0
