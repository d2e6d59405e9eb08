"""Maintenance: it holds over restarts, ends by itself, and a damaged file stops nobody."""

import asyncio
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks.audit import Audit
from les_hooks.daemon.maintenance import LONGEST_SECONDS, Maintenance, Upkeep
from les_hooks.errors import ControlError
from tests.virtual import virtual

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z


@dataclass
class Host:
    """A state directory, and a wall clock that goes with the loop's until it is stepped."""

    folder: Path
    stepped: float = 0.0
    told: list[str] = field(default_factory=list)
    logged: list[Any] = field(default_factory=list)

    def wall(self) -> float:
        return NOON + self.stepped + round(asyncio.get_running_loop().time() - self.zero, 1)

    @contextmanager
    def process(self) -> Iterator[Upkeep]:
        """One life of the daemon."""
        if not hasattr(self, "zero"):
            self.zero = asyncio.get_running_loop().time()
        capture = LogCapture()
        self.logged = capture.entries
        log = structlog.wrap_logger(structlog.PrintLogger(), [capture])
        audit = Audit(self.folder / "audit.jsonl", node="a", cluster="c", boot=1, wall=self.wall, log=log)
        upkeep = Upkeep(
            self.folder, later=lambda work: work(), on_change=self.told.append, audit=audit, log=log, wall=self.wall
        )
        upkeep.restore()
        yield upkeep
        upkeep.close()
        audit.close()

    @property
    def file(self) -> Path:
        return self.folder / "maintenance.json"

    def trail(self) -> list[tuple[str, str | None]]:
        records = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]
        return [(r["action"], r["reason"]) for r in records if r["action"].startswith("maintenance.")]


@virtual()
async def test_it_is_told_with_its_end_and_its_reason_and_ends_by_itself(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        assert upkeep.current is None
        upkeep.begin(7200.0, "replacing the disk", 1000)
        assert upkeep.current == Maintenance(until=NOON + 7200.0, note="replacing the disk", uid=1000)
        assert host.told == ["maintenance until 2026-11-22T14:00:00Z: replacing the disk"]
        await asyncio.sleep(7199)
        assert len(host.told) == 1
        await asyncio.sleep(2)
        assert upkeep.current is None
        assert host.told[1:] == [""]
        assert not host.file.exists()
    assert host.trail() == [("maintenance.begun", "replacing the disk"), ("maintenance.ended", "its time is up")]


@virtual()
async def test_an_operator_ends_it_and_learns_whether_there_was_one(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        assert not upkeep.end()
        upkeep.begin(60.0, "", 0)
        assert upkeep.end()
        assert not upkeep.end()
        await asyncio.sleep(100)
    assert host.told == ["maintenance until 2026-11-22T12:01:00Z", ""]
    assert host.trail()[-1] == ("maintenance.ended", "told to")


@virtual()
async def test_a_second_one_replaces_the_first_also_with_an_earlier_end(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        upkeep.begin(3600.0, "one", 1)
        upkeep.begin(60.0, "two", 2)
        await asyncio.sleep(61)
        assert upkeep.current is None


@virtual()
async def test_it_goes_on_after_a_restart_and_still_ends(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        upkeep.begin(3600.0, "new kernel", 7)
    await asyncio.sleep(600)
    with host.process() as upkeep:
        assert upkeep.current == Maintenance(until=NOON + 3600.0, note="new kernel", uid=7)
        assert host.told[1:] == ["maintenance until 2026-11-22T13:00:00Z: new kernel"]
        await asyncio.sleep(3001)
        assert host.told[2:] == [""]


@virtual()
async def test_one_that_ended_while_nobody_ran_is_over_at_the_next_start(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        upkeep.begin(60.0, "", 0)
    await asyncio.sleep(61)
    with host.process() as upkeep:
        assert upkeep.current is None
        assert host.told[1:] == [""]
        assert not host.file.exists()


@virtual()
async def test_a_clock_that_is_stepped_past_the_end_is_noticed_within_a_minute(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        upkeep.begin(86400.0, "", 0)
        host.stepped = 86400.0
        await asyncio.sleep(61)
        assert upkeep.current is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan, LONGEST_SECONDS + 1])
async def test_a_time_that_makes_no_sense_is_refused(tmp_path: Path, seconds: float) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep, pytest.raises(ControlError, match="at most a year"):
        upkeep.begin(seconds, "", 0)
    assert host.told == []


async def test_a_note_is_one_bounded_line(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with host.process() as upkeep:
        upkeep.begin(60.0, " a\nb\x1b[2J" + "x" * 10_000, 0)
        assert upkeep.current is not None
        assert upkeep.current.note.startswith("a\\nb\\x1b[2Jxx")
        assert len(upkeep.current.words) < 256
    with host.process() as upkeep:
        assert upkeep.current is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 300,
        b"[]",
        b'{"until": 1e300, "note": "", "uid": 0}',
        b'{"until": 5, "note": "\xff", "uid": 0}',
        b'{"until": null}',
        b"[" * 100_000,
        b"x" * 10**6,
    ],
)
async def test_a_damaged_file_is_logged_and_means_no_maintenance(tmp_path: Path, content: bytes) -> None:
    host = Host(tmp_path)
    host.file.write_bytes(content)
    with host.process() as upkeep:
        assert upkeep.current is None
        assert [entry["event"] for entry in host.logged] == ["maintenance-damaged"]
        assert upkeep.damage
        upkeep.begin(60.0, "and it can begin all the same", 0)
        assert upkeep.damage == ""
    with host.process() as upkeep:
        assert upkeep.current is not None


async def test_ending_what_cannot_be_read_forgets_it(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.file.write_bytes(b"{")
    with host.process() as upkeep:
        assert not upkeep.end()
        assert (upkeep.damage, host.file.exists()) == ("", False)


async def test_a_folder_in_its_place_means_that_it_holds_but_not_after_a_restart(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.file.mkdir()
    with host.process() as upkeep:
        upkeep.begin(60.0, "", 0)
        assert upkeep.current is not None
        assert [entry["event"] for entry in host.logged][-1:] == ["maintenance-begun"]
        assert "maintenance-unsaved" in [entry["event"] for entry in host.logged]
