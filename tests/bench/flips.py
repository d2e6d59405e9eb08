"""Many role changes with a real script: is every one told, in order, and what is left behind?"""

import math
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from les_hooks.config import LogLevel, load_config
from les_hooks.daemon.clock import boottime
from les_hooks.daemon.setup import Plugins
from les_hooks.dispatch import Dispatcher
from les_hooks.events import Event, EventKind, Reason
from les_hooks.guard import Guard
from les_hooks.log import make_log
from les_hooks.plugins import Registry
from les_hooks.processes import Runner
from tests.bench.table import Row

__all__ = ["measure"]

_SCRIPT = '#!/bin/sh\necho "begin $1 $LES_SEQ" >>"{0}"\nsleep 0.05\necho "end $1 $LES_SEQ" >>"{0}"\n'
_PATIENCE_SECONDS = 30.0


class _Always:
    """The authority of a leader that nothing disturbs."""

    def left(self) -> float:
        return 60.0

    def hold_left(self) -> float:
        return 60.0

    def release_left(self) -> float:
        return math.inf

    async def confirmed(self) -> bool:
        return True


async def measure(flips: int) -> list[Row]:
    """Elect and demote in turn; every other demotion comes while the elected script still runs.

    Raises AssertionError where the order is wrong or an event got lost.
    """
    outcomes: Counter[tuple[str, str]] = Counter()

    def record(action: str, outcome: str, /, **fields: object) -> None:
        if action == "hook.finished":
            outcomes[str(fields["event"]), outcome] += 1

    with tempfile.TemporaryDirectory(prefix="les-bench-") as folder:
        told = Path(folder, "told")
        script = Path(folder, "hooks.d", "10-slow")
        script.parent.mkdir()
        script.write_text(_SCRIPT.format(told), encoding="utf-8")
        script.chmod(0o755)
        Path(folder, "les.toml").write_text('[node]\nname = "flips"\nstate_dir = "state"\n', encoding="utf-8")
        registry = Registry()
        config = load_config(Path(folder, "les.toml"), plugin_types=registry.config_types)
        log = make_log(config.log.format, LogLevel.ERROR)
        guard = Guard(log)
        guard.start()
        runner = Runner(guard, boottime)
        plugins = Plugins(registry=registry, log=log, record=record, runner=runner, authority=_Always())
        plugins.load(config)
        dispatcher = Dispatcher(
            registry=registry,
            authority=_Always(),
            record=record,
            log=log,
            clock=boottime,
            on_released=lambda _event, _failed: None,
            on_critical=lambda _: None,
            on_broken=lambda _: None,
        )
        dispatcher.configure(plugins.contexts, plugins.settings)
        dispatcher.start()
        began, memory = time.monotonic(), _rss_mib()
        for number in range(flips // 2):
            dispatcher.submit(_event(EventKind.ELECTED, 2 * number + 1))
            if number % 2:
                await dispatcher.drained(_PATIENCE_SECONDS)
            dispatcher.submit(_event(EventKind.DEMOTED, 2 * number + 2))
            await dispatcher.drained(_PATIENCE_SECONDS)
        seconds, grown = time.monotonic() - began, _rss_mib() - memory
        await dispatcher.close()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        left_behind = len(children) - 1  # the guard itself
        await guard.close()
        _check(told.read_text(encoding="ascii").split("\n")[:-1], outcomes, flips)
    return [
        Row("time for one change", "ms", [1000 * seconds / flips]),
        Row("events that are accounted for", "", [float(sum(outcomes.values()))]),
        Row("elected scripts ended by a demotion", "", [float(outcomes["elected", "superseded"])]),
        Row("processes left", "", [float(left_behind)]),
        Row("memory grown", "MiB", [grown]),
    ]


def _check(lines: list[str], outcomes: Counter[tuple[str, str]], flips: int) -> None:
    numbers = [int(line.split()[2]) for line in lines]
    assert numbers == sorted(numbers), "events ran out of order"
    ended = [line for line in lines if line.startswith("end demoted")]
    assert len(ended) == flips // 2, f"{flips // 2 - len(ended)} demotions got lost"
    assert sum(outcomes.values()) == flips, f"{sum(outcomes.values())} records for {flips} events"


def _event(kind: EventKind, seq: int) -> Event:
    return Event(
        id=f"flip-{seq}",
        seq=seq,
        kind=kind,
        time=0.0,
        node="127.0.0.1:4000",
        name="flips",
        cluster="bench",
        role="leader" if kind is EventKind.ELECTED else "follower",
        term=seq,
        leader=None,
        previous_leader=None,
        members=("127.0.0.1:4000",),
        member=None,
        reason=Reason.FIRST,
        replay=False,
    )


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
