"""A real node with its listener that tells a storm of events when it is sent SIGUSR1: `python -m tests.http.feeder`.

Its arguments: the file of the configuration, events a second, seconds. It prints one line of JSON when the storm is
over: how many events it told, and how late the loop was at worst, in seconds.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from les_hooks import Node, load_config, serve_control, serve_http
from tests.http.lone import event

_LOOK_SECONDS = 0.01
FIRST = 1_000_000


async def main(config: Path, rate: int, seconds: float) -> None:
    """Run until SIGTERM."""
    loop = asyncio.get_running_loop()
    begin, end = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, begin.set)
    loop.add_signal_handler(signal.SIGTERM, end.set)
    async with Node(load_config(config)) as node, serve_control(node), serve_http(node):
        storm = asyncio.create_task(_storm(node, begin, rate, seconds))
        await end.wait()
        storm.cancel()


async def _storm(node: Node, begin: asyncio.Event, rate: int, seconds: float) -> None:
    await begin.wait()
    start, told, worst = time.monotonic(), 0, 0.0
    while told < rate * seconds:
        before = time.monotonic()
        await asyncio.sleep(_LOOK_SECONDS)
        worst = max(worst, time.monotonic() - before - _LOOK_SECONDS)
        due = min(rate * seconds, (time.monotonic() - start) * rate)
        while told < due:
            node.story.tell(event(FIRST + told))
            told += 1
    print(json.dumps({"told": told, "took": time.monotonic() - start, "worst": worst}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
