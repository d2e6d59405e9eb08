"""The page under load: sixteen look at a node to which a thousand things a second happen."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from les_hooks import Node, load_config, serve_http
from les_hooks.audit.actions import Action
from les_hooks.events import EventKind
from tests.cluster import TIMING, Cluster, free_ports
from tests.fake_context import an_event

_SECONDS, _PER_SECOND, _LOOKERS = 10, 1000, 16


class Lag:
    """How long the loop was kept from going on, at most, in seconds."""

    def __init__(self) -> None:
        self.most = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            self.most = max(self.most, time.perf_counter() - before - 0.01)


async def look(url: str) -> None:
    """Do as the script of the page does: listen, and look again once a second, until cancelled."""
    async with aiohttp.ClientSession(url) as session:

        async def listen() -> None:
            async with session.get("/api/v1/events", timeout=aiohttp.ClientTimeout(total=None)) as stream:
                async for _ in stream.content.iter_any():
                    pass

        listening = asyncio.create_task(listen())
        try:
            while True:
                async with session.get("/") as answer:
                    assert b"<h1" in await answer.read()
                await asyncio.sleep(1.0)
        finally:
            listening.cancel()


async def happen(node: Node) -> None:
    """Tell of so many events, evenly."""
    pace = 100
    due = time.perf_counter()
    for at in range(_SECONDS * pace):
        for number in range(_PER_SECOND // pace):
            member = f"10.9.{number}.{at % 250}:4000"
            event = an_event(EventKind.MEMBER_JOINED, seq=1_000_000 + at * pace + number, member=member)
            node.story.tell(event)
            node.audit.record(Action.MEMBER_JOINED, reason="joined", event_id=event.id, member=member)
        due += 1 / pace
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes with the default timing, of which the test is to run the first."""
    cluster = Cluster(tmp_path, 3)
    for daemon in cluster.daemons:
        daemon.config.write_text(daemon.config.read_text().replace(TIMING, ""))
    try:
        for daemon in cluster.daemons[1:]:
            daemon.start()
        yield cluster
    finally:
        cluster.close()


async def test_under_load_the_page_is_right_and_the_node_undisturbed(three: Cluster) -> None:
    own, *others = three.daemons
    port = free_ports(1)[0]
    own.config.write_text(f'{own.config.read_text()}\n[http]\nlisten = "127.0.0.1:{port}"\n')
    url = f"http://127.0.0.1:{port}"
    async with Node(load_config(own.config)) as node, serve_http(node), asyncio.TaskGroup() as group:
        await node.wait_settled()
        async with asyncio.timeout(15):
            while node.view is None or len(node.view.members) < 3 or node.leader is None:
                await asyncio.sleep(0.05)
        term, lag = node.view.term, Lag()
        busy = [group.create_task(look(url)) for _ in range(_LOOKERS)]
        busy.append(group.create_task(lag.watch()))
        await happen(node)
        await asyncio.sleep(1.0)
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/") as answer:
                page = await answer.text()
            async with session.get("/api/v1/status") as answer:
                status = msgspec.json.decode(await answer.read())
        for task in busy:
            task.cancel()
        said = next(each["status"] for each in status["plugins"] if each["name"] == "dashboard")
        print(f"the loop lagged {lag.most:.3f} s at most; {said}")
        # Right: the last that happened is on it, and who leads.
        assert "10.9.9.249:4000 has joined" in page
        assert f"{status['leader_name']} leads</bdi></h1>" in page
        # Light: two renderings a second for all, however many look and however much happens.
        assert said["renderings"] <= 2 * (_SECONDS + 5)
        # Undisturbed: well within the heartbeat of half a second, and nobody missed it.
        assert lag.most < 0.4
        assert len(node.view.members) == 3
        assert node.view.term == term
    for daemon in others:
        assert '"member.lost"' not in (daemon.folder / "state" / "audit.jsonl").read_text()
