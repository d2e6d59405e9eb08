"""What a cluster costs while nothing happens: CPU, memory and bytes of each node; beside it the original's stand-in."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.cluster import Cluster, free_ports
from tests.bench.table import Row

__all__ = ["cpu_seconds", "measure"]

# A cluster of this size is measured beside one of the original's stand-ins.
_BESIDE_ORIGINALS = 3

_ORIGINAL = Path(__file__).parents[1] / "original.py"


def measure(nodes: int, seconds: float, calm: float) -> list[Row]:
    """Per node: CPU in percent of a core, resident memory with and without the guard, bytes per second on loopback.

    The clusters get `calm` seconds for their election before that is measured. The bytes are all that passes on
    loopback: run this in a network namespace of its own (`unshare -n`, `ip link set lo up`) where others use it too.
    """
    with Cluster(nodes, scripts={"elected": 'echo "$LES_NAME elected" >"$BELL"'}) as cluster:
        for name in cluster.nodes:
            cluster.start(name)
        cluster.bell.wait(r"\S+ elected")
        time.sleep(calm)
        daemons = [daemon.pid for daemon in cluster.daemons.values()]
        guards = [_guard_of(pid) for pid in daemons]
        sent_before = _loopback_bytes()
        time.sleep(calm)
        sent = (_loopback_bytes() - sent_before) / calm / nodes
        originals = _Originals(nodes, calm) if nodes == _BESIDE_ORIGINALS else None
        cpu_before, began = [cpu_seconds(pid) for pid in daemons], time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        cpu = [100 * (cpu_seconds(pid) - used) / passed for pid, used in zip(daemons, cpu_before, strict=True)]
        rows = [
            Row("CPU of a node", "% of a core", cpu),
            Row("memory of a node (RSS)", "MiB", [_rss_mib(pid) for pid in daemons]),
            Row("  with its guard", "MiB", [_rss_mib(a) + _rss_mib(b) for a, b in zip(daemons, guards, strict=True)]),
        ]
        rows.append(Row("bytes sent by a node", "bytes/s", [sent]))
        if originals is not None:
            rows.append(Row("CPU of the original's stand-in, same run", "% of a core", originals.end(passed)))
    return rows


class _Originals:
    """Three stand-ins of the original at its own pace."""

    def __init__(self, count: int, calm: float) -> None:
        ports = free_ports(count)
        seeds = ",".join(f"127.0.0.1:{port}" for port in ports)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-P", str(_ORIGINAL), *_flags(port), "--seeds", seeds],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for port in ports
        ]
        time.sleep(calm)
        self._before = [cpu_seconds(process.pid) for process in self._processes]

    def end(self, passed: float) -> list[float]:
        """CPU percent of each since the start."""
        used = [cpu_seconds(process.pid) for process in self._processes]
        for process in self._processes:
            process.kill()
            process.wait()
        return [100 * (after - before) / passed for after, before in zip(used, self._before, strict=True)]


def _flags(port: int) -> list[str]:
    place = ["--bind-port", str(port), "--bind-interface", "127.0.0.1", "--advertise-addr", f"127.0.0.1:{port}"]
    return [*place, "--loop-rate", "5"]


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used; the scheduler's own count is finer than the ticks of its `stat`."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _guard_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0])


def _loopback_bytes() -> int:
    """Everything on loopback: in a network namespace of its own that is the cluster alone."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[8])
    return 0
