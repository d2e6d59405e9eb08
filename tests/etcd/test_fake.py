"""What befalls the etcd in memory, and who asks it: what no real one does when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from les_plugins.etcd.store import (
    Change,
    Put,
    Range,
    RefusedError,
    StoreError,
    Transaction,
    UnreachableError,
)
from tests.etcd.fake import Client, Etcd
from tests.virtual import virtual

YEAR_SECONDS = 365 * 86400


def now() -> float:
    return asyncio.get_running_loop().time()


def make(rate: float = 1.0) -> tuple[Etcd, Client]:
    """An etcd, and a client of it."""
    etcd = Etcd(asyncio.get_running_loop().time, Random(1), rate=rate)
    return etcd, Client(etcd, "a")


async def put(client: Client, key: str, lease: int = 0) -> int:
    """Write a key; the revision of that."""
    return (await client.transact(Transaction(then=(Put(key=key, value=b"", lease=lease),)))).header.revision


async def names(client: Client) -> list[str]:
    """The keys that are there."""
    return [kv.key for kv in (await client.range(Range(key="/", prefix=True))).kvs]


@asynccontextmanager
async def listening(client: Client, first: int) -> AsyncIterator[list[Change | StoreError]]:
    """What is told of all keys from that revision on, the error included with which it ends."""
    told: list[Change | StoreError] = []

    async def listen() -> None:
        try:
            async with client.watch("/", first) as batches:
                async for batch in batches:
                    told.extend(batch.changes)
        except StoreError as error:
            told.append(error)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    yield told
    listener.cancel()
    await asyncio.wait([listener])


def keys(told: list[Change | StoreError]) -> list[str]:
    """What changes are about."""
    return [one.kv.key if isinstance(one, Change) else type(one).__name__ for one in told]


# -- the etcd ----------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_year_of_renewals_costs_nothing() -> None:
    etcd, client = make()
    lease = (await client.grant(3600)).lease
    await put(client, "/a", lease)
    began = now()
    while now() < began + YEAR_SECONDS:
        assert (await client.keep_alive(lease)).ttl == 3600
        await asyncio.sleep(1200)
    assert await names(client) == ["/a"]
    assert client.requests["keep_alive"] == YEAR_SECONDS // 1200
    await asyncio.sleep(3601)
    assert await names(client) == []
    assert etcd.keyspace.revision == 3


@virtual()
@pytest.mark.parametrize("rate", [0.99, 1.0, 1.01])
async def test_leases_run_out_by_the_clock_of_the_etcd_and_up_to_half_a_second_late(rate: float) -> None:
    _, client = make(rate)
    for _ in range(20):
        lease = (await client.grant(100)).lease
        began = now()
        first = await put(client, "/a", lease)
        async with client.watch("/", first + 1) as batches:
            assert not (await anext(batches)).changes
            assert (await anext(batches)).changes
        assert 100 / rate - 0.01 <= now() - began <= 100.5 / rate + 0.01
        await asyncio.sleep(0.123)


@virtual()
async def test_a_renewal_that_comes_too_late_is_answered_when_the_keys_are_gone() -> None:
    _, client = make()
    for _ in range(10):
        lease = (await client.grant(2)).lease
        await put(client, "/a", lease)
        await asyncio.sleep(2.05)
        assert (await client.keep_alive(lease)).ttl == 0
        assert await names(client) == []


@virtual()
async def test_a_new_leader_lets_all_leases_last_anew() -> None:
    etcd, client = make()
    lease = (await client.grant(10)).lease
    await asyncio.sleep(9)
    etcd.new_leader()
    life = await client.time_to_live(lease)
    assert life.ttl in (10, 11)
    assert life.header.raft_term == 3


@virtual()
async def test_without_a_majority_nothing_is_served_and_nothing_runs_out() -> None:
    etcd, client = make()
    lease = (await client.grant(5)).lease
    await put(client, "/a", lease)
    etcd.lose_majority()
    with pytest.raises(UnreachableError):
        await client.range(Range(key="/a"))
    await asyncio.sleep(60)
    etcd.regain_majority()
    assert await names(client) == ["/a"]
    await asyncio.sleep(7)
    assert await names(client) == []


@virtual()
async def test_a_lease_revoked_early_takes_its_keys_along() -> None:
    etcd, client = make()
    lease = (await client.grant(5)).lease
    await put(client, "/a", lease)
    etcd.revoke_early(lease)
    assert await names(client) == []
    assert (await client.keep_alive(lease)).ttl == 0


@virtual()
async def test_a_restored_backup_knows_the_past_and_gives_its_numbers_again() -> None:
    etcd, client = make()
    lease = (await client.grant(5)).lease
    first = await put(client, "/a", lease)
    await put(client, "/b")
    await client.revoke(lease)
    assert await names(client) == ["/b"]
    async with listening(client, first) as told:
        etcd.restore(first)
        await asyncio.sleep(0.1)
    assert keys(told) == ["/a", "/b", "/a", "UnreachableError"]
    assert await names(client) == ["/a"]
    assert (await client.keep_alive(lease)).ttl == 5
    assert await put(client, "/c") == first + 1


@virtual()
async def test_compaction_takes_deletions_at_its_own_revision_without_a_word() -> None:
    etcd, client = make()
    first = await put(client, "/a")
    lease = (await client.grant(5)).lease
    await put(client, "/b", lease)
    await client.revoke(lease)
    etcd.compact()
    async with listening(client, etcd.keyspace.revision) as told, listening(client, first) as refused:
        assert told == []
        assert keys(refused) == ["CompactedError"]


# -- who asks it -------------------------------------------------------------------------------------------------------


@virtual()
async def test_who_is_cut_off_waits_for_its_limit_and_hears_later_what_it_missed() -> None:
    etcd, client = make()
    other = Client(etcd, "b")
    first = await put(client, "/a")
    async with listening(client, first + 1) as told:
        client.cut = True
        began = now()
        with pytest.raises(UnreachableError):
            await put(client, "/never")
        assert 1.0 <= now() - began < 1.1
        await put(other, "/b")
        async with listening(client, 1) as none:
            await asyncio.sleep(1.0)
        assert (told, keys(none)) == ([], ["UnreachableError"])
        client.cut = False
        await asyncio.sleep(0.1)
        assert keys(told) == ["/b"]
        assert await names(client) == ["/a", "/b"]


@virtual()
async def test_who_is_deaf_can_ask_all_the_same() -> None:
    _, client = make()
    first = await put(client, "/a")
    async with listening(client, first + 1) as told:
        client.deaf = True
        await put(client, "/b")
        await put(client, "/c")
        await asyncio.sleep(60)
        assert (told, await names(client)) == ([], ["/a", "/b", "/c"])
        client.deaf = False
        await asyncio.sleep(0.1)
        assert keys(told) == ["/b", "/c"]
        client.break_watches()
        await asyncio.sleep(0.1)
        assert keys(told) == ["/b", "/c", "UnreachableError"]


@virtual()
async def test_a_lost_answer_is_that_to_a_request_that_had_its_effect() -> None:
    etcd, client = make()
    client.tries, client.lost_answers = 2, True
    with pytest.raises(UnreachableError):
        await put(client, "/a")
    client.lost_answers = False
    assert await names(client) == ["/a"]
    assert etcd.keyspace.revision == 3
    assert client.requests["transact"] == 2


@virtual()
async def test_a_request_that_is_late_has_its_effect_after_its_caller_gave_up() -> None:
    _, client = make()
    client.delay = lambda: 5.0
    with pytest.raises(UnreachableError):
        await put(client, "/a")
    client.delay = float
    assert await names(client) == []
    await asyncio.sleep(5)
    assert await names(client) == ["/a"]


@virtual()
async def test_what_is_refused_is_told_as_that() -> None:
    _, client = make()
    client.refuse("wrong password")
    with pytest.raises(RefusedError, match="wrong password"):
        await client.grant(5)
    with pytest.raises(RefusedError, match="wrong password"):
        async with client.watch("/", 1) as batches:
            await anext(batches)
    client.refuse("")
    await client.grant(5)


@virtual()
async def test_a_deposed_leader_renews_what_is_long_gone() -> None:
    etcd, client = make()
    lease = (await client.grant(5)).lease
    await put(client, "/a", lease)
    etcd.new_leader()
    client.stale = True
    for _ in range(10):
        kept = await client.keep_alive(lease)
        assert (kept.ttl, kept.header.raft_term) == (5, 2)
        await asyncio.sleep(2)
    assert (await client.time_to_live(lease)).ttl in (2, 3)
    assert await names(client) == []
    assert (await client.range(Range(key="/a"))).header.raft_term == 3
    client.stale = False
    assert (await client.keep_alive(lease)).ttl == 0


@virtual()
async def test_words_of_a_watch_keep_their_order_whatever_each_takes() -> None:
    etcd, client = make()
    draw = Random(3)
    writer = Client(etcd, "b")
    client.delay = lambda: draw.uniform(0.0, 0.5)
    first = await put(client, "/a")
    async with listening(client, first + 1) as told:
        for _ in range(50):
            await put(writer, "/a")
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
    revisions = [change.kv.mod_revision for change in told if isinstance(change, Change)]
    assert revisions == list(range(first + 1, first + 51))
