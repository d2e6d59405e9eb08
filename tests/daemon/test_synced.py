"""What stands on the disk before a node acts, and what does not wait for it."""

import asyncio
import functools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from les_hooks import Event, load_config
from les_hooks.audit import Action
from les_hooks.audit.sync import Syncer
from les_hooks.control.client import call
from les_hooks.control.serve import serve_control
from les_hooks.hookspecs import Context
from tests.audit.disk import Disk
from tests.daemon.test_node import Watcher, running
from tests.dispatch.stage import plugin


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr("les_hooks.audit.trail.Syncer", functools.partial(Syncer, sync=disk.sync))
    yield disk
    disk.up.set()


class Looker(Watcher):
    """Notes of each call whether the record of what it is called for was on disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.stood: list[tuple[str, bool]] = []

    async def note(self, event: Event) -> None:
        synced = {action for found in list(self.disk.synced) for action in found}
        self.stood.append((event.kind.value, f"leader.{event.kind}" in synced))
        await super().note(event)

    def hooks(self) -> object:
        return plugin(
            on_elected=self.note,
            on_demoted=self.note,
            on_reasserted=self.note,
            while_leader=self.while_leader,
            control=self.control,
        )

    async def control(self, action: str, arguments: Mapping[str, object], ctx: Context) -> object:
        """Tell what was synced last, when an operator asks."""
        return self.disk.synced[-1]


async def test_a_leaders_hooks_begin_when_the_record_of_it_is_on_disk(tmp_path: Path, disk: Disk) -> None:
    looker = Looker(disk)
    disk.seconds = 0.03
    async with running(tmp_path, looker) as node:
        await looker.until("work begins")
        with (tmp_path / "les.toml").open("a") as file:
            file.write('timeout = "3s"\n')
        await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
        await looker.until("work begins", times=2)
    assert [each for each in looker.stood if each[0] != "demoted"] == [("elected", True), ("reasserted", True)]


async def test_a_new_configuration_is_recorded_on_disk_before_it_is_in_force(tmp_path: Path, disk: Disk) -> None:
    looker = Looker(disk)
    async with running(tmp_path, looker) as node:
        await looker.until("work begins")
        with (tmp_path / "les.toml").open("a") as file:
            file.write('timeout = "3s"\n')
        config = load_config(tmp_path / "les.toml", registry=node.registry)
        disk.up.clear()
        reloading = asyncio.create_task(node.reload(config))
        await asyncio.sleep(0.02)
        assert node.config is not config
        disk.up.set()
        assert await reloading == ("plugins.watcher.timeout",)
        assert disk.synced[-1][-1] == "config.reloaded"
        assert node.config is config


async def test_what_an_operator_asks_for_is_on_disk_before_it_is_done(tmp_path: Path, disk: Disk) -> None:
    looker = Looker(disk)
    async with running(tmp_path, looker) as node, serve_control(node):
        await looker.until("work begins")
        asked = {"plugin": "watcher", "action": "look", "arguments": {}}
        synced: Any = await asyncio.to_thread(call, node.config.control.socket, "plugin", asked)
        assert synced[-1] == "operator.request"
        records = [json.loads(line) for line in node.config.log.audit.read_text().splitlines()]
        request, answer = records[-2:]
        assert (request["action"], answer["action"]) == ("operator.request", "operator.answer")
        assert answer["request"] == request["seq"]


async def test_with_a_disk_that_hangs_a_node_leads_after_a_moment_says_so_and_demotes_at_once(
    tmp_path: Path, disk: Disk
) -> None:
    looker = Looker(disk)
    disk.up.clear()
    async with running(tmp_path, looker) as node:
        await looker.until("work begins")
        assert looker.stood[-1] == ("elected", False)
        assert node.audit.degraded == "the disk takes longer than 100 ms to sync it"
        node.step_down()
        begun = time.monotonic()
        await looker.until("demoted operator")
        assert time.monotonic() - begun < 0.5
        assert node.audit.seq == len(node.config.log.audit.read_text().splitlines()), "all is written all the same"


async def test_the_state_directory_remembers_the_end_of_the_trail(tmp_path: Path) -> None:
    async with running(tmp_path, Watcher()) as node:
        await asyncio.wait_for(node.wait_elected(), 10)
    told = json.loads((tmp_path / "state" / "told.json").read_text())
    last = json.loads((tmp_path / "state" / "audit.jsonl").read_text().splitlines()[-1])
    assert last["action"] == Action.NODE_STOPPED
    assert (told["audit_seq"], told["audit_hash"]) == (last["seq"], last["hash"])


async def test_plugins_hear_of_records_with_their_place_in_the_chain(tmp_path: Path) -> None:
    async with running(tmp_path, Watcher()) as node:
        await asyncio.wait_for(node.wait_elected(), 10)
        await asyncio.sleep(0)
        heard = node.recorded.last
        lines = node.config.log.audit.read_text().splitlines()
    assert heard
    assert list(heard) == [json.loads(line) for line in lines[len(lines) - len(heard) :]]
    assert all(len(str(record["hash"])) == len(str(record["prev"])) == 64 for record in heard)
