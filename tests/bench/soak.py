"""Minutes of trouble, by hand: `python -m tests.bench.soak [ACTIONS] [SEED]`. Random signals; then the accounts.

Of three nodes, `a` is frozen and asked to step down but never ended, so that it shows what a long life costs. The
others are killed, ended, frozen and started. Prints what it finds and exits with 1 if something is wrong.
"""

import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cluster import Cluster, Daemon, until

_PACE_SECONDS = 1.5
_LEAD = {"leader.elected", "leader.demoted"}


def main(actions: int, seed: int) -> int:
    """Do it; returns the exit code."""
    dice = random.Random(seed)
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="les-soak-") as folder:
        cluster = Cluster(Path(folder), 3)
        for daemon in cluster.daemons:
            daemon.script("while-leader", "10-work", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
            daemon.script("elected", "10-up", "sleep 0.05 & wait")
            daemon.script("demoted", "10-down", "sleep 0.05")
        with cluster:
            cluster.wait_leader()
            samples = [_trouble(cluster, dice, number) for number in range(actions)]
            for daemon in cluster.daemons:
                if daemon.running:
                    daemon.signal(signal.SIGCONT)
            cluster.start()
            faults += _look(lambda: cluster.wait_leader(), "one leader at the end")
        for daemon in cluster.daemons:
            faults += _audit(daemon)
        faults += _look(lambda: until(lambda: not _left(folder), "no process left"), f"left: {_left(folder)}")
        _show(samples)
        for daemon in cluster.daemons:
            faults += _log(daemon)
    print("\n".join(faults) or "nothing wrong")
    return 1 if faults else 0


def _trouble(cluster: Cluster, dice: random.Random, number: int) -> dict[str, int]:
    """Do one thing to one node, and measure the node that lives long."""
    begin = time.monotonic()
    first, *others = cluster.daemons
    daemon = dice.choice(cluster.daemons)
    if daemon.running and daemon not in others:
        _freeze(daemon, dice) if dice.random() < 0.7 else daemon.les("step-down")
    elif not daemon.running:
        daemon.start()
    else:
        dice.choice([_kill, _end, _freeze, _restart, _kill_and_start])(daemon, dice)
    time.sleep(max(0.0, _PACE_SECONDS * dice.uniform(0.2, 1.8) - (time.monotonic() - begin)))
    assert first.process is not None
    return {"action": number, **_size(first.process.pid)}


def _kill(daemon: Daemon, _dice: random.Random) -> None:
    daemon.kill()


def _end(daemon: Daemon, _dice: random.Random) -> None:
    daemon.signal(signal.SIGTERM)
    daemon.ended()


def _freeze(daemon: Daemon, dice: random.Random) -> None:
    daemon.signal(signal.SIGSTOP)
    time.sleep(dice.choice([0.1, 0.4, 0.7, 1.5]))
    daemon.signal(signal.SIGCONT)


def _restart(daemon: Daemon, dice: random.Random) -> None:
    _end(daemon, dice)
    daemon.start()


def _kill_and_start(daemon: Daemon, dice: random.Random) -> None:
    _kill(daemon, dice)
    daemon.start()


def _size(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        "fds": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "rss_kib": int(fields["VmRSS"].split()[0]),
        "threads": int(fields["Threads"]),
    }


def _audit(daemon: Daemon) -> list[str]:
    faults = []
    records: list[dict[str, Any]] = []
    for number, line in enumerate((daemon.folder / "state" / "audit.jsonl").read_text("utf-8").splitlines(), 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            faults.append(f"{daemon.name} line {number} is no JSON: {line[:80]}")
    holes = [(one["seq"], other["seq"]) for one, other in pairwise(records) if other["seq"] != one["seq"] + 1]
    faults += [f"{daemon.name}: {len(holes)} holes in seq, first {holes[0]}"] if holes else []
    leads = [record for record in records if record["action"] in _LEAD]
    faults += [
        f"{daemon.name}: {other['action']} ({other['reason']}, seq {other['seq']}) follows {one['action']} "
        f"({one['reason']}, seq {one['seq']}), boots {one['boot']} and {other['boot']}"
        for one, other in pairwise(leads)
        if one["action"] == other["action"] and other["reason"] not in ("startup", "crashed")
    ]
    kinds = [record["action"] for record in leads]
    terms = [record["term"] for record in leads if record["action"] == "leader.elected"]
    faults += [] if terms == sorted(set(terms)) else [f"{daemon.name}: terms do not rise: {terms}"]
    gaps = sum(record["action"] == "audit.gap" for record in records)
    print(f"{daemon.name}: {len(records)} records, elected {kinds.count('leader.elected')} times, {gaps} gaps")
    return faults


def _log(daemon: Daemon) -> list[str]:
    """Errors that were logged, and tracebacks with the lines after them."""
    lines = daemon.said().splitlines()
    return [
        f"{daemon.name} logged {' | '.join(lines[number : number + (20 if 'Traceback' in line else 1)])[:1500]}"
        for number, line in enumerate(lines)
        if '"level":"error"' in line or '"level":"critical"' in line or "Traceback" in line
    ]


def _left(folder: str) -> list[str]:
    """Command lines of processes that belong to the cluster, by their words or their environment."""
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, environ = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in words or (b"LES_NODE=" in environ and folder.encode() in environ):
            left.append(f"{process.name} {words.replace(bytes(1), b' ').decode(errors='replace')[:120]}")
    return left


def _look(look: Callable[[], object], what: str) -> list[str]:
    try:
        look()
    except AssertionError as error:
        return [f"{what}: {error}"]
    return []


def _show(samples: list[dict[str, int]]) -> None:
    for key in ("fds", "rss_kib", "threads"):
        values = [sample[key] for sample in samples]
        print(f"{key} of a, at every eighth: {values[:: max(1, len(values) // 8)]}, most {max(values)}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [200, 1][len(given) :])))
