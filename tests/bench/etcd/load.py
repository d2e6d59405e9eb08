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
from tests.etcd.crowd import Crowd, Deed, Spent
from tests.etcd.nodes import TTL_SECONDS
from tests.etcd.server import Server

__all__ = ["measure"]

_PLACES = ("leader", "next in line", "third in line")
_OTHERS = "each other"
# What a death has nodes do, they do at once: so as to count it, time is cut into pieces of this.
_PIECE_SECONDS = 1.0


def measure(nodes: int, seconds: float, calm: float) -> list[Row]:
    """At rest for so many seconds, and in the second after a leader's key has gone."""
    with tempfile.TemporaryDirectory(prefix="les-etcd-") as folder, Server(Path(folder) / "etcd") as server:
        return asyncio.run(_measure(server, nodes, seconds, calm))


async def _measure(server: Server, nodes: int, seconds: float, calm: float) -> list[Row]:
    assert server.process is not None
    async with Crowd(server.url, nodes, prefix="/bench", ttl_seconds=TTL_SECONDS) as crowd:
        await crowd.settled()
        await asyncio.sleep(calm)
        used, begun = cpu_seconds(server.process.pid), time.monotonic()
        pieces = [await crowd.rest(_PIECE_SECONDS) for _ in range(round(seconds / _PIECE_SECONDS))]
        cpu = 100 * (cpu_seconds(server.process.pid) - used) / (time.monotonic() - begun)
        spent = [_sum(each) for each in zip(*pieces, strict=True)]
        died = await crowd.succession() - _PIECE_SECONDS / 4
        after = await crowd.rest(_PIECE_SECONDS)
        deeds = [node.deeds_since(died) for node in crowd.nodes]
    return [*_at_rest(spent), Row("CPU of etcd", "% of a core", [cpu]), *_after_death(pieces, after, deeds)]


def _sum(pieces: Sequence[Spent]) -> Spent:
    return Spent(
        seconds=sum(each.seconds for each in pieces),
        requests=sum(each.requests for each in pieces),
        sent_bytes=sum(each.sent_bytes for each in pieces),
        received_bytes=sum(each.received_bytes for each in pieces),
    )


def _at_rest(spent: Sequence[Spent]) -> list[Row]:
    places = {name: spent[at : at + 1] for at, name in enumerate(_PLACES)}
    places |= {_OTHERS: spent[len(_PLACES) :], "mean of all": [_sum(spent)]}
    rows = []
    for name, these in places.items():
        if these:
            rows += [
                Row(f"{name}: requests", "/s", [each.requests / each.seconds for each in these]),
                Row(f"{name}: sent", "bytes/s", [each.sent_bytes / each.seconds for each in these]),
                Row(f"{name}: received", "bytes/s", [each.received_bytes / each.seconds for each in these]),
            ]
    return rows


def _after_death(pieces: Sequence[Sequence[Spent]], after: Sequence[Spent], deeds: Sequence[set[Deed]]) -> list[Row]:
    rows = [
        Row("a second after a death: nodes that write", "", [_count(Deed.WRITE, deeds)]),
        Row("a second after a death: nodes that list", "", [_count(Deed.LIST, deeds)]),
        Row("a second after a death: nodes that ask about a lease", "", [_count(Deed.ASK, deeds)]),
    ]
    first = len(_PLACES)
    if len(after) > first:
        before = [_requests(piece[first + 1 :]) for piece in pieces]
        rows += [
            Row(f"a second after a death: requests of {_OTHERS}, in all", "", [_requests(after[first:])]),
            Row("a second at rest: requests of the same, in all", "", before),
        ]
    return rows


def _requests(spent: Sequence[Spent]) -> float:
    return float(sum(each.requests for each in spent))


def _count(deed: Deed, deeds: Sequence[set[Deed]]) -> float:
    return float(sum(deed in each for each in deeds))
