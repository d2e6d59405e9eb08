"""What is made ready while the leader is silent: when it begins, and what ends it."""

import asyncio

from les_hooks.hookspecs import Context
from tests.dispatch.stage import plugin, staged
from tests.virtual import virtual


class Ready:
    """A plugin that prepares until it is ended, and then takes `slow` seconds to end; its `on_elected` takes 5 s."""

    def __init__(self, slow: float = 0.0) -> None:
        self.slow = slow
        self.lines: list[str] = []

    @property
    def hooks(self) -> object:
        return plugin(prepare=self.prepare, on_elected=self.on_elected, on_demoted=self.on_demoted)

    async def prepare(self, ctx: Context) -> None:
        self.lines.append("prepares")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(self.slow)
            self.lines.append("ended")
            raise

    async def on_elected(self) -> None:
        await asyncio.sleep(5)
        self.lines.append("elected")

    async def on_demoted(self) -> None:
        self.lines.append("demoted")


async def moments() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@virtual()
async def test_it_begins_at_once_while_a_lane_is_busy_and_only_once_in_a_silence() -> None:
    ready = Ready()
    async with staged(ready.hooks) as stage:
        stage.tell("elected")
        await moments()
        stage.dispatcher.prepare()
        stage.dispatcher.prepare()
        await moments()
        assert ready.lines == ["prepares"]


@virtual()
async def test_it_ends_when_there_is_no_need() -> None:
    ready = Ready()
    async with staged(ready.hooks) as stage:
        stage.dispatcher.prepare()
        await asyncio.sleep(1)
        stage.dispatcher.stand_easy()
        stage.dispatcher.stand_easy()
        await moments()
        assert ready.lines == ["prepares", "ended"]
        stage.dispatcher.prepare()
        await moments()
        assert ready.lines == ["prepares", "ended", "prepares"]


@virtual()
async def test_the_hooks_of_elected_have_had_their_turn_before_it_ends() -> None:
    ready = Ready()
    async with staged(ready.hooks) as stage:
        stage.dispatcher.prepare()
        await moments()
        stage.tell("elected")
        await stage.settle()
        await moments()
        assert ready.lines == ["prepares", "elected", "ended"]


@virtual()
async def test_a_demotion_ends_it() -> None:
    ready = Ready()
    async with staged(ready.hooks) as stage:
        stage.dispatcher.prepare()
        await moments()
        stage.tell("elected")
        stage.tell("demoted")
        await stage.settle()
        assert sorted(ready.lines) == ["demoted", "ended", "prepares"]


@virtual()
async def test_one_that_is_slow_to_end_is_not_called_twice_at_a_time() -> None:
    ready = Ready(slow=3)
    async with staged(ready.hooks) as stage:
        for _ in range(3):
            stage.dispatcher.prepare()
            await moments()
            stage.dispatcher.stand_easy()
        stage.dispatcher.prepare()
        await asyncio.sleep(2)
        assert ready.lines == ["prepares"]
        await asyncio.sleep(2)
        assert ready.lines == ["prepares", "ended", "prepares"]


@virtual()
async def test_one_that_fails_is_a_line_in_the_log_and_the_others_go_on() -> None:
    async def fails(ctx: Context) -> None:
        raise OSError("no interface")

    ready = Ready()
    async with staged(plugin(prepare=fails), ready.hooks) as stage:
        stage.dispatcher.prepare()
        await moments()
        assert [(entry["event"], entry["plugin"], entry["error"]) for entry in stage.logged] == [
            ("prepare-failed", "a", "OSError: no interface")
        ]
        assert ready.lines == ["prepares"]
        assert stage.records == []


@virtual()
async def test_the_end_of_the_dispatcher_is_its_end() -> None:
    ready = Ready(slow=1)
    async with staged(ready.hooks) as stage:
        stage.dispatcher.prepare()
        await moments()
        await stage.dispatcher.close()
        assert ready.lines == ["prepares", "ended"]
