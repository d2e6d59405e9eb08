"""How long until the next one works, and for how long the one before works on beside it; in turns with `etcdctl lock`.

Every run is an election of its own, under a prefix of its own. A lane is three hosts with a node and three with an
etcdctl; all lanes run at the same time, on the same three servers of etcd.
"""

import contextlib
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.etcd.sides import SIDES, Fault, Side, Stamp, read_stamps
from tests.bench.table import Row
from tests.cluster import until
from tests.etcd.lan import Servers
from tests.etcd.nodes import TTL_SECONDS
from tests.network.lan import Lan

__all__ = ["measure"]

_SERVERS = 3
_NODES = 3
# Python that starts must not be in the way.
_CALM_SECONDS = 1.0
# The longest pause between two renewals of either side, and a multiple of the other's.
_PERIOD_SECONDS = TTL_SECONDS / 3
# For so long the work of the one before is looked at beside that of the next.
_LOOK_SECONDS = 2.0
# Work that said so little time ago that it runs, runs.
_ALIVE_SECONDS = 0.1
_LIMIT_SECONDS = 4.0 * TTL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One of them; `goes_on`: the one before still worked when nobody looked any longer."""

    side: str
    fault: Fault
    next_seconds: float
    overlap_seconds: float
    goes_on: bool


def measure(runs: int, lanes: int) -> list[Row]:
    """Every fault so many times for each side; prints what is no number."""
    found: list[Handover] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-etcd-", ignore_cleanup_errors=True)))
        lan = stack.enter_context(Lan(_SERVERS + lanes * len(SIDES) * _NODES))
        servers = stack.enter_context(Servers(folder, lan.hosts[:_SERVERS]))
        for fault in Fault:
            # Spread evenly over the time between two renewals, so that few runs tell much; the same for both sides.
            dice = random.Random(fault)
            phases = [(number + dice.random()) / runs * _PERIOD_SECONDS for number in range(runs)]
            dice.shuffle(phases)
            for first in range(0, runs, lanes):
                place = folder / f"{fault.replace(' ', '-')}-{first}"
                found += _batch(place, lan, servers, fault, phases[first : first + lanes])
    for name in SIDES:
        endless = [each.fault for each in found if each.side == name and each.goes_on]
        for fault in dict.fromkeys(endless):
            times = f"{endless.count(fault)} of {runs}"
            print(
                f"  {fault}, {name}: the work of the one before went on for all of {_LOOK_SECONDS:g} s, {times} times"
            )
    return [row for fault in dict.fromkeys(each.fault for each in found) for row in _rows(found, fault)]


def _rows(found: Sequence[Handover], fault: Fault) -> list[Row]:
    rows = []
    for name in SIDES:
        these = [each for each in found if (each.side, each.fault) == (name, fault)]
        rows += [
            Row(f"{fault}, {name}: to the next one's script", "ms", [1000 * each.next_seconds for each in these]),
            Row(f"{fault}, {name}: both at work", "ms", [1000 * each.overlap_seconds for each in these]),
        ]
    return rows


def _batch(folder: Path, lan: Lan, servers: Servers, fault: Fault, phases: Sequence[float]) -> list[Handover]:
    """A run of each side for each phase, all of them at once, but for the moments that count in milliseconds."""
    hosts = [lan.hosts[at : at + _NODES] for at in range(_SERVERS, len(lan.hosts), _NODES)]
    running: list[tuple[Side, float]] = []
    with contextlib.ExitStack() as stack:
        for number, phase in enumerate(phases):
            for index, (kind, make) in enumerate(SIDES.items()):
                name, three = f"{kind}-{number}", hosts[number * len(SIDES) + index]
                side = make(folder / name, lan, three, servers, f"/{folder.name}/{name}")
                stack.callback(side.close)
                side.start()
                running.append((side, phase))
        leaders = {side: side.whole() for side, _ in running}
        settled = time.time() + _CALM_SECONDS
        if fault is Fault.TERM:
            _sleep_until(settled)
            return [_see(side, fault, _strike(side, fault, leaders[side])) for side, _ in running]
        # A moment of the leader's own rhythm: its lease began with its work.
        due = sorted(
            (_next(_began(side, leaders[side]) + phase, settled), index) for index, (side, phase) in enumerate(running)
        )
        strikes = []
        for moment, index in due:
            side, _ = running[index]
            _sleep_until(moment)
            strikes.append((side, _strike(side, fault, leaders[side])))
        return [_see(side, fault, struck) for side, struck in strikes]


def _next(moment: float, after: float) -> float:
    """The first one of its kind that is not before."""
    return moment + max(0.0, -(-(after - moment) // _PERIOD_SECONDS)) * _PERIOD_SECONDS


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _began(side: Side, leader: str) -> float:
    return min(at for at, node in read_stamps(side.story) if node == leader)


def _strike(side: Side, fault: Fault, leader: str) -> tuple[str, float]:
    moment = time.time()
    side.strike(fault, leader)
    return leader, moment


def _see(side: Side, fault: Fault, struck: tuple[str, float]) -> Handover:
    """Wait until the next one works, and look on for a while."""
    leader, moment = struck

    def following() -> list[Stamp]:
        return [stamp for stamp in read_stamps(side.story) if stamp[1] != leader]

    begun, _ = until(following, f"{side.name} has a next one after {fault}", _LIMIT_SECONDS)[0]
    end = begun + _LOOK_SECONDS
    _sleep_until(end)
    last = max(at for at, node in read_stamps(side.story) if node == leader and at <= end)
    return Handover(
        side=side.name,
        fault=fault,
        next_seconds=begun - moment,
        overlap_seconds=max(0.0, last - begun),
        goes_on=last > end - _ALIVE_SECONDS,
    )
