"""The gateway and a real etcd."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from les_hooks.security.tls import TlsFiles
from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import (
    Batch,
    ChangeKind,
    CompactedError,
    Comparison,
    Delete,
    LeaseGoneError,
    Put,
    Range,
    RefusedError,
    StoreError,
    Transaction,
    UnreachableError,
)
from tests.cluster import free_ports, until
from tests.etcd.server import FAST, Server
from tests.security.files import TestAuthority

ALL = Range(key="/les-hooks/", prefix=True)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for those who leave it as it was but for its keys."""
    with Server(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@asynccontextmanager
async def asking(*urls: str, attempt: float = 2.0, **fields: Any) -> AsyncIterator[Gateway]:
    client = Gateway(EtcdConfig(endpoints=urls, **fields), attempt=attempt)
    try:
        yield client
    finally:
        await client.close()


def freeze(server: Server) -> None:
    """All of its threads stand still when this returns; each takes note of the signal by itself."""
    server.freeze()
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task")
    until(lambda: all(_stands(task) for task in tasks.iterdir()), "it is frozen")


def _stands(task: Path) -> bool:
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


def put(key: str, value: bytes = b"x", lease: int = 0) -> Transaction:
    return Transaction(then=(Put(key=key, value=value, lease=lease),))


def keys(batch: Batch) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.kv.key) for change in batch.changes]


async def test_a_lease_lives_while_it_is_kept_and_takes_its_keys_along(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        lease = await client.grant(5)
        assert lease.ttl == 5
        key = f"/les-hooks/lease/{lease.lease:x}"
        await client.transact(put(key, b"\x00\xff", lease.lease))
        assert (await client.keep_alive(lease.lease)).ttl == 5
        life = await client.time_to_live(lease.lease)
        assert (life.ttl, life.granted_ttl) in ((4, 5), (5, 5))
        (kv,) = (await client.range(Range(key=key))).kvs
        assert (kv.value, kv.lease, kv.create_revision) == (b"\x00\xff", lease.lease, kv.mod_revision)
        await client.revoke(lease.lease)
        assert (await client.range(Range(key=key))).kvs == ()


async def test_a_lease_that_is_gone_is_seen_by_every_call(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        assert (await client.keep_alive(12345)).ttl == 0
        assert (await client.time_to_live(12345)).ttl == -1
        await client.revoke(12345)
        with pytest.raises(LeaseGoneError):
            await client.transact(put("/les-hooks/x", lease=12345))


async def test_a_transaction_goes_by_when_a_key_was_created(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        key = "/les-hooks/txn/a"
        absent = Transaction(
            compare=(Comparison(key=key, create_revision=0),),
            then=(Put(key=key, value=b"1", lease=0), Range(key=key)),
            otherwise=(Range(key=key), Range(key="/les-hooks/txn/", prefix=True, keys_only=True)),
        )
        made = await client.transact(absent)
        created = made.ranged[0].kvs[0].create_revision
        assert (made.succeeded, created) == (True, made.header.revision)
        again = await client.transact(absent)
        assert not again.succeeded
        assert [kv.value for found in again.ranged for kv in found.kvs] == [b"1", b""]
        swap = Transaction(
            compare=(Comparison(key=key, create_revision=created),),
            then=(Delete(key=key), Put(key="/les-hooks/txn/b", value=b"", lease=0)),
        )
        assert (await client.transact(swap)).succeeded
        assert not (await client.transact(swap)).succeeded


async def test_a_range_counts_all_and_gives_what_was_asked_for(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        for name in ("b", "a", "c"):
            last = await client.transact(put(f"/les-hooks/range/{name}", b"v"))
        under = Range(key="/les-hooks/range/", prefix=True)
        assert [kv.key[-1] for kv in (await client.range(under)).kvs] == ["a", "b", "c"]
        newest = Range(key=under.key, prefix=True, min_mod_revision=last.header.revision, limit=1, keys_only=True)
        found = await client.range(newest)
        assert [(kv.key[-1], kv.value) for kv in found.kvs] == [("c", b"")]
        assert found.count == 3


async def test_a_watch_goes_on_where_another_ended(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        begun = (await client.range(ALL)).header.revision
        await client.transact(put("/les-hooks/watch/a"))
        await client.transact(
            Transaction(then=(Delete(key="/les-hooks/watch/a"), Put(key="/les-hooks/watch/b", value=b"", lease=0)))
        )
        seen = []
        async with client.watch("/les-hooks/watch/", begun + 1) as batches:
            upto = (await anext(batches)).header.revision
            assert upto == begun
            while upto < begun + 2:
                batch = await anext(batches)
                seen += keys(batch)
                upto = batch.header.revision
        await client.transact(put("/les-hooks/other"))
        await client.transact(put("/les-hooks/watch/c"))
        async with client.watch("/les-hooks/watch/", upto + 1) as batches:
            await anext(batches)
            seen += keys(await anext(batches))
        assert seen[0] == (ChangeKind.PUT, "/les-hooks/watch/a")
        assert set(seen[1:3]) == {(ChangeKind.DELETE, "/les-hooks/watch/a"), (ChangeKind.PUT, "/les-hooks/watch/b")}
        assert seen[3:] == [(ChangeKind.PUT, "/les-hooks/watch/c")]


async def test_a_watch_says_what_stood_there_before(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        lease = await client.grant(5)
        made = await client.transact(put("/les-hooks/before/a", b"old", lease.lease))
        async with client.watch("/les-hooks/before/", made.header.revision + 1) as batches:
            await anext(batches)
            await client.revoke(lease.lease)
            (change,) = (await anext(batches)).changes
        assert change.kind is ChangeKind.DELETE
        assert change.before is not None
        assert (change.before.value, change.before.lease) == (b"old", lease.lease)


async def test_a_watch_from_before_compaction_says_so(tmp_path: Path) -> None:
    with Server(tmp_path) as etcd:
        async with asking(etcd.url) as client:
            for _ in range(3):
                last = await client.transact(put("/les-hooks/a"))
            etcd.ctl("compact", str(last.header.revision))
            with pytest.raises(CompactedError) as caught:
                async with client.watch("/les-hooks/", 1) as batches:
                    _ = [batch async for batch in batches]
            assert caught.value.revision == last.header.revision
            async with client.watch("/les-hooks/", last.header.revision + 1) as batches:
                assert (await anext(batches)).changes == ()
                etcd.ctl("put", "/les-hooks/b", "1")
                etcd.ctl("compact", str(last.header.revision + 1))
                assert keys(await anext(batches)) == [(ChangeKind.PUT, "/les-hooks/b")], "one that is up to it goes on"


async def test_a_thousand_nodes_fit_into_one_answer_and_one_message(etcd: Server) -> None:
    async with asking(etcd.url, attempt=5.0) as client:
        begun = (await client.range(ALL)).header.revision
        value = b"\xff" * 4096
        for first in range(0, 1000, 100):
            names = (f"/les-hooks/many/{number:04}" for number in range(first, first + 100))
            await client.transact(Transaction(then=tuple(Put(key=name, value=value, lease=0) for name in names)))
        assert len((await client.range(Range(key="/les-hooks/many/", prefix=True))).kvs) == 1000
        seen = 0
        async with client.watch("/les-hooks/many/", begun + 1) as batches:
            while seen < 1000:
                seen += len((await anext(batches)).changes)


async def test_it_knows_which_etcd_it_is(etcd: Server) -> None:
    async with asking(etcd.url) as client:
        await client.range(ALL)
        for _ in range(100):
            status: Any = client.status()[0]
            if status["version"]:
                break
            await asyncio.sleep(0.02)
        assert status["version"] in etcd.ctl("version") or status["version"].startswith("3.")


async def test_a_frozen_server_costs_one_attempt_and_a_watch_of_it_says_nothing(etcd: Server, tmp_path: Path) -> None:
    """Both are of one etcd by what they say, as nobody asks them both."""
    with Server(tmp_path, flags=FAST) as frozen:
        async with asking(frozen.url, etcd.url, attempt=0.8) as client:
            freeze(frozen)
            begun = time.monotonic()
            await client.range(ALL)
            assert 0.8 <= time.monotonic() - begun < 1.6
            begun = time.monotonic()
            await client.range(ALL)
            assert time.monotonic() - begun < 0.8
            first: Any = client.status()[0]
            assert first["error"] == "no answer within 0.8 s"
            frozen.thaw()
            frozen.wait()
        async with asking(frozen.url, attempt=0.4) as client, client.watch("/les-hooks/", 1) as batches:
            await anext(batches)
            freeze(frozen)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(batches), 0.6)
            with pytest.raises(UnreachableError, match="no answer within"):
                await client.range(ALL)


async def test_all_of_them_gone_is_said_at_once_and_over_when_they_are_back(tmp_path: Path) -> None:
    with Server(tmp_path) as etcd:
        (port,) = free_ports(1)
        async with asking(etcd.url, f"http://127.0.0.1:{port}") as client:
            lease = await client.grant(60)
            async with client.watch("/les-hooks/", 1) as batches:
                await anext(batches)
                etcd.kill()
                with pytest.raises(UnreachableError):
                    await anext(batches)
            begun = time.monotonic()
            with pytest.raises(UnreachableError, match=r"refused.*refused"):
                await client.keep_alive(lease.lease)
            assert time.monotonic() - begun < 2.0, "no attempt was waited for"
            etcd.start().wait()
            assert (await client.keep_alive(lease.lease)).ttl == 60


async def test_a_server_without_its_majority_says_so_and_ends_its_watches(tmp_path: Path) -> None:
    ports = free_ports(4)
    peers = {"one": f"http://127.0.0.1:{ports[1]}", "two": f"http://127.0.0.1:{ports[3]}"}
    one = Server(tmp_path / "one", flags=FAST, ports=ports[:2], name="one", peers=peers)
    two = Server(tmp_path / "two", flags=FAST, ports=ports[2:], name="two", peers=peers)
    try:
        one.start(), two.start()
        one.wait(), two.wait()
        async with asking(one.url) as client:
            async with client.watch("/les-hooks/", 1) as batches:
                await anext(batches)
                two.kill()
                with pytest.raises(UnreachableError, match="ended the watch"):
                    await asyncio.wait_for(anext(batches), 10.0)
            begun = time.monotonic()
            with pytest.raises(UnreachableError, match="no leader"):
                await client.range(ALL)
            assert time.monotonic() - begun < 2.0, "it need not be waited for"
    finally:
        one.close()
        two.close()


# -- users and certificates


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("secret")
    return path


async def test_with_users(tmp_path: Path, password_file: Path) -> None:
    with Server(tmp_path / "etcd") as etcd:
        etcd.enable_auth("les", "secret", "/les-hooks/")
        async with asking(etcd.url) as client:
            with pytest.raises(RefusedError, match="asks for a user"):
                await client.range(ALL)
            with pytest.raises(RefusedError, match="asks for a user"):
                async with client.watch("/les-hooks/", 1) as batches:
                    await anext(batches)
        async with asking(etcd.url, username="les", password_file=password_file) as client:
            password_file.write_text("wrong")
            with pytest.raises(RefusedError, match="wrong user or password"):
                await client.range(ALL)
            password_file.write_text("secret")
            lease = await client.grant(60)
            await client.transact(put("/les-hooks/a", lease=lease.lease))
            with pytest.raises(RefusedError, match="user 'les' may not read and write all keys under '/les-hooks'"):
                await client.transact(put("/other"))
            with pytest.raises(RefusedError, match="permission denied"):
                async with client.watch("/other/", 1) as batches:
                    await anext(batches)
            # Tokens are in memory alone, so that none is known after this.
            etcd.kill()
            await asyncio.sleep(0.01)  # the loop sees that its connections are gone, as it does at once elsewhere
            etcd.start().wait()
            async with client.watch("/les-hooks/", 1) as batches:
                await anext(batches)
            etcd.ctl("auth", "disable")
            etcd.ctl("auth", "enable")
            await client.transact(put("/les-hooks/a", lease=lease.lease))
            etcd.ctl("role", "revoke-permission", "--prefix=true", "les", "/les-hooks/")
            with pytest.raises(RefusedError, match="permission denied"):
                await client.range(ALL)


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path / "tls")


def certificates(files: TlsFiles) -> dict[str, Any]:
    return {"ca_file": files.ca, "cert_file": files.cert, "key_file": files.key}


async def test_with_certificates(tmp_path: Path, authority: TestAuthority) -> None:
    mine = authority.issue("node", "127.0.0.1")
    with Server(tmp_path / "etcd", tls=authority.issue("etcd", "127.0.0.1")) as etcd:
        async with asking(etcd.url, **certificates(mine)) as client:
            lease = await client.grant(5)
            async with client.watch("/les-hooks/", 1) as batches:
                await anext(batches)
                await client.transact(put("/les-hooks/a", lease=lease.lease))
                assert keys(await anext(batches)) == [(ChangeKind.PUT, "/les-hooks/a")]
        stranger = TestAuthority(tmp_path / "stranger").issue("node", "127.0.0.1")
        async with asking(etcd.url, **certificates(mine) | {"ca_file": stranger.ca}) as client:
            with pytest.raises(UnreachableError, match="certificate"):
                await client.range(ALL)
            stranger.ca.write_bytes(mine.ca.read_bytes())
            await client.range(ALL)
        async with asking(etcd.url, ca_file=mine.ca) as client:
            with pytest.raises(UnreachableError, match=r"refused in TLS .*certificate"):
                await client.range(ALL)
        async with asking(etcd.url.replace("127.0.0.1", "localhost"), **certificates(mine)) as client:
            with pytest.raises(UnreachableError, match="certificate"):
                await client.range(ALL)
        async with asking(etcd.url.replace("https:", "http:")) as client:
            with pytest.raises(UnreachableError):
                await client.range(ALL)


async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, authority: TestAuthority) -> None:
    mine, other = authority.issue("node", "127.0.0.1"), authority.issue("other", "127.0.0.1")
    missing = tmp_path / "missing"
    for wrong, why in (
        ({"ca_file": missing}, "ca_file .*missing cannot be used .no such file"),
        ({"ca_file": mine.key}, "ca_file .*cannot be used"),
        ({"cert_file": missing}, "cert_file .*missing cannot be used"),
        ({"key_file": missing}, "key_file .*missing cannot be read"),
        ({"key_file": other.key}, "key values mismatch"),
    ):
        async with asking("https://127.0.0.1:1", **certificates(mine) | wrong) as client:
            with pytest.raises(StoreError, match=why):
                await client.range(ALL)
    mine.key.chmod(0o644)
    async with asking("https://127.0.0.1:1", **certificates(mine)) as client:
        with pytest.raises(StoreError, match="others could read"):
            await client.range(ALL)
