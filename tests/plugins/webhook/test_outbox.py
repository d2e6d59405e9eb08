"""The outbox: on disk before anybody is told, bounded, and never the end of anything but its own."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from les_hooks import Event, EventKind
from les_plugins.webhook.outbox import Outbox, Unwritten
from les_plugins.webhook.outbox.rows import ROW_BYTES, Bounds
from les_plugins.webhook.settings import Endpoint
from les_plugins.webhook.who import RIPE_SECONDS
from tests.fake_context import an_event

A, B, ME = "10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"


@dataclass(slots=True)
class Heard:
    """Implements `writer.Reporter`."""

    drops: list[tuple[str, int]] = field(default_factory=list)
    asides: list[Path] = field(default_factory=list)
    enablings: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def dropped(self, endpoint: str, rows: int) -> None:
        """Note it."""
        self.drops.append((endpoint, rows))

    def set_aside(self, path: Path, why: str) -> None:
        """Note it."""
        self.asides.append(path)

    def enabled(self, endpoint: str) -> None:
        """Note it."""
        self.enablings.append(endpoint)

    def degraded(self, why: str) -> None:
        """Note it."""
        self.troubles.append(why)


@dataclass(slots=True)
class Desk:
    """An outbox for some endpoints in a folder, opened as often as wanted; `now` is its wall clock."""

    folder: Path
    names: tuple[str, ...] = ("hook",)
    url: str = "https://hooks.example/"
    bounds: Bounds = field(default_factory=lambda: Bounds(rows=1000, bytes=2**20))
    heard: Heard = field(default_factory=Heard)
    now: float = 1000.0

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "outbox.sqlite"

    @property
    def endpoints(self) -> list[Endpoint]:
        """All endpoints."""
        return [Endpoint(name=name, url=self.url) for name in self.names]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Outbox]:
        """The outbox, until the end of the block."""
        targets = dict.fromkeys(self.names, self.url)
        outbox = Outbox(self.path, self.bounds, lambda: targets, self.heard, lambda: self.now)
        try:
            yield outbox
        finally:
            await outbox.close(5.0)

    async def tell(self, outbox: Outbox, *events: Event) -> None:
        """Have these events written."""
        for event in events:
            await asyncio.wait_for(outbox.tell(event, self.endpoints), 5)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk without an outbox yet."""
    return Desk(tmp_path)


def own(seq: int, **fields: object) -> Event:
    """An event that a node posts itself."""
    return an_event(EventKind.STARTED, id=f"n.1-{seq}", seq=seq, **fields)


def common(seq: int, *, leader: str | None, kind: EventKind = EventKind.MEMBER_LOST, member: str | None = B) -> Event:
    """An event that all nodes are told, as ME is."""
    role = "leader" if leader == ME else "follower"
    return an_event(kind, id=f"n-{seq}", seq=seq, leader=leader, role=role, node=ME, member=member)


async def waiting(outbox: Outbox, endpoint: str = "hook") -> list[int]:
    """The numbers of the events that are queued."""
    rows = await outbox.head(endpoint, 10_000)
    return [msgspec.json.decode(row.event, type=Event).seq for row in rows]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(10):
        while not await holds():
            await asyncio.sleep(0.01)


async def test_what_was_written_is_there_after_a_restart_in_its_order(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1), own(2), own(3))
    async with desk.open() as outbox:
        rows = await outbox.head("hook", 10)
        assert [row.delivery for row in rows] == ["n_1-1", "n_1-2", "n_1-3"], "an id without dots"
        outbox.delivered(rows[0])
        outbox.failed(rows[1], "status 500")
    async with desk.open() as outbox:
        assert await waiting(outbox) == [2, 3]
        (row, _) = await outbox.head("hook", 10)
        assert (row.attempts, row.error) == (1, "status 500")
        assert outbox.tallies["hook"].delivered == 1


async def test_nobody_else_may_read_it(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in desk.folder.iterdir()}
    assert modes == {0o600}


async def test_an_event_that_is_told_twice_is_queued_once(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1), own(1))
        assert await waiting(outbox) == [1]


async def test_what_a_leader_did_not_live_to_tell_is_told_by_its_successor(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, common(1, leader=A), common(2, leader=None, member=A))
        assert await waiting(outbox) == []
        assert outbox.tallies["hook"].held == 2
        await desk.tell(outbox, common(3, leader=ME, kind=EventKind.ELECTED))
        assert await waiting(outbox) == [1, 2, 3]


async def test_what_is_held_is_dropped_where_another_one_leads(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, common(1, leader=None), common(2, leader=A, kind=EventKind.LEADER_CHANGED))
        assert outbox.tallies["hook"].held == 1, "the news of who leads may be that one's last"
        await desk.tell(outbox, common(3, leader=ME, kind=EventKind.ELECTED))
        assert await waiting(outbox) == [2, 3]


async def test_what_a_leader_has_told_by_now_is_forgotten(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, common(1, leader=A))
        desk.now += RIPE_SECONDS + 1
        await desk.tell(outbox, common(2, leader=A))
        outbox.ripen()
        await desk.tell(outbox, common(3, leader=ME, kind=EventKind.ELECTED))
        assert await waiting(outbox) == [2, 3]


async def test_what_nobody_could_tell_is_held_for_as_long_as_nobody_leads(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, common(1, leader=A), common(2, leader=None, member=A))
        desk.now += 100 * RIPE_SECONDS
        outbox.ripen()
        await desk.tell(outbox, common(3, leader=ME, kind=EventKind.ELECTED))
        assert await waiting(outbox) == [1, 2, 3]


async def test_a_replay_is_written_only_where_it_was_not_written_before(desk: Desk) -> None:
    async with desk.open() as outbox:
        again = msgspec.structs.replace(common(2, leader=ME, kind=EventKind.LEADER_CHANGED, member=None), replay=True)
        await desk.tell(outbox, again)
        await desk.tell(outbox, msgspec.structs.replace(again, id="n-3", seq=3))
    async with desk.open() as outbox:
        await desk.tell(outbox, msgspec.structs.replace(again, id="n-4", seq=4))
        assert await waiting(outbox) == [2]
        await desk.tell(outbox, msgspec.structs.replace(again, id="n-5", seq=5, term=9))
        assert await waiting(outbox) == [2, 5]


async def test_the_oldest_of_whoever_has_the_most_goes_first(desk: Desk) -> None:
    desk.names, desk.bounds = ("hook", "slow"), Bounds(rows=10, bytes=2**20)
    async with desk.open() as outbox:
        await desk.tell(outbox, *map(own, range(1, 6)))
        for row in await outbox.head("hook", 3):
            outbox.delivered(row)
        await desk.tell(outbox, *map(own, range(6, 9)))
        assert await waiting(outbox, "slow") == [4, 5, 6, 7, 8]
        assert await waiting(outbox, "hook") == [4, 5, 6, 7, 8]
        assert sum(rows for _, rows in desk.heard.drops) == 3
        assert {name for name, _ in desk.heard.drops} == {"slow"}


async def test_what_was_given_up_goes_before_what_waits(desk: Desk) -> None:
    desk.bounds = Bounds(rows=5, bytes=2**20)
    async with desk.open() as outbox:
        await desk.tell(outbox, *map(own, range(1, 6)))
        rows = await outbox.head("hook", 10)
        outbox.bury(rows[3], "status 400")
        outbox.bury(rows[4], "status 400")
        await desk.tell(outbox, own(6))
        assert await waiting(outbox) == [1, 2, 3, 6]
        assert [row.delivery for row in await outbox.dead(None, 10)] == ["n_1-5"]


async def test_it_holds_no_more_bytes_than_it_may(desk: Desk) -> None:
    event = own(1)
    size = len(msgspec.json.encode(event)) + ROW_BYTES
    desk.bounds = Bounds(rows=1000, bytes=3 * size)
    async with desk.open() as outbox:
        await desk.tell(outbox, *map(own, range(1, 10)))
        assert await waiting(outbox) == [7, 8, 9]
        assert outbox.tallies["hook"].bytes <= 3 * size


async def test_dead_letters_are_queued_again_behind_what_waits_and_with_their_ids(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, *map(own, range(1, 5)))
        for row in (await outbox.head("hook", 10))[:3]:
            desk.now += 10
            outbox.bury(row, "status 400")
        found = await outbox.replay(desk.names, delivery="n_1-2", endpoint=None, since=None)
        assert found == {"hook": 1}
        assert await waiting(outbox) == [4, 2]
        assert await outbox.replay(desk.names, delivery=None, endpoint=None, since=desk.now) == {"hook": 1}
        assert await outbox.replay(["other"], delivery=None, endpoint=None, since=None) == {}
        assert await outbox.replay(desk.names, delivery=None, endpoint="hook", since=None) == {"hook": 1}
        rows = await outbox.head("hook", 10)
        assert [row.delivery for row in rows] == ["n_1-4", "n_1-2", "n_1-3", "n_1-1"]
        assert {(row.attempts, row.created) for row in rows[1:]} == {(0, desk.now)}


async def test_what_is_too_old_is_given_up_together(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1), own(2))
        desk.now += 100
        await desk.tell(outbox, own(3))
        assert await outbox.expire("hook", desk.now - 50, "too old") == 2
        assert await waiting(outbox) == [3]
        assert [row.error for row in await outbox.dead("hook", 10)] == ["too old", "too old"]


async def test_a_disabled_endpoint_stays_so_until_its_url_is_another_one(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
        outbox.disable("hook", "status 410")
    async with desk.open() as outbox:
        await outbox.dead(None, 0)
        assert outbox.tallies["hook"].disabled == "status 410"
    desk.url = "https://other.example/"
    async with desk.open() as outbox:
        await outbox.dead(None, 0)
        assert outbox.tallies["hook"].disabled == ""
        assert await waiting(outbox) == [1]
    assert desk.heard.enablings == ["hook"]


async def test_replaying_an_endpoint_enables_it_even_without_dead_letters(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
        outbox.disable("hook", "status 410")
        assert await outbox.replay(desk.names, delivery=None, endpoint="hook", since=None) == {"hook": 0}
        assert outbox.tallies["hook"].disabled == ""
        assert await outbox.replay(desk.names, delivery=None, endpoint="hook", since=None) == {}


async def test_rows_of_an_endpoint_that_is_gone_are_dead_letters(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
    desk.names = ("other",)
    async with desk.open() as outbox:
        (row,) = await outbox.dead("hook", 10)
        assert row.error == "the endpoint is no longer configured"


@pytest.mark.parametrize("damage", ["head", "middle", "version"])
async def test_a_file_that_cannot_be_used_is_kept_aside_and_a_new_one_begun(desk: Desk, damage: str) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, *map(own, range(1, 100)))
    if damage == "version":
        with sqlite3.connect(desk.path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        raw = bytearray(desk.path.read_bytes())
        where = 0 if damage == "head" else 4096
        raw[where : where + 4096] = b"\xa5" * 4096
        desk.path.write_bytes(raw)
    async with desk.open() as outbox:
        await desk.tell(outbox, own(100))
        assert await waiting(outbox) == [100]
        assert outbox.trouble == ""
    (folder,) = desk.heard.asides
    assert (folder / "outbox.sqlite").stat().st_size > 4096
    assert folder.name == "outbox.sqlite.corrupt-1000"


async def test_what_becomes_of_a_row_of_the_damaged_file_touches_none_of_the_new_one(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1), own(2), own(3))
        rows = await outbox.head("hook", 3)
    desk.path.write_bytes(b"nonsense" * 1000)
    async with desk.open() as outbox:
        await desk.tell(outbox, own(4), own(5), own(6))
        outbox.delivered(rows[0])
        outbox.bury(rows[1], "no")
        outbox.failed(rows[2], "no")
        found = await outbox.head("hook", 9)
        assert [(row.delivery, row.attempts) for row in found] == [("n_1-4", 0), ("n_1-5", 0), ("n_1-6", 0)]


async def test_only_the_last_damaged_files_are_kept(desk: Desk) -> None:
    for day in range(5):
        desk.now = 1000.0 + day
        desk.path.write_bytes(b"nonsense" * 1000)
        async with desk.open() as outbox:
            await desk.tell(outbox, own(day))
    assert sorted(path.name[-4:] for path in desk.folder.glob("*.corrupt-*")) == ["1002", "1003", "1004"]


async def test_what_cannot_be_written_now_is_written_when_it_can(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
        other = sqlite3.connect(desk.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = outbox.tell(own(2), desk.endpoints)

        async def in_trouble() -> bool:
            return "locked" in outbox.trouble

        await until(in_trouble)
        assert not writing.done()
        with pytest.raises(Unwritten, match="locked"):
            await outbox.head("hook", 1)
        other.execute("COMMIT")
        other.close()
        await asyncio.wait_for(writing, 10)
        assert await waiting(outbox) == [1, 2]
        assert [bool(why) for why in desk.heard.troubles] == [True, False]


async def test_what_could_not_be_written_at_the_end_is_said(desk: Desk) -> None:
    desk.folder = desk.folder / "never"
    async with desk.open() as outbox:
        writing = outbox.tell(own(1), desk.endpoints)
        with pytest.raises(Unwritten):
            await outbox.head("hook", 1)
    with pytest.raises(Unwritten, match="No such file"):
        await asyncio.wait_for(writing, 5)


async def test_a_folder_that_is_not_there_is_waited_for(desk: Desk) -> None:
    desk.folder = desk.folder / "later"
    async with desk.open() as outbox:
        writing = outbox.tell(own(1), desk.endpoints)
        with pytest.raises(Unwritten):
            await outbox.head("hook", 1)
        desk.folder.mkdir()
        await asyncio.wait_for(writing, 10)
        assert await waiting(outbox) == [1]


async def test_a_closed_outbox_says_so(desk: Desk) -> None:
    async with desk.open() as outbox:
        await desk.tell(outbox, own(1))
    with pytest.raises(Unwritten, match="closed"):
        outbox.tell(own(2), desk.endpoints)
