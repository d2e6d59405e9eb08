"""What proving costs: the same cluster open, with a secret, and with TLS, side by side in one run."""

import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from typing import Final

from les_hooks import wire
from les_hooks.election.frames import Beat
from les_hooks.security import Dialed, Listened, Seal, new_secret, write_secrets
from les_hooks.security.secret import Secrets
from tests.bench.cluster import Cluster
from tests.bench.rest import cpu_seconds
from tests.bench.table import Row
from tests.bench.takeover import SCRIPTS, begin, kill, repeat, terminate
from tests.security.files import TestAuthority

__all__ = ["measure"]

_CALM_SECONDS: Final = 6.0
_PROOFS: Final = 20_000
_ROUNDS: Final = 9
_TELL_BYTES: Final = 700
"""About what a node of three tells."""


def measure(runs: int, seconds: float) -> list[Row]:
    """`runs` take-overs of each kind and mode in turns, then `seconds` at rest, and the cost of a frame's proof."""
    with contextlib.ExitStack() as close:
        clusters = {mode: close.enter_context(cluster) for mode, cluster in _clusters()}
        return [*_takeovers(clusters, runs), *_rest(clusters, seconds), *_proofs()]


def _clusters() -> Iterator[tuple[str, Cluster]]:
    for mode in ("open", "secret", "TLS", "both"):
        cluster = Cluster(3, scripts=SCRIPTS)
        text = ""
        if mode in ("secret", "both"):
            write_secrets(cluster.folder / "secret", Secrets(accepted=(new_secret(),)))
            text += f'secret_file = "{cluster.folder}/secret"\n'
        if mode in ("TLS", "both"):
            files = TestAuthority(cluster.folder).issue("node", "127.0.0.1")
            text += f'[security.tls]\nca_file = "{files.ca}"\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
        for name in cluster.nodes:
            file = cluster.folder / name / "les.toml"
            file.write_text(f"{file.read_text()}[security]\n{text}")
        yield mode, cluster


def _takeovers(clusters: dict[str, Cluster], runs: int) -> list[Row]:
    leading = {mode: begin(cluster) for mode, cluster in clusters.items()}
    rows = []
    for what, strike in (("SIGKILL", kill), ("SIGTERM", terminate)):
        found: dict[str, list[float]] = {mode: [] for mode in clusters}
        for _ in range(runs):
            for mode, cluster in clusters.items():
                times, leading[mode] = repeat(cluster, leading[mode], 1, strike)
                found[mode].append(times[0][0])
        rows += [Row(f"{what}: to the successor's script, {mode}", "ms", values) for mode, values in found.items()]
        rows += _ratios(what, found)
    return rows


def _rest(clusters: dict[str, Cluster], seconds: float) -> list[Row]:
    time.sleep(_CALM_SECONDS)
    daemons = {mode: [daemon.pid for daemon in cluster.daemons.values()] for mode, cluster in clusters.items()}
    before = {mode: [cpu_seconds(pid) for pid in pids] for mode, pids in daemons.items()}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    found = {
        mode: [100 * (cpu_seconds(pid) - used) / passed for pid, used in zip(pids, before[mode], strict=True)]
        for mode, pids in daemons.items()
    }
    rows = [Row(f"CPU of a node at rest, {mode}", "% of a core", values) for mode, values in found.items()]
    return rows + _ratios("CPU at rest", found)


def _ratios(what: str, found: dict[str, list[float]]) -> list[Row]:
    first = statistics.median(found["open"])
    return [
        Row(f"{what}: {mode} / open", "x", [statistics.median(values) / first])
        for mode, values in found.items()
        if mode != "open"
    ]


def _proofs() -> list[Row]:
    beat, tell = wire.encode(Beat(seq=1000, ack=1000)), os.urandom(_TELL_BYTES)
    return [
        Row(f"proof of a frame of {len(frame)} bytes, sealed and opened", "us", [_proof(frame) for _ in range(_ROUNDS)])
        for frame in (beat, tell)
    ]


def _proof(frame: bytes) -> float:
    """Microseconds for both ends together."""
    outer, inner = _link()
    began = time.perf_counter()
    for _ in range(_PROOFS):
        inner.open(outer.seal(frame))
    return (time.perf_counter() - began) / _PROOFS * 1e6


def _link() -> tuple[Seal, Seal]:
    secret = new_secret()
    listened = Listened((secret,), bytes(32))
    first, outer = Dialed(secret, bytes(range(32))).answer(listened.challenge, b"hello")
    return outer, listened.take(first)[1]
