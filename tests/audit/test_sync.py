"""Bringing records to the disk: what waits for it, for how long, and what a disk that hangs does."""

import asyncio
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from les_hooks.audit import Action, Audit
from les_hooks.audit.actions import SYNCED
from les_hooks.audit.sync import LATE_SECONDS, Syncer
from les_hooks.config import LogFormat
from les_hooks.log import make_log
from tests.audit.disk import Disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.up.set()


Trail = tuple[Audit, io.StringIO]


@pytest.fixture
def trail(tmp_path: Path, disk: Disk) -> Iterator[Trail]:
    said = io.StringIO()
    audit = Audit(
        tmp_path / "audit.jsonl",
        node="a",
        cluster="web",
        boot=1,
        wall=time.time,
        log=make_log(LogFormat.JSON, stream=said),
        syncer=Syncer(sync=disk.sync),
    )
    yield audit, said
    audit.close()


def words(said: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in said.getvalue().splitlines()]


async def reached(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.005)


async def test_who_waits_finds_on_disk_what_was_written_before(trail: Trail, disk: Disk) -> None:
    audit, _ = trail
    audit.record(Action.LEADER_ELECTED)
    assert await audit.on_disk()
    assert disk.synced == [["audit.opened", "leader.elected"]]
    assert disk.threads == {"les-audit-sync"}


@pytest.mark.parametrize("action", Action)
async def test_only_what_matters_is_synced(trail: Trail, disk: Disk, action: Action) -> None:
    audit, _ = trail
    audit.record(action)
    assert await audit.on_disk()
    assert bool(disk.synced) is (action in SYNCED)


async def test_what_is_asked_for_meanwhile_becomes_one(trail: Trail, disk: Disk) -> None:
    audit, _ = trail
    disk.up.clear()
    audit.record(Action.LEADER_ELECTED)
    assert await asyncio.to_thread(disk.begun.acquire, timeout=10)
    for _ in range(50):
        audit.record(Action.CONFIG_RELOADED)
    waiting = [asyncio.create_task(audit.on_disk(10.0)) for _ in range(5)]
    await asyncio.sleep(0)
    disk.up.set()
    assert all(await asyncio.gather(*waiting))
    assert [len(found) for found in disk.synced] == [2, 52]


async def test_a_disk_that_hangs_is_waited_for_once_and_said(trail: Trail, disk: Disk) -> None:
    audit, said = trail
    disk.up.clear()
    audit.record(Action.LEADER_ELECTED)
    begun = time.monotonic()
    assert not await audit.on_disk()
    assert LATE_SECONDS <= time.monotonic() - begun < 2.0
    assert str(audit.degraded) == "the disk takes longer than 100 ms to sync it"
    begun = time.monotonic()
    audit.record(Action.LEADER_REASSERTED)
    assert not await audit.on_disk()
    assert time.monotonic() - begun < LATE_SECONDS / 2, "nobody waits for a disk that is known to hang"
    disk.up.set()
    await reached(lambda: audit.degraded is None)
    assert await audit.on_disk()
    assert words(said) == ["audit-unsynced", "audit-synced"]
    assert disk.synced[-1][-1] == "leader.reasserted"


async def test_a_disk_that_refuses_is_said_until_it_takes_it_again(trail: Trail, disk: Disk) -> None:
    audit, said = trail
    disk.error = OSError(5, "Input/output error")
    audit.record(Action.LEADER_ELECTED)
    assert not await audit.on_disk()
    assert "Input/output error" in str(audit.degraded)
    disk.error = None
    audit.record(Action.LEADER_REASSERTED)
    assert await audit.on_disk(1.0)
    assert audit.degraded is None
    assert words(said) == ["audit-unsynced", "audit-synced"]


async def test_a_file_that_is_rotated_away_while_it_waits_is_synced_all_the_same(
    tmp_path: Path, trail: Trail, disk: Disk
) -> None:
    audit, _ = trail
    disk.up.clear()
    audit.record(Action.LEADER_ELECTED)
    assert await asyncio.to_thread(disk.begun.acquire, timeout=10)
    audit.record(Action.LEADER_REASSERTED)
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.jsonl.1")
    audit.record(Action.CONFIG_RELOADED)
    disk.up.set()
    assert await audit.on_disk(10.0)
    assert disk.synced[1:] == [
        ["audit.opened", "leader.elected", "leader.reasserted"],
        ["audit.reopened", "config.reloaded"],
    ]


async def test_what_is_no_file_on_a_disk_has_nothing_to_sync() -> None:
    ours, theirs = os.pipe()
    syncer = Syncer()
    syncer.request(theirs)
    await asyncio.wait_for(asyncio.wrap_future(syncer.done()), 10)
    assert syncer.trouble == ""
    syncer.close()
    os.close(ours)
    os.close(theirs)


async def test_no_descriptor_and_no_thread_stays(tmp_path: Path, disk: Disk) -> None:
    before = len(os.listdir("/proc/self/fd"))
    audit = Audit(
        tmp_path / "audit.jsonl",
        node="a",
        cluster="web",
        boot=1,
        wall=time.time,
        log=make_log(LogFormat.JSON, stream=io.StringIO()),
        syncer=Syncer(sync=disk.sync),
    )
    for _ in range(20):
        audit.record(Action.LEADER_ELECTED)
        await audit.on_disk()
    audit.close()
    await reached(lambda: not any(thread.name == "les-audit-sync" for thread in threading.enumerate()))
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_thread_that_begins_late_counts_as_a_late_disk(tmp_path: Path, disk: Disk) -> None:
    """Who waited in vain is to find out why, and the next one is not to wait as long again."""
    now, test = [0.0], threading.current_thread()
    # It is later already when the thread looks for the first time.
    syncer = Syncer(
        sync=disk.sync, clock=lambda: now[0] if threading.current_thread() is test else now[0] + LATE_SECONDS / 2
    )
    disk.up.clear()
    path = tmp_path / "audit.jsonl"
    path.touch()
    with path.open("ab") as file:
        syncer.request(file.fileno())
    assert await asyncio.to_thread(disk.begun.acquire, timeout=10)
    assert syncer.trouble == ""
    now[0] = LATE_SECONDS
    assert syncer.trouble
    disk.up.set()
    await reached(lambda: syncer.trouble == "")
    syncer.close()
