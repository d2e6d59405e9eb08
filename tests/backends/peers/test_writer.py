"""Writing terms and promises down: in bounded time and room, however fast they come."""

import asyncio

import structlog

from les_hooks.backends.peers.writer import Writer
from les_hooks.election.messages import Message, Pledged, PledgeFailed, Saved, SaveFailed
from les_hooks.members import Boot

BOOT = Boot(1, "x")


class SlowDisk:
    """Lets each write wait until the test goes on."""

    def __init__(self) -> None:
        self.written: list[object] = []
        self.free = asyncio.Event()
        self.fails = False

    async def save(self, term: int, newest: float) -> None:
        await self._write((term, newest))

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        await self._write((term, boot, lease))

    async def _write(self, what: object) -> None:
        await self.free.wait()
        if self.fails:
            raise OSError("full")
        self.written.append(what)


def make(disk: SlowDisk) -> tuple[Writer, list[Message], list[asyncio.Task[None]]]:
    told: list[Message] = []
    tasks: list[asyncio.Task[None]] = []
    writer = Writer(
        disk,
        spawn=lambda work: tasks.append(asyncio.create_task(work)),
        report=told.append,
        log=structlog.get_logger(),
    )
    return writer, told, tasks


async def test_what_waits_for_a_slow_disk_is_written_at_one_go_and_each_term_is_told() -> None:
    disk = SlowDisk()
    writer, told, tasks = make(disk)
    writer.save(1, 5.0)
    await asyncio.sleep(0)
    for term in range(2, 1000):
        writer.save(term, 1000.0 - term)
        writer.pledge(term, BOOT, 4.0)
    disk.free.set()
    await asyncio.gather(*tasks)
    assert disk.written == [(1, 5.0), (999, BOOT, 4.0), (999, 998.0)]
    assert told == [Saved(term=1), Pledged(term=999, boot=BOOT), *(Saved(term=term) for term in range(2, 1000))]
    assert len(tasks) == 1


async def test_a_disk_that_fails_is_told_of_and_tried_again_with_what_comes_next() -> None:
    disk = SlowDisk()
    writer, told, tasks = make(disk)
    disk.free.set()
    disk.fails = True
    writer.save(3, 1.0)
    writer.pledge(3, BOOT, 4.0)
    await asyncio.gather(*tasks)
    assert told == [SaveFailed(term=3), PledgeFailed(term=3, boot=BOOT)]
    disk.fails = False
    writer.save(4, 1.0)
    await asyncio.gather(*tasks)
    assert told[2:] == [Saved(term=4)]
