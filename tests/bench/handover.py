"""How long until the next node acts, hooks aside, and whether two ever act at once: three nodes on hosts of their own.

Default timing. The leader is ended, killed, frozen, or loses its host. Imported by the benchmark.
"""

import contextlib
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cluster import Bell
from tests.bench.table import Row
from tests.network.cluster import Cluster, NetDaemon
from tests.network.lan import Lan
from tests.network.story import mingled

__all__ = ["LEASE_SECONDS", "measure"]

LEASE_SECONDS = 4.0
"""The default."""

# The tests' own script stands between; it needs 100 ms for a demotion.
_RINGS = (("elected", "05-elected"), ("demoted", "05-demoting"), ("demoted", "90-demoted"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One of them: `seconds` beyond the hooks, and for how long two worked at once."""

    seconds: float
    overlap_seconds: float
    faults: tuple[str, ...]


def measure(runs: int, quorum: str) -> list[Row]:
    """Each kind so many times, in turn."""
    kinds = {
        "SIGTERM: demoted script's end to the successor's elected script": _end,
        "SIGKILL: to the successor's elected script, the dead one's demoted script aside": _kill,
        "SIGSTOP: to the successor's elected script": _freeze,
        "host lost: to the successor's elected script": _lose,
    }
    found: dict[str, list[Handover]] = {what: [] for what in kinds}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-handover-")))
        lan = stack.enter_context(Lan(3))
        lease = LEASE_SECONDS if quorum == "majority" else 0.0
        cluster = stack.enter_context(contextlib.closing(Cluster(folder, lan, timing="", lease_seconds=lease)))
        bell = Bell(folder / "bell")
        stack.callback(bell.close)
        for daemon in cluster.daemons:
            for event, name in _RINGS:
                daemon.script(event, name, f'echo "$LES_NAME {name[3:]}" >"{folder}/bell"')
        for _ in range(runs):
            for what, strike in kinds.items():
                found[what].append(_handover(cluster, bell, strike))
    everything = [each for handovers in found.values() for each in handovers]
    for fault in (fault for each in everything for fault in each.faults):
        print(f"  {fault}")
    rows = [Row(what, "ms", [1000 * each.seconds for each in handovers]) for what, handovers in found.items()]
    return [*rows, Row("two leaders' work side by side", "ms", [1000 * each.overlap_seconds for each in everything])]


def _handover(cluster: Cluster, bell: Bell, strike: Callable[[NetDaemon, Bell], float]) -> Handover:
    leader = cluster.whole()
    cluster.told(leader, "works")
    bell.clear()
    begun = time.monotonic()
    hooks_seconds = strike(leader, bell)
    elected = bell.wait(rf"(?!{leader.name} )\S+ elected", since=begun)
    if strike is not _freeze:
        leader.ended()
    successor = cluster.agreed(*cluster.followers(leader))
    cluster.told(successor, "works")
    story = cluster.story()
    faults = mingled(story) if cluster.votes else []
    return Handover(seconds=elected.at - begun - hooks_seconds, overlap_seconds=cluster.overlap(), faults=tuple(faults))


def _end(leader: NetDaemon, bell: Bell) -> float:
    begun = time.monotonic()
    leader.signal(signal.SIGTERM)
    return bell.wait(f"{leader.name} demoted", since=begun).at - begun


def _kill(leader: NetDaemon, bell: Bell) -> float:
    begun = time.monotonic()
    leader.kill()
    demoting = bell.wait(f"{leader.name} demoting|(?!{leader.name} )\\S+ elected", since=begun)
    if demoting.word == "elected":
        return 0.0  # by every live member, who need not wait for it
    return bell.wait(f"{leader.name} demoted", since=begun).at - demoting.at


def _freeze(leader: NetDaemon, bell: Bell) -> float:
    leader.signal(signal.SIGSTOP)
    return 0.0


def _lose(leader: NetDaemon, bell: Bell) -> float:
    leader.lose()
    return 0.0
