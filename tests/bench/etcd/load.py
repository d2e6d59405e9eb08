"""What nodes ask of etcd while nothing happens, by their place in line, and what the death of a leader adds to that.

The backends run without their daemons, all in one loop, on one etcd. Bytes are those of HTTP, without those of TCP.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.rest import cpu_seconds
from tests.bench.table import Row
from tests.etcd.crowd import Crowd, Spent
from tests.etcd.nodes import TTL_SECONDS
from tests.etcd.server import Server

__all__ = ["measure"]

_PLACES = ("leader", "next in line", "third in line")
# What a death has others do, they do at once.
_AFTER_SECONDS = 1.0


def measure(nodes: int, seconds: float, calm: float) -> list[Row]:
    """At rest for so many seconds, and in the second after a leader's key has gone."""
    with tempfile.TemporaryDirectory(prefix="les-etcd-") as folder, Server(Path(folder) / "etcd") as server:
        return asyncio.run(_measure(server, nodes, seconds, calm))


async def _measure(server: Server, nodes: int, seconds: float, calm: float) -> list[Row]:
    assert server.process is not None
    async with Crowd(server.url, nodes, prefix="/bench", ttl_seconds=TTL_SECONDS) as crowd:
        leader = await crowd.settled()
        await asyncio.sleep(calm)
        before, begun = cpu_seconds(server.process.pid), time.monotonic()
        spent = await crowd.rest(seconds)
        cpu = 100 * (cpu_seconds(server.process.pid) - before) / (time.monotonic() - begun)
        rows = _rows(spent)
        rows.append(Row("CPU of etcd", "% of a core", [cpu]))
        per_second = [each.requests / each.seconds for each in spent]
        await crowd.lose(leader)
        while not any(node.leading for node in crowd.nodes):
            await asyncio.sleep(0.001)
        died = time.monotonic() - _AFTER_SECONDS / 4
        after = await crowd.rest(_AFTER_SECONDS)
        rows += [
            Row(
                "nodes that wrote in the second after a death",
                "",
                [sum(node.wrote_since(died) > 0 for node in crowd.nodes)],
            ),
            Row("requests of the new leader in it", "", [after[0].requests]),
            Row("requests of the next in line", "", [after[1].requests]),
            Row("requests of all others", "", [sum(each.requests for each in after[2:])]),
            Row("requests of these in a second before", "", [sum(per_second[3:])]),
        ]
    return rows


def _rows(spent: Sequence[Spent]) -> list[Row]:
    places = {name: [spent[at]] for at, name in enumerate(_PLACES)}
    if len(spent) > len(_PLACES):
        places["each other"] = list(spent[len(_PLACES) :])
    places["each node"] = list(spent)
    rows = []
    for name, these in places.items():
        rows += [
            Row(f"{name}: requests", "/s", [each.requests / each.seconds for each in these]),
            Row(f"{name}: sent", "bytes/s", [each.sent_bytes / each.seconds for each in these]),
            Row(f"{name}: received", "bytes/s", [each.received_bytes / each.seconds for each in these]),
        ]
    return rows
