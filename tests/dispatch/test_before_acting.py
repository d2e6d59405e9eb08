"""What is done before a leader's hooks begin, such as the record of it that must be on disk."""

import asyncio

from les_hooks.events import Event
from tests.dispatch.stage import plugin, staged
from tests.virtual import virtual


class Gate:
    """Who goes through waits until it is `open`; `waiting` is how many do, and `passed` how many did."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = self.passed = 0

    async def __call__(self) -> None:
        self.waiting += 1
        try:
            await self.open.wait()
            self.passed += 1
        finally:
            self.waiting -= 1


def noting(lines: list[str]) -> object:
    async def note(event: Event) -> None:
        lines.append(event.kind)

    async def note_demotion(event: Event) -> None:
        lines.append(event.kind)

    async def note_again(event: Event) -> None:
        lines.append(event.kind)

    return plugin(on_elected=note, on_demoted=note_demotion, on_reasserted=note_again)


@virtual()
async def test_a_leaders_hooks_begin_when_it_is_done_and_a_demotion_does_not_wait_for_it() -> None:
    lines: list[str] = []
    gate = Gate()
    async with staged(noting(lines), before_acting=gate) as stage:
        stage.tell("demoted")
        await stage.settle()
        assert (lines, gate.passed) == (["demoted"], 0)
        stage.tell("elected")
        while not gate.waiting:
            await asyncio.sleep(0)
        assert lines == ["demoted"]
        gate.open.set()
        await stage.settle()
        stage.tell("reasserted")
        await stage.settle()
        assert (lines, gate.passed) == (["demoted", "elected", "reasserted"], 2)


@virtual()
async def test_a_demotion_ends_the_wait() -> None:
    lines: list[str] = []
    gate = Gate()
    async with staged(noting(lines), before_acting=gate) as stage:
        elected = stage.tell("elected")
        while not gate.waiting:
            await asyncio.sleep(0)
        stage.tell("demoted")
        await stage.settle()
        assert (lines, gate.waiting, gate.passed) == (["demoted"], 0, 0)
        assert stage.outcomes(elected) == ["superseded"]


@virtual()
async def test_authority_is_looked_at_when_it_is_done() -> None:
    lines: list[str] = []
    gate = Gate()
    async with staged(noting(lines), before_acting=gate) as stage:
        elected = stage.tell("elected")
        while not gate.waiting:
            await asyncio.sleep(0)
        stage.authority.seconds = 0.0
        gate.open.set()
        await stage.settle()
        assert lines == []
        assert stage.outcomes(elected) == ["superseded"]
