"""Who hears of each audit record."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import structlog
from structlog.testing import LogCapture

from les_hooks import hookimpl
from les_hooks.daemon.recorded import Recorded
from les_hooks.testing.offer import registry_of


class Listener:
    """A plugin that remembers what it heard, and in which thread."""

    def __init__(self, fail: bool = False) -> None:
        self.heard: list[int] = []
        self.threads: set[int] = set()
        self.fail = fail

    @hookimpl
    def recorded(self, record: Mapping[str, Any]) -> None:
        """Take it."""
        self.heard.append(record["seq"])
        self.threads.add(threading.get_ident())
        if self.fail:
            raise SystemExit(3)


def recorded_for(plugin: Listener, *tell: Callable[[Mapping[str, Any]], None]) -> tuple[Recorded, LogCapture]:
    """What passes records on to it."""
    registry, name = registry_of(plugin, "listener")
    registry.config_types([name])
    capture = LogCapture()
    recorded = Recorded(registry, structlog.wrap_logger(structlog.PrintLogger(), [capture]), *tell)
    recorded.configure({name: cast("Any", SimpleNamespace())})
    return recorded, capture


async def test_records_of_any_thread_arrive_in_the_loop_in_their_order() -> None:
    plugin, ours = Listener(), list[int]()
    recorded, _ = recorded_for(plugin, lambda record: ours.append(record["seq"]))

    def write() -> None:
        for number in range(200):
            recorded.hear({"seq": number})

    await asyncio.to_thread(write)
    await asyncio.sleep(0)
    assert plugin.heard == ours == list(range(200))
    assert plugin.threads == {threading.get_ident()}
    assert [record["seq"] for record in recorded.last] == list(range(200))


async def test_a_plugin_that_fails_is_said_once_and_called_again() -> None:
    plugin = Listener(fail=True)
    recorded, capture = recorded_for(plugin)
    for number in range(3):
        recorded.hear({"seq": number})
    await asyncio.sleep(0)
    assert plugin.heard == [0, 1, 2]
    assert [line["event"] for line in capture.entries] == ["recorded-failed"]


async def test_only_the_last_records_are_remembered() -> None:
    plugin = Listener()
    recorded, _ = recorded_for(plugin)
    for number in range(5000):
        recorded.hear({"seq": number})
    async with asyncio.timeout(10):
        while len(plugin.heard) < 5000:
            await asyncio.sleep(0)
    assert len(recorded.last) == 500
    assert recorded.last[-1]["seq"] == 4999


async def test_a_flood_lets_the_loop_do_other_things_and_what_is_too_much_of_it_is_said() -> None:
    plugin = Listener()
    recorded, capture = recorded_for(plugin)
    for number in range(10_003):
        recorded.hear({"seq": number})
    turns = 0
    async with asyncio.timeout(10):
        while len(plugin.heard) < 10_000:
            await asyncio.sleep(0)
            turns += 1
    assert turns >= 40, "each of a few milliseconds"
    assert plugin.heard == list(range(3, 10_003))
    assert [(line["event"], line["count"]) for line in capture.entries] == [("records-missed", 3)]
