"""A node as users of the library have it: in this process, a cluster of one."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import LogCapture

from les_hooks import ControlError, Event, EventKind, Node, Reason, load_config
from les_hooks.config import Config, LogLevel
from les_hooks.daemon.reload import reload
from les_hooks.daemon.setup import LAST_RESORT_SECONDS
from les_hooks.daemon.state import StateStore
from les_hooks.election.messages import Undone
from les_hooks.members import Address
from les_hooks.plugins import Registry
from tests.backends.peers.fakes import free_port, make_node
from tests.backends.peers.fakes import running as voting
from tests.daemon.test_cleanup import crash
from tests.dispatch.stage import Offer, plugin


class Watcher:
    """A plugin that notes what it is called with, and fails when it is told to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def note(self, event: Event) -> None:
        self.lines.append(f"{event.kind} {event.reason}")
        await self.gate.wait()
        if self.fails and event.kind is EventKind.ELECTED:
            raise ValueError("no")

    async def while_leader(self) -> None:
        self.lines.append("work begins")
        try:
            await asyncio.Event().wait()
        finally:
            self.lines.append("work ends")

    def hooks(self) -> object:
        return plugin(
            on_elected=self.note, on_demoted=self.note, on_reasserted=self.note, while_leader=self.while_leader
        )

    async def until(self, line: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.lines.count(line) < times:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    folder: Path, watcher: Watcher, more: str = "", cleanup: Sequence[str] = (), part: str = "member"
) -> AsyncIterator[Node]:
    registry = Registry([Offer("watcher", watcher.hooks()), Offer("scripts", plugin())])
    port = free_port()
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:{port}"\nstate_dir = "state"\n[cluster]\nseeds = ["127.0.0.1:{port}"]\n'
        f'role = "{part}"\n[timing]\nheartbeat = "50ms"\nfailure = "200ms"\nsettle = "50ms"\nhold = "200ms"\n'
        f"[plugins.watcher]\n{more}"
    )
    config = load_config(folder / "les.toml", registry=registry)
    log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    async with Node(config, log=log, registry=registry, cleanup=cleanup) as node:
        yield node


def trail(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "state" / "audit.jsonl").read_text().splitlines()]


async def test_a_node_leads_alone_tells_its_story_and_leaves(tmp_path: Path) -> None:
    watcher = Watcher()
    async with running(tmp_path, watcher) as node:
        assert watcher.lines == ["demoted startup"]  # before it has joined
        await asyncio.wait_for(node.wait_elected(), 10)
        assert node.is_leader
        assert node.leader == node.config.node.advertise
        await watcher.until("work begins")
        story = node.events()
    assert not node.is_leader
    assert [f"{event.kind} {event.reason}" async for event in story] == [
        "demoted startup",
        "started startup",
        "elected first",
        "leader-changed first",
        "stopping leaving",
        "demoted leaving",
    ]
    assert watcher.lines == ["demoted startup", "elected first", "work begins", "work ends", "demoted leaving"]
    assert trail(tmp_path)[-1]["action"] == "node.stopped"
    await node.stop()  # again does no harm
    with pytest.raises(ControlError, match="will lead no more"):
        await node.wait_elected()


async def test_a_critical_plugin_that_cannot_be_loaded_keeps_the_node_from_leading(tmp_path: Path) -> None:
    """It would lead without what it is there for; a plugin that is not critical is only told of."""
    watcher = Watcher()
    async with running(tmp_path, watcher, more="[plugins.gone]\ncritical = true\n[plugins.lost]\n") as node:
        await asyncio.wait_for(node.wait_settled(), 10)
        assert node.fitness.unfit == (
            "plugin gone, which is critical, is not installed; try: pip install les-hooks-gone"
        )
        await asyncio.sleep(0.3)  # as long as an election takes
        assert not node.is_leader
        with_it = (tmp_path / "les.toml").read_text()
        (tmp_path / "les.toml").write_text(with_it.replace("critical = true", "critical = false"))
        await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
        await asyncio.wait_for(node.wait_elected(), 10)
        (tmp_path / "les.toml").write_text(with_it)
        await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
        await watcher.until("demoted unfit")


async def test_a_reload_while_leading_applies_all_again(tmp_path: Path) -> None:
    watcher = Watcher()
    async with running(tmp_path, watcher) as node:
        await watcher.until("work begins")
        with (tmp_path / "les.toml").open("a") as file:
            file.write('timeout = "3s"\n')
        assert await node.reload(load_config(tmp_path / "les.toml", registry=node.registry)) == (
            "plugins.watcher.timeout",
        )
        await watcher.until("work begins", times=2)
    assert watcher.lines[2:7] == [
        "work begins",
        "work ends",
        "reasserted reload",
        "work begins",
        "work ends",
    ]


async def test_a_plugin_that_a_reload_switches_off_is_demoted_while_the_node_leads_on(tmp_path: Path) -> None:
    watcher = Watcher()
    async with running(tmp_path, watcher) as node:
        await watcher.until("work begins")
        with (tmp_path / "les.toml").open("a") as file:
            file.write("enabled = false\n")
        await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
        assert "watcher" not in node.registry.loaded
        await watcher.until("demoted reload")
        assert node.is_leader
    assert watcher.lines[2:] == ["work begins", "work ends", "demoted reload"]
    (record,) = [r for r in trail(tmp_path) if r["action"] == "hook.finished" and r["event"] == "demoted"][1:]
    assert (record["plugin"], record["outcome"]) == ("watcher", "success")


async def test_a_critical_plugin_that_fails_ends_the_leadership_and_the_next_try_waits_for_hold(tmp_path: Path) -> None:
    watcher = Watcher()
    watcher.fails = True
    async with running(tmp_path, watcher, "critical = true\n"):
        await watcher.until("demoted critical")
        assert "work begins" not in watcher.lines
        watcher.fails = False
        await watcher.until("work begins")
    terms = [r["term"] for r in trail(tmp_path) if r["action"] == "leader.elected"]
    assert terms[:2] == [1, 2]


async def test_a_node_whose_lanes_break_ends_by_itself_and_owes_a_cleanup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, Watcher(), cleanup=("/bin/touch", str(tmp_path / "cleaned"))) as node:
        await asyncio.wait_for(node.wait_elected(), 10)

        def bug(*_: object) -> None:
            raise AssertionError("a bug")

        monkeypatch.setattr(node.dispatcher, "_on_released", bug)
        node.step_down(Reason.OPERATOR)
        await asyncio.wait_for(node.wait_stopped(), 10)
        assert str(node.broken) == "a bug"
        assert not node.is_leader
    await cleaned(tmp_path)
    with StateStore.open(tmp_path / "state", 0.0) as store:
        assert store.crashed


async def cleaned(folder: Path) -> None:
    async with asyncio.timeout(10):
        while not (folder / "cleaned").exists():
            await asyncio.sleep(0.01)


async def test_a_leader_that_stops_waits_for_its_demote_hooks_and_leads_meanwhile(tmp_path: Path) -> None:
    watcher = Watcher()
    waits: list[float] = []
    async with running(tmp_path, watcher) as node:
        await watcher.until("work begins")
        watcher.gate.clear()
        leave = node.backend.leave

        async def noted(limit: float) -> None:
            waits.append(limit)
            await leave(limit)

        node.backend.leave = noted  # type: ignore[method-assign]  # it is only watched
        stopping = asyncio.create_task(node.stop())
        await watcher.until("demoted leaving")
        assert not stopping.done()
        watcher.gate.set()
        await stopping
    assert waits[0] == LAST_RESORT_SECONDS  # each hook has a limit of its own, whatever their sum is
    with StateStore.open(tmp_path / "state", 0.0) as store:
        assert not store.crashed


async def test_a_stop_that_does_not_end_in_order_owes_a_cleanup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    async with running(tmp_path, watcher, cleanup=("/bin/touch", str(tmp_path / "cleaned"))) as node:
        await watcher.until("work begins")
        watcher.gate.clear()
        monkeypatch.setattr("les_hooks.daemon.leaving.LAST_RESORT_SECONDS", 0.05)
        await node.stop()
    await cleaned(tmp_path)
    with StateStore.open(tmp_path / "state", 0.0) as store:
        assert store.crashed


async def test_lanes_that_break_while_a_node_stops_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    async with running(tmp_path, watcher) as node:
        await watcher.until("work begins")

        def bug(*_: object) -> None:
            raise AssertionError("a bug")

        monkeypatch.setattr(node.dispatcher, "_on_released", bug)
        await asyncio.wait_for(node.stop(), 10)
        assert str(node.broken) == "a bug"


async def test_of_two_reloads_at_once_the_later_one_wins(tmp_path: Path) -> None:
    async with running(tmp_path, Watcher()) as node:
        slow, read = threading.Event(), threading.Event()

        before = node.config

        def old() -> Config:
            read.set()
            slow.wait(10)
            return before

        def new() -> Config:
            return replace(before, log=replace(before.log, level=LogLevel.DEBUG))

        first = asyncio.create_task(reload(node, old))
        await asyncio.to_thread(read.wait, 10)
        second = asyncio.create_task(reload(node, new))
        await asyncio.sleep(0.05)
        slow.set()
        assert await first == ()
        assert await second == ("log.level",)
        assert node.config.log.level == "debug"


# -- fitness -----------------------------------------------------------------------------------------------------------


class Checked(Watcher):
    """A watcher whose check says what the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.says: asyncio.Queue[str] = asyncio.Queue()

    async def check(self, report: Callable[[str], None]) -> None:
        self.lines.append("check begins")
        try:
            while True:
                report(await self.says.get())
        finally:
            self.lines.append("check ends")

    def hooks(self) -> object:
        return plugin(on_elected=self.note, on_demoted=self.note, check=self.check)


async def test_a_check_begins_before_the_node_joins_and_ends_after_the_node_has_left(tmp_path: Path) -> None:
    watcher = Checked()
    async with running(tmp_path, watcher) as node:
        assert sorted(watcher.lines) == ["check begins", "demoted startup"]
        assert node.fitness.unfit == "plugin watcher has not said yet"
        watcher.says.put_nowait("")
        async with asyncio.timeout(5):
            while node.fitness.unfit:
                await asyncio.sleep(0.01)
        await asyncio.wait_for(node.wait_elected(), 10)
    assert watcher.lines[-2:] == ["demoted leaving", "check ends"]
    story = [r["action"] for r in trail(tmp_path)]
    assert story.index("node.started") < story.index("node.unfit") < story.index("node.settled")
    assert "node.fit" in story


async def test_a_reload_that_drops_the_plugin_drops_what_its_check_said(tmp_path: Path) -> None:
    watcher = Checked()
    async with running(tmp_path, watcher) as node:
        watcher.says.put_nowait("down")
        async with asyncio.timeout(5):
            while node.fitness.unfit != "watcher: down":
                await asyncio.sleep(0.01)
            with (tmp_path / "les.toml").open("a") as file:
                file.write("enabled = false\n")
            await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
            while node.fitness.unfit:
                await asyncio.sleep(0.01)
        assert "check ends" in watcher.lines


async def test_maintenance_outlives_the_process_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async with running(tmp_path, Watcher()) as node:
        assert node.maintenance is None
        assert not node.end_maintenance()
        node.maintain(600.0, "new disk", 1000)
    async with running(tmp_path, Watcher()) as node:
        assert node.maintenance is not None
        assert (node.maintenance.note, node.maintenance.uid) == ("new disk", 1000)
        assert node.fitness.unfit == node.maintenance.words
        assert node.end_maintenance()
        async with asyncio.timeout(5):
            while node.fitness.unfit:
                await asyncio.sleep(0.01)
    assert not (tmp_path / "state" / "maintenance.json").exists()
    assert [(r["uid"], r["reason"]) for r in trail(tmp_path) if r["action"] == "maintenance.begun"] == [
        (1000, "new disk")
    ]


async def test_a_witness_runs_no_checks(tmp_path: Path) -> None:
    watcher = Checked()
    async with running(tmp_path, watcher, part="witness") as node:
        await asyncio.sleep(0.2)
        assert node.fitness.unfit == ""
        await node.reload(load_config(tmp_path / "les.toml", registry=node.registry))
        await asyncio.sleep(0.2)
        assert node.fitness.unfit == ""
    assert watcher.lines == []


@pytest.mark.parametrize("undone", [True, False])
async def test_a_daemon_that_starts_after_a_crash_gives_back_the_votes_of_the_dead_one(
    tmp_path: Path, undone: bool
) -> None:
    """Where the startup demotion and the plugins' cleanup have cleared what was left, nobody waits for the lease."""

    def cleanup() -> None:
        assert undone

    dead = crash(tmp_path)
    voter = make_node(noting=True)
    port = free_port()
    async with voting(voter):
        (tmp_path / "les.toml").write_text(
            f'[node]\nname = "a"\nbind = "127.0.0.1:{port}"\nstate_dir = "state"\n[plugins.hello]\n'
            f'[cluster]\nname = "web"\nquorum = "majority"\nvoters = ["127.0.0.1:{port}", "{voter.address}"]\n'
        )
        registry = Registry([Offer("scripts", plugin()), Offer("hello", plugin(cleanup=cleanup))])
        config = load_config(tmp_path / "les.toml", registry=registry)
        log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
        async with Node(config, log=log, registry=registry, cleanup=()):
            told = [Undone(address=Address(f"127.0.0.1:{port}"), boot=dead)] if undone else []
            assert voter.machine.all(Undone) == told


async def test_what_keeps_a_node_from_leading_is_known_before_it_joins(tmp_path: Path) -> None:
    """Its startup hooks may take their time; by then the check has spoken, and is not asked again."""

    class Hasty(Checked):
        async def check(self, report: Callable[[str], None]) -> None:
            report("no disk")
            self.gate.set()
            await asyncio.Event().wait()

    watcher = Hasty()
    watcher.gate.clear()
    async with running(tmp_path, watcher) as node:
        await node.wait_settled()
        async with asyncio.timeout(5):
            while node.view is None or [member.unfit for member in node.view.members] != ["watcher: no disk"]:
                await asyncio.sleep(0.01)
        assert not node.is_leader
        assert "elected first" not in watcher.lines


async def test_maintenance_outlives_a_restart_and_keeps_the_node_from_leading(tmp_path: Path) -> None:
    async with running(tmp_path, Watcher()) as node:
        await node.wait_elected()
        node.maintain(60.0, "new disk", 0)
    async with running(tmp_path, Watcher()) as node:
        await node.wait_settled()
        await asyncio.sleep(0.3)  # far longer than it takes to lead alone
        assert not node.is_leader
        node.end_maintenance()
        await node.wait_elected()
