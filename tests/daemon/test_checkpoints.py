"""Where the trail is, as the operational log is told."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks.audit import Action, Audit, Head
from les_hooks.audit.sync import Syncer
from les_hooks.daemon.checkpoints import Checkpoints
from tests.virtual import virtual


class Stage:
    """A trail, what is told of it, and a disk that takes a sync only while it is `up`."""

    def __init__(self, folder: Path) -> None:
        self.capture = LogCapture()
        self.up = threading.Event()
        self.up.set()
        log = structlog.wrap_logger(structlog.PrintLogger(), [self.capture])
        self.audit = Audit(
            folder / "audit.jsonl",
            node="a",
            cluster="web",
            boot=1,
            wall=time.time,
            log=log,
            syncer=Syncer(sync=lambda _fd: self._sync()),
        )
        self.remembered: list[Head] = []
        self.checkpoints = Checkpoints(
            self.audit, remember=self.remembered.append, node="a", cluster="web", log=log, every_seconds=300.0
        )

    def _sync(self) -> None:
        assert self.up.wait(20)

    def said(self) -> list[Head]:
        told = [entry for entry in self.capture.entries if entry["event"] == "audit-checkpoint"]
        assert all((entry["node"], entry["cluster"], entry["log_level"]) == ("a", "web", "info") for entry in told)
        return [Head(seq=entry["seq"], hash=entry["hash"]) for entry in told]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.up.set()
    stage.audit.close()


@virtual(patience=0.05)
async def test_one_is_made_at_the_start_every_five_minutes_and_at_the_end(stage: Stage) -> None:
    heads = []
    stage.checkpoints.start()
    for _ in range(3):
        stage.audit.record(Action.MEMBER_JOINED)
        heads.append(stage.audit.head)
        await asyncio.sleep(299.0 if len(heads) == 1 else 300.0)
    assert stage.said() == heads
    stage.audit.record(Action.NODE_STOPPED)
    await stage.checkpoints.finish()
    assert stage.said() == stage.remembered == [*heads, stage.audit.head]


@virtual(patience=0.05)
async def test_none_is_made_of_what_is_not_on_disk(stage: Stage) -> None:
    """After a power cut another record might have the number."""
    stage.audit.record(Action.MEMBER_JOINED)
    stage.up.clear()
    await stage.checkpoints.finish()
    assert stage.said() == []
    stage.up.set()
    while stage.audit.degraded:
        await asyncio.sleep(0)
    await stage.checkpoints.finish()
    assert stage.said() == [stage.audit.head]


@virtual(patience=0.05)
async def test_none_is_made_of_a_trail_that_is_empty(stage: Stage) -> None:
    await stage.checkpoints.finish()
    await stage.checkpoints.close()
    assert stage.said() == []
