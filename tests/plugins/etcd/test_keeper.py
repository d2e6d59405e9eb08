"""The lease and the key, on an etcd in memory: what counts, and what becomes of an answer that was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from les_hooks.backends import Identity, Instant, Role
from les_hooks.events import Reason
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Place
from les_plugins.etcd.health import Health
from les_plugins.etcd.keeper import Keeper
from les_plugins.etcd.line import Line
from les_plugins.etcd.store import Delete, Put, Range, Transaction
from tests.etcd.fake import Client, Etcd
from tests.plugins.etcd.stage import KEYS, address, boot
from tests.virtual import VirtualLoop

TTL = 5


class Keeping:
    """A keeper that runs, of a node that lists whenever it is told to."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.etcd = Etcd(self.loop.time, Random(1))
        self.client = Client(self.etcd, "a", attempt=2.0)
        self.sent: list[float] = []
        identity = Identity(address=address("a"), name="a", version="1", boot=boot("a"))
        log = structlog.wrap_logger(structlog.testing.ReturnLogger())
        self.candidate = Candidate(identity, Line(KEYS), ttl=TTL, hold=3.0, floor=0, now=self.now())
        self.keeper = Keeper(
            self.client,
            KEYS,
            self.candidate,
            health=Health(log),
            clock=self.now,
            changed=self.changed,
            compared=lambda *_: False,
            dropped=lambda: None,
        )
        self.tasks = [self.loop.create_task(work) for work in (self.keeper.keep(), self.keeper.place())]

    def now(self) -> Instant:
        return Instant(self.loop.time(), 1.7e9 + self.loop.time())

    def changed(self) -> None:
        self.keeper.wake()

    def read(self) -> None:
        """It is told all that there is."""
        gone = self.candidate.line.replace(self.etcd.range(Range(key=KEYS.prefix, prefix=True)))
        self.candidate.saw(gone, self.etcd.raft_term, self.now())
        self.changed()

    def keys(self, place: Place) -> list[str]:
        return [key for key in self.etcd.keyspace.kvs if KEYS.place(key) is place]

    async def close(self) -> None:
        for task in self.tasks:
            assert not task.done()
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def told(story: Callable[[Keeping], Awaitable[None]]) -> None:
    """Tell it in time of its own."""

    async def body() -> None:
        keeping = Keeping()
        await asyncio.sleep(0.1)
        keeping.read()
        await story(keeping)
        await keeping.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(body())


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    async def story(keeping: Keeping) -> None:
        granted = keeping.candidate.hold.since
        keeping.client.delay = lambda: 0.5
        while keeping.candidate.hold.since == granted:
            await asyncio.sleep(0.01)
        # There and back for the renewal, and the same for the read that proves it.
        assert 1.9 < keeping.loop.time() - keeping.candidate.hold.since < 2.1

    told(story)


def test_a_key_that_is_gone_is_not_written_anew_by_what_is_said_in_it() -> None:
    async def story(keeping: Keeping) -> None:
        own = keeping.candidate.own
        assert own is not None
        await asyncio.sleep(0.1)
        assert own.entry.role is Role.FOLLOWER
        assert keeping.candidate.role is Role.LEADER
        keeping.etcd.transact(Transaction(then=(Delete(key=own.key),)))
        keeping.candidate.resign(Reason.OPERATOR, "stepped down", keeping.now())
        keeping.changed()
        await asyncio.sleep(0.1)
        assert own.key not in keeping.etcd.keyspace.kvs

    told(story)


def test_who_lost_its_key_comes_back_on_another_lease_and_ends_the_old_one() -> None:
    """Of a move whose answer was lost nobody knows whether a key came of it."""

    async def story(keeping: Keeping) -> None:
        lease = keeping.keeper.lease
        for key in keeping.keys(Place.LINE):
            keeping.etcd.transact(Transaction(then=(Delete(key=key),)))
        keeping.read()
        await asyncio.sleep(0.1)
        assert keeping.keeper.lease != lease
        assert list(keeping.etcd.leases.all) == [keeping.keeper.lease]

    told(story)


def test_a_key_is_not_moved_that_is_there_no_more() -> None:
    """Somebody else may have led since: this node comes in anew, behind everybody."""

    async def story(keeping: Keeping) -> None:
        own = keeping.candidate.own
        assert own is not None
        keeping.candidate.resign(Reason.TRANSFER, "gives up", keeping.now())
        keeping.candidate.released(keeping.now())
        keeping.etcd.transact(Transaction(then=(Delete(key=own.key),)))
        lease = keeping.keeper.lease
        keeping.changed()
        await asyncio.sleep(0.1)
        assert keeping.keeper.lease != lease

    told(story)


def test_a_first_key_whose_answer_was_lost_does_not_stand_beside_the_next() -> None:
    """The node has changed its mind meanwhile, and asks for another key."""

    async def story(keeping: Keeping) -> None:
        keeping.etcd.revoke(keeping.keeper.lease)
        keeping.read()
        keeping.candidate.released(keeping.now())
        keeping.client.delay = lambda: 0.1
        async with asyncio.timeout(10.0):
            while not keeping.keeper.lease:
                await asyncio.sleep(0.01)
            keeping.client.lost_answers = True
            while not keeping.keys(Place.LINE):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.15)
        keeping.client.lost_answers = False
        assert keeping.candidate.own is None
        keeping.candidate.judge("a disk is full", Reason.UNFIT, keeping.now())
        keeping.changed()
        await asyncio.sleep(4.0)
        assert (keeping.keys(Place.LINE), len(keeping.keys(Place.ASIDE))) == ([], 1)

    told(story)


def test_a_first_key_in_which_somebody_else_has_written_since_ends_no_node() -> None:
    async def story(keeping: Keeping) -> None:
        keeping.etcd.revoke(keeping.keeper.lease)
        keeping.read()
        keeping.candidate.released(keeping.now())
        keeping.client.delay = lambda: 0.1
        async with asyncio.timeout(10.0):
            while not keeping.keeper.lease:
                await asyncio.sleep(0.01)
            keeping.client.lost_answers = True
            while not keeping.keys(Place.LINE):
                await asyncio.sleep(0.01)
        (key,) = keeping.keys(Place.LINE)
        keeping.etcd.transact(Transaction(then=(Put(key=key, value=b"?", lease=keeping.keeper.lease),)))
        await asyncio.sleep(0.15)
        keeping.client.lost_answers = False
        await asyncio.sleep(4.0)
        assert keeping.candidate.own is not None
        assert keeping.keys(Place.LINE) == [keeping.candidate.own.key] != [key]

    told(story)


def test_two_losses_of_a_lease_in_a_row_leave_none_behind() -> None:
    async def story(keeping: Keeping) -> None:
        keeping.keeper.drop()
        keeping.keeper.drop()
        await asyncio.sleep(0.1)
        assert list(keeping.etcd.leases.all) == [keeping.keeper.lease]

    told(story)
