"""Floods from a host of the network, for tests and the benchmark."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.network.lan import Host

__all__ = ["Flood", "flooding"]

_PROGRAM = Path(__file__).with_name("flooder.py")
_END_SECONDS = 10.0


class Flood:
    """One that is under way."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def report(self) -> dict[str, float]:
        """Wait for its end, and say what it did and what came of it; see the program."""
        out, _ = self._process.communicate(timeout=60)
        found: dict[str, float] = json.loads(out)
        return found


@contextlib.contextmanager
def flooding(
    source: Host, target: Host, seconds: float, *, connections: int = 5000, requests: int = 2000
) -> Iterator[Flood]:
    """Flood the node on `target` from `source`, so many a second; whatever is left of it ends with the block."""
    numbers = ["--connections", str(connections), "--requests", str(requests), "--seconds", str(seconds)]
    process = subprocess.Popen(
        [*source.inside, sys.executable, str(_PROGRAM), target.ip, "4000", *numbers],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        yield Flood(process)
    finally:
        process.kill()
        process.communicate(timeout=_END_SECONDS)
