"""What every Store does, whether an etcd in memory is behind it or a real one."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from les_plugins.etcd.store import (
    Batch,
    Change,
    ChangeKind,
    CompactedError,
    Comparison,
    Delete,
    LeaseGoneError,
    Put,
    Range,
    RefusedError,
    Transacted,
    Transaction,
)
from tests.etcd.server import Server
from tests.etcd.sites import Site, held_to

TTL_SECONDS = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real one for all stories of this module; each has keys of its own."""
    with Server(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


async def put(site: Site, key: str, value: str = "", lease: int = 0) -> Transacted:
    """Write a key of this site."""
    return await site.one.transact(Transaction(then=(Put(key=site.prefix + key, value=value.encode(), lease=lease),)))


async def delete(site: Site, *keys: str) -> Transacted:
    """Remove keys of this site, in one revision."""
    return await site.one.transact(Transaction(then=tuple(Delete(key=site.prefix + key) for key in keys)))


async def names(site: Site) -> list[str]:
    """The keys of this site that are there."""
    found = await site.other.range(Range(key=site.prefix, prefix=True, keys_only=True))
    return [kv.key.removeprefix(site.prefix) for kv in found.kvs]


async def heard(batches: AsyncIterator[Batch], count: int) -> list[Change]:
    """The next changes, at least so many of them; without waiting for ever."""
    changes: list[Change] = []
    async with asyncio.timeout(10):
        while len(changes) < count:
            changes += (await anext(batches)).changes
    return changes


def told(site: Site, changes: list[Change]) -> list[str]:
    """Changes in short: `+key` and `-key`."""
    signs = {ChangeKind.PUT: "+", ChangeKind.DELETE: "-"}
    return [signs[change.kind] + change.kv.key.removeprefix(site.prefix) for change in changes]


# -- transactions ------------------------------------------------------------------------------------------------------


@held_to
async def test_all_of_a_transaction_is_one_revision(site: Site) -> None:
    before = await put(site, "old")
    done = await site.one.transact(
        Transaction(
            compare=(Comparison(key=site.prefix + "new", create_revision=0),),
            then=(Delete(key=site.prefix + "old"), Put(key=site.prefix + "new", value=b"x", lease=0)),
        )
    )
    assert done.succeeded
    assert done.header.revision == before.header.revision + 1
    found = await site.other.range(Range(key=site.prefix, prefix=True))
    assert [(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.lease) for kv in found.kvs] == [
        (site.prefix + "new", b"x", done.header.revision, done.header.revision, 0)
    ]


@held_to
async def test_where_a_comparison_fails_the_other_branch_is_done(site: Site) -> None:
    made = await put(site, "a")
    right = Comparison(key=site.prefix + "a", create_revision=made.header.revision)
    wrong = Comparison(key=site.prefix + "b", create_revision=made.header.revision)
    asked = Range(key=site.prefix + "a")
    done = await site.one.transact(
        Transaction(compare=(right, wrong), then=(Delete(key=site.prefix + "a"),), otherwise=(asked, asked))
    )
    assert not done.succeeded
    assert done.header.revision == made.header.revision
    assert [[kv.key for kv in ranged.kvs] for ranged in done.ranged] == [[site.prefix + "a"]] * 2


@held_to
async def test_a_key_that_is_written_again_keeps_its_create_revision(site: Site) -> None:
    first = await put(site, "a", "1")
    second = await put(site, "a", "2")
    found = await site.one.range(Range(key=site.prefix + "a"))
    assert found.kvs[0].value == b"2"
    assert found.kvs[0].create_revision == first.header.revision
    assert found.kvs[0].mod_revision == second.header.revision == first.header.revision + 1
    await delete(site, "a")
    third = await put(site, "a", "3")
    found = await site.one.range(Range(key=site.prefix + "a"))
    assert found.kvs[0].create_revision == third.header.revision


@held_to
async def test_to_delete_what_is_not_there_is_no_revision(site: Site) -> None:
    before = await put(site, "a")
    done = await delete(site, "b")
    assert done.succeeded
    assert done.header.revision == before.header.revision


@held_to
async def test_a_read_in_a_transaction_sees_what_was_written_before_it(site: Site) -> None:
    asked = Range(key=site.prefix, prefix=True)
    done = await site.one.transact(Transaction(then=(asked, Put(key=site.prefix + "a", value=b"", lease=0), asked)))
    assert [ranged.count for ranged in done.ranged] == [0, 1]


@held_to
async def test_no_key_is_written_twice_in_a_transaction(site: Site) -> None:
    twice = (Delete(key=site.prefix + "a"), Put(key=site.prefix + "a", value=b"", lease=0))
    with pytest.raises(RefusedError):
        await site.one.transact(Transaction(then=twice))
    assert await names(site) == []


@held_to
async def test_nothing_is_done_where_one_put_is_on_a_lease_that_is_gone(site: Site) -> None:
    lease = (await site.one.grant(TTL_SECONDS)).lease
    await site.one.revoke(lease)
    puts = tuple(Put(key=site.prefix + key, value=b"", lease=on) for key, on in (("a", 0), ("b", lease)))
    with pytest.raises(LeaseGoneError):
        await site.one.transact(Transaction(then=puts))
    assert await names(site) == []


# -- reading -----------------------------------------------------------------------------------------------------------


@held_to
async def test_a_range_tells_how_many_keys_there_are_whatever_it_shows(site: Site) -> None:
    await put(site, "c", "3")
    await put(site, "a", "1")
    late = await put(site, "b", "2")
    everything = await site.one.range(Range(key=site.prefix, prefix=True))
    assert [kv.value for kv in everything.kvs] == [b"1", b"2", b"3"]
    limited = await site.one.range(Range(key=site.prefix, prefix=True, limit=2, keys_only=True))
    assert [(kv.key, kv.value) for kv in limited.kvs] == [(site.prefix + "a", b""), (site.prefix + "b", b"")]
    assert limited.count == 3
    recent = await site.one.range(Range(key=site.prefix, prefix=True, min_mod_revision=late.header.revision, limit=1))
    assert [kv.key for kv in recent.kvs] == [site.prefix + "b"]
    assert recent.count == 3
    nothing = await site.one.range(
        Range(key=site.prefix, prefix=True, min_mod_revision=late.header.revision + 1, keys_only=True)
    )
    assert (nothing.kvs, nothing.count) == ((), 3)


@held_to
async def test_one_key_is_no_prefix(site: Site) -> None:
    await put(site, "a")
    await put(site, "ab")
    assert [kv.key for kv in (await site.one.range(Range(key=site.prefix + "a"))).kvs] == [site.prefix + "a"]
    assert (await site.one.range(Range(key=site.prefix + "a", prefix=True))).count == 2


# -- leases ------------------------------------------------------------------------------------------------------------


@held_to
async def test_etcd_makes_no_lease_shorter_than_two_seconds(site: Site) -> None:
    assert (await site.one.grant(1)).ttl == 2
    assert (await site.one.grant(7)).ttl == 7


@held_to
async def test_the_time_of_a_lease_is_told_in_whole_seconds_and_never_too_much(site: Site) -> None:
    lease = (await site.one.grant(5)).lease
    life = await site.other.time_to_live(lease)
    assert (life.ttl in (4, 5), life.granted_ttl) == (True, 5)
    await asyncio.sleep(1.5)
    assert (await site.other.time_to_live(lease)).ttl == 3
    assert (await site.one.keep_alive(lease)).ttl == 5
    assert (await site.other.time_to_live(lease)).ttl in (4, 5)


@held_to
async def test_a_lease_that_is_not_renewed_goes_with_its_keys_in_one_revision(site: Site) -> None:
    lease = (await site.one.grant(TTL_SECONDS)).lease
    await put(site, "a", lease=lease)
    made = await put(site, "b", lease=lease)
    await put(site, "c")
    async with site.other.watch(site.prefix, made.header.revision + 1) as batches:
        began = asyncio.get_running_loop().time()
        changes = await heard(batches, 3)
        took = asyncio.get_running_loop().time() - began
    assert told(site, changes) == ["+c", "-a", "-b"]
    assert changes[1].kv.mod_revision == changes[2].kv.mod_revision
    assert TTL_SECONDS - 0.2 < took < TTL_SECONDS + 1.0
    assert await names(site) == ["c"]


@held_to
async def test_a_renewal_of_a_lease_that_is_gone_is_told_from_one_that_is_not(site: Site) -> None:
    lease = (await site.one.grant(TTL_SECONDS)).lease
    assert (await site.one.keep_alive(lease)).ttl == TTL_SECONDS
    await site.other.revoke(lease)
    assert (await site.one.keep_alive(lease)).ttl == 0
    assert (await site.one.time_to_live(lease)).ttl == -1
    await site.one.revoke(lease)


@held_to
async def test_a_renewed_lease_stays(site: Site) -> None:
    lease = (await site.one.grant(TTL_SECONDS)).lease
    await put(site, "a", lease=lease)
    for _ in range(3):
        await asyncio.sleep(TTL_SECONDS / 2)
        assert (await site.one.keep_alive(lease)).ttl == TTL_SECONDS
    assert await names(site) == ["a"]
    await site.one.revoke(lease)
    assert await names(site) == []


@held_to
async def test_a_key_goes_with_the_lease_that_it_was_last_put_on(site: Site) -> None:
    first, second = (await site.one.grant(60)).lease, (await site.one.grant(60)).lease
    await put(site, "a", lease=first)
    await put(site, "a", lease=second)
    await put(site, "b", lease=first)
    await put(site, "b")
    await site.one.revoke(first)
    assert await names(site) == ["a", "b"]
    await site.one.revoke(second)
    assert await names(site) == ["b"]


# -- watches -----------------------------------------------------------------------------------------------------------


@held_to
async def test_a_watch_says_that_it_stands_and_then_what_happens(site: Site) -> None:
    before = await put(site, "a", "1")
    async with site.other.watch(site.prefix, before.header.revision + 1) as batches:
        first = await anext(batches)
        assert (first.changes, first.header.revision) == ((), before.header.revision)
        lease = (await site.one.grant(60)).lease
        await put(site, "a", "2", lease)
        await put(site, "b", "3")
        await site.one.revoke(lease)
        changed, made, gone = await heard(batches, 3)
    assert told(site, [changed, made, gone]) == ["+a", "+b", "-a"]
    assert changed.before is not None
    assert (changed.before.value, changed.kv.value, changed.kv.lease) == (b"1", b"2", lease)
    assert changed.kv.create_revision == before.header.revision
    assert made.before is None
    assert gone.before == changed.kv
    assert (gone.kv.value, gone.kv.create_revision, gone.kv.lease) == (b"", 0, 0)
    assert gone.kv.mod_revision == made.kv.mod_revision + 1


@held_to
async def test_a_watch_tells_what_has_been_and_leaves_others_alone(site: Site) -> None:
    start = await put(site, "a/1")
    await put(site, "b/1")
    await put(site, "a/2")
    await delete(site, "a/1", "a/2")
    async with site.other.watch(f"{site.prefix}a/", start.header.revision) as batches:
        first = await anext(batches)
        assert (first.changes, first.header.revision) == ((), start.header.revision - 1)
        changes = await heard(batches, 4)
    assert told(site, changes) == ["+a/1", "+a/2", "-a/1", "-a/2"]
    assert changes[2].kv.mod_revision == changes[3].kv.mod_revision
    assert changes[2].before is not None


@held_to
async def test_a_revision_is_never_split(site: Site) -> None:
    start = await put(site, "start")
    many = tuple(Put(key=f"{site.prefix}{number:03}", value=b"x" * 100, lease=0) for number in range(100))
    async with site.other.watch(site.prefix, start.header.revision + 1) as batches:
        assert not (await anext(batches)).changes
        done = await site.one.transact(Transaction(then=many))
        batch = await anext(batches)
        assert (len(batch.changes), batch.header.revision) == (100, done.header.revision)
    async with site.other.watch(site.prefix, start.header.revision + 1) as batches:
        assert not (await anext(batches)).changes
        assert len((await anext(batches)).changes) == 100


@held_to
async def test_a_watch_from_a_revision_to_come_waits_for_it(site: Site) -> None:
    start = await put(site, "a")
    async with site.other.watch(site.prefix, start.header.revision + 3) as batches:
        assert not (await anext(batches)).changes
        for key in "bcd":
            await put(site, key)
        assert told(site, await heard(batches, 1)) == ["+d"]


@held_to
async def test_a_watch_from_what_is_compacted_says_from_where_there_is_something(site: Site) -> None:
    start = await put(site, "a", "1")
    await put(site, "a", "2")
    last = await put(site, "a", "3")
    await site.compact(last.header.revision)
    with pytest.raises(CompactedError) as caught:
        async with site.other.watch(site.prefix, start.header.revision) as batches:
            await heard(batches, 1)
    assert caught.value.revision == last.header.revision
    async with site.other.watch(site.prefix, caught.value.revision) as batches:
        (change,) = await heard(batches, 1)
    assert (change.kv.value, change.before) == (b"3", None)


@held_to
async def test_a_deletion_at_the_revision_of_a_compaction_is_not_told_any_more(site: Site) -> None:
    """etcd 3.4 says nothing of it: a watch that goes on there has missed something, and a read must show it."""
    await put(site, "a")
    last = await delete(site, "a")
    await put(site, "b")
    await site.compact(last.header.revision)
    async with site.other.watch(site.prefix, last.header.revision) as batches:
        assert told(site, await heard(batches, 1)) == ["+b"]


@held_to
async def test_a_renewal_that_comes_too_late_is_answered_when_the_keys_are_gone(site: Site) -> None:
    for _ in range(2):
        lease = (await site.one.grant(TTL_SECONDS)).lease
        await put(site, "a", lease=lease)
        await asyncio.sleep(TTL_SECONDS + 0.02)
        assert (await site.one.keep_alive(lease)).ttl == 0
        assert await names(site) == []


@held_to
async def test_who_gives_up_waiting_may_wait_again(site: Site) -> None:
    start = await put(site, "a")
    async with site.other.watch(site.prefix, start.header.revision + 1) as batches:
        assert not (await anext(batches)).changes
        for key in "bc":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(batches), 0.1)
            await put(site, key)
            assert told(site, await heard(batches, 1)) == [f"+{key}"]


@held_to
async def test_two_watches_hear_the_same(site: Site) -> None:
    start = await put(site, "start")
    async with (
        site.one.watch(site.prefix, start.header.revision + 1) as first,
        site.other.watch(site.prefix, start.header.revision + 1) as second,
    ):
        for key in "abc":
            await put(site, key)
        await delete(site, "b")
        assert await heard(first, 4) == await heard(second, 4)
