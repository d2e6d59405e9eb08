"""Many readers and many events: the node goes on as if there were none."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cluster import Cluster, Daemon, free_ports
from tests.http.feeder import FIRST
from tests.http.sse import read

ROOT = Path(__file__).parents[2]
NO_PLUGINS = "[plugins.dashboard]\nenabled = false\n[plugins.metrics]\nenabled = false\n"
RATE, SECONDS = 1000, 10
STREAMS, POLLERS = 16, 4


class Fed(Daemon):
    """A daemon that can tell a storm of events; what it has to say of that is in its file `storm`."""

    def __init__(self, folder: Path, port: int, seeds: list[int], page: int) -> None:
        super().__init__(folder, port, seeds)
        self.page = page
        text = self.config.read_text().partition("[timing]")[0]  # the default timing is the one that counts
        self.config.write_text(f'{text}[http]\nlisten = "127.0.0.1:{page}"\n{NO_PLUGINS}')

    def feed(self) -> None:
        """Start it."""
        with self.log.open("ab") as log, (self.folder / "storm").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.http.feeder", str(self.config), str(RATE), str(SECONDS)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    @property
    def storm(self) -> Any:
        """What it has to say, None before it is over."""
        text = (self.folder / "storm").read_text()
        return json.loads(text) if text else None


@contextlib.contextmanager
def three(folder: Path) -> Iterator[tuple[Cluster, Fed]]:
    """Three nodes with the default timing, the first of which can be fed."""
    cluster = Cluster(folder, 3)
    (page,) = free_ports(1)
    ports = [int(daemon.address.rpartition(":")[2]) for daemon in cluster.daemons]
    fed = Fed(folder / "fed", ports[0], ports, page)
    for daemon in cluster.daemons[1:]:
        daemon.config.write_text(daemon.config.read_text().partition("[timing]")[0])
    cluster.daemons[0] = fed
    try:
        fed.feed()
        fed.wait(lambda _status: True, "answers")
        cluster.start()
        cluster.wait_leader()
        yield cluster, fed
    finally:
        cluster.close()


def complaints(cluster: Cluster) -> list[str]:
    """What the nodes have said that they say when something is amiss."""
    words = ("member-lost", "demoted", "leader-silent", "slept")
    lines = [line for daemon in cluster.daemons for line in daemon.said().splitlines()]
    return [line for line in lines if any(f'"event":"{word}"' in line.replace(" ", "") for word in words)]


async def _follow(browser: aiohttp.ClientSession, ready: asyncio.Barrier) -> list[int]:
    """The numbers of the storm as one reader gets them."""
    heard: list[int] = []
    async with browser.get("/api/v1/events") as response, contextlib.aclosing(read(response)) as sent:
        await anext(sent)
        await ready.wait()
        async for one in sent:
            if one.kind == "gap":
                heard.append(-1)
            elif one.data is not None and one.data["seq"] >= FIRST:
                heard.append(one.data["seq"] - FIRST)
                if len(heard) == RATE * SECONDS:
                    break
    return heard


async def _poll(browser: aiohttp.ClientSession, over: asyncio.Event) -> list[float]:
    """How long each answer took, in seconds."""
    loop, took = asyncio.get_running_loop(), []
    while not over.is_set():
        begin = loop.time()
        async with browser.get("/api/v1/status") as response:
            assert response.status == 200
            await response.read()
        took.append(loop.time() - begin)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.25)
    return took


@pytest.mark.timeout(90)
async def test_a_storm_of_events_with_many_readers_costs_no_member(tmp_path: Path, record_property: Any) -> None:
    with three(tmp_path) as (cluster, fed):
        before = complaints(cluster)
        url, limit = f"http://127.0.0.1:{fed.page}", aiohttp.TCPConnector(limit=0)
        ready, over = asyncio.Barrier(STREAMS + 1), asyncio.Event()
        async with aiohttp.ClientSession(url, connector=limit, read_bufsize=2**20) as browser, asyncio.timeout(40):
            streams = [asyncio.create_task(_follow(browser, ready)) for _ in range(STREAMS)]
            pollers = [asyncio.create_task(_poll(browser, over)) for _ in range(POLLERS)]
            await ready.wait()
            fed.signal(signal.SIGUSR1)
            heard = await asyncio.gather(*streams)
            over.set()
            took = [each for poller in pollers for each in await poller]
        async with asyncio.timeout(5):
            while fed.storm is None:
                await asyncio.sleep(0.05)
        print(json.dumps({**fed.storm, "status_max": max(took), "status_mean": sum(took) / len(took)}))
        assert all(numbers == list(range(RATE * SECONDS)) for numbers in heard)
        assert fed.storm["took"] < SECONDS * 1.2
        assert fed.storm["worst"] < 0.5  # a heartbeat
        assert complaints(cluster) == before
        assert [len(daemon.status()["members"]) for daemon in cluster.daemons] == [3, 3, 3]


async def _try(browser: aiohttp.ClientSession, held: contextlib.AsyncExitStack) -> int:
    try:
        response = await held.enter_async_context(browser.get("/api/v1/events"))
    except aiohttp.ClientError:
        return 0
    return response.status


@pytest.mark.timeout(90)
async def test_readers_by_the_thousand_are_asked_to_come_again_and_the_node_is_well(tmp_path: Path) -> None:
    with three(tmp_path) as (cluster, fed):
        before = complaints(cluster)
        url, limit = f"http://127.0.0.1:{fed.page}", aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, connector=limit) as browser, contextlib.AsyncExitStack() as held:
            found: list[int] = []
            async with asyncio.timeout(25):
                for _ in range(10):
                    found += await asyncio.gather(*(_try(browser, held) for _ in range(100)))
                # Who comes too often is not even told to come again.
                assert found.count(200) == 64
                assert set(found) == {200, 503, 0}
                found = await asyncio.gather(*(_try(browser, held) for _ in range(1000)))
                assert set(found) <= {0, 503}
                await asyncio.sleep(0.1)  # the rate of those that come in is by the second, and real
                async with browser.get("/healthz") as response:
                    assert response.status == 200
        assert complaints(cluster) == before
        assert [len(daemon.status()["members"]) for daemon in cluster.daemons] == [3, 3, 3]
