"""Three real nodes that share a secret, for a liar to be among. For these tests only."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from les_hooks import wire
from les_hooks.election.frames import Electorate, State, Tell
from les_hooks.members import Address
from tests.backends.peers.fakes import QUICK, Node, free_port, make_node, running, until
from tests.hostile.stage import credentials

__all__ = ["LAST", "LEASE", "Trio", "state"]

LEASE = 1.0
LAST = 2**53


def state(node: Node) -> State:
    """What the node says of itself."""
    return node.backend.state()


class Trio:
    """Three nodes that share a secret; `broken` are errors of theirs, and `dials` all that they reached for.

    With a `third` there are two, which never reach each other, and the third voter is somebody else.
    """

    def __init__(self, folder: Path, *, majority: bool, third: Address | None = None) -> None:
        addresses = [Address(f"127.0.0.1:{free_port()}") for _ in range(3 if third is None else 2)]
        voters = addresses if third is None else [*addresses, third]
        electorate = Electorate(tuple(sorted(voters)), LEASE) if majority else None
        timing = dataclasses.replace(QUICK, lease=LEASE)
        self.broken: list[BaseException] = []
        self.dials: set[str] = set()
        self.nodes = [
            make_node(
                *(addresses if third is None else [third]),
                address=own,
                name=name,
                credentials=credentials(folder),
                electorate=electorate,
                timing=timing,
                on_broken=self.broken.append,
            )
            for own, name in zip(addresses, "abc", strict=False)
        ]
        for node in self.nodes:
            self._note_dials(node)

    def _note_dials(self, node: Node) -> None:
        dialer = node.backend._dialer
        dial = dialer.dial

        def noted(address: Address) -> None:
            self.dials.add(address)
            dial(address)

        dialer.dial = noted  # type: ignore[method-assign]  # it is only watched

    @asynccontextmanager
    async def running(self, *, agreeing: bool = True) -> AsyncIterator[None]:
        """Have them join and agree, and end demotions as soon as they begin."""
        async with running(*self.nodes):
            ending = asyncio.create_task(self._end_demotions())
            try:
                if agreeing:
                    await until(self.agree, 10)
                yield
            finally:
                ending.cancel()

    async def _end_demotions(self) -> None:
        while True:
            for node in self.nodes:
                if state(node).role in ("demoting", "stopping"):
                    node.backend.released()
            await asyncio.sleep(0.01)

    def agree(self, nodes: Sequence[Node] | None = None) -> bool:
        """Whether these, all three by default, know each other and no others, and accept one of them."""
        nodes = nodes or self.nodes
        addresses = {node.address for node in nodes}
        return all(
            node.views
            and {member.address for member in node.view.members} == addresses
            and node.view.leader == nodes[0].view.leader
            and node.view.leader in addresses
            and all(member.fit for member in node.view.members)
            for node in nodes
        )

    def check(self) -> None:
        """Nobody is broken, and what each says is what others take."""
        assert self.broken == []
        for node in self.nodes:
            said = wire.decode(wire.encode(Tell(seq=1, ack=1, state=state(node), relayed=())))
            assert isinstance(said, Tell)
            wire.check_terms(said, time.time(), node.address)
            assert all(term < LAST for term in node.saved)

    async def heal(self) -> None:
        """All is well again, and the next leader finds a term."""
        await until(self.agree, 10)
        self.check()
        first = next(node for node in self.nodes if node.address == self.nodes[0].view.leader)
        others = [node for node in self.nodes if node is not first]
        term = first.view.term
        await first.backend.leave(5.0)
        await until(lambda: self.agree(others), 10)
        assert others[0].view.term > term
        self.check()
