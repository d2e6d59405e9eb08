"""A node whose leader falls silent has its plugins make ready; the leader is a real process that is stopped."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from structlog.testing import LogCapture

from les_hooks import Node, load_config
from les_hooks.plugins import Registry
from tests.cluster import Daemon, free_ports
from tests.dispatch.stage import Offer, plugin

TIMING = '[timing]\nheartbeat = "100ms"\nfailure = "900ms"\nsettle = "50ms"\nretry = "100ms"\nhold = "100ms"\n'


class Ready:
    """A plugin that notes when it prepares and leads."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float]] = []

    def note(self, line: str) -> None:
        self.lines.append((line, asyncio.get_running_loop().time()))

    async def prepare(self) -> None:
        self.note("prepares")
        try:
            await asyncio.Event().wait()
        finally:
            self.note("at ease")

    async def on_elected(self) -> None:
        self.note("elected")

    async def until(self, *lines: str) -> float:
        """Wait until these are the lines; returns when the last came."""
        async with asyncio.timeout(10):
            while [line for line, _ in self.lines] != list(lines):
                await asyncio.sleep(0.002)
        return self.lines[-1][1]


@asynccontextmanager
async def led_by(folder: Path, ready: Ready) -> AsyncIterator[tuple[Daemon, Node]]:
    """A daemon that leads, and a node in this process that follows it."""
    mine, other = free_ports(2)
    daemon = Daemon(folder / "b", other, [mine, other])
    daemon.config.write_text(daemon.config.read_text().split("[timing]")[0] + TIMING)
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:{mine}"\nstate_dir = "state"\n'
        f'[cluster]\nseeds = ["127.0.0.1:{other}"]\n{TIMING}[plugins.ready]\n'
    )
    hooks = plugin(prepare=ready.prepare, on_elected=ready.on_elected)
    registry = Registry([Offer("ready", hooks), Offer("scripts", plugin())])
    log = structlog.wrap_logger(structlog.PrintLogger(), [LogCapture()])
    daemon.start()
    try:
        async with Node(load_config(folder / "les.toml", registry=registry), log=log, registry=registry) as node:
            async with asyncio.timeout(15):
                while node.leader != daemon.address or (node.view and any(m.unfit for m in node.view.members)):
                    if node.is_leader:
                        node.step_down()
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.15)  # heartbeats are exchanged by now
            ready.lines.clear()
            yield daemon, node
    finally:
        daemon.kill()
        daemon.les("cleanup", "--wait", "20")


async def test_plugins_prepare_at_half_of_failure_and_are_at_ease_when_the_leader_is_heard(tmp_path: Path) -> None:
    ready = Ready()
    async with led_by(tmp_path, ready) as (daemon, node):
        stopped = asyncio.get_running_loop().time()
        daemon.signal(signal.SIGSTOP)
        begun = await ready.until("prepares")
        # Its last frame came at most a heartbeat before, and a busy machine is late.
        assert 0.3 < begun - stopped < 0.45 + 0.2
        daemon.signal(signal.SIGCONT)
        await ready.until("prepares", "at ease")
        assert node.leader == daemon.address


async def test_what_was_prepared_is_there_for_the_hooks_of_elected(tmp_path: Path) -> None:
    ready = Ready()
    async with led_by(tmp_path, ready) as (daemon, _):
        daemon.signal(signal.SIGSTOP)
        await ready.until("prepares", "elected", "at ease")


async def test_a_connection_that_breaks_is_reason_enough(tmp_path: Path) -> None:
    """The host refuses the next one, so this is all the time that there is."""
    ready = Ready()
    async with led_by(tmp_path, ready) as (daemon, _):
        daemon.kill()
        await ready.until("prepares", "elected", "at ease")
