"""A daemon that tells its plugins of many events, as fast as they take them, and is killed. Run by `test_flood`.

`python -m tests.plugins.webhook.flooded LES_TOML FIRST LAST` prints lines of the word `told`, the number of the last
event that all hooks have taken, and the MiB by which its memory has grown.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from les_hooks import EventKind, Node, Reason, load_config
from tests.fake_context import an_event

__all__ = ["rss_mib"]

# As many as a lane takes.
_AT_ONCE = 1000
_PATIENCE_SECONDS = 60.0


def rss_mib() -> float:
    """The memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(path: str, first: int, last: int) -> None:
    """Until it is told to end."""
    told_to_end = asyncio.Event()
    async with Node(load_config(path)) as node:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
        await node.wait_elected()
        await node.dispatcher.drained(_PATIENCE_SECONDS)
        before = rss_mib()
        for number in range(first, last + 1, _AT_ONCE):
            lot = range(number, min(number + _AT_ONCE, last + 1))
            for seq in lot:
                fact = {"id": f"n1-1-{seq}", "seq": seq, "member": f"m:{seq}", "reason": Reason.JOINED}
                node.dispatcher.submit(an_event(EventKind.MEMBER_JOINED, **fact))
            await node.dispatcher.drained(_PATIENCE_SECONDS)
            print("told", lot[-1], rss_mib() - before, flush=True)
        await told_to_end.wait()
        print("told", last, rss_mib() - before, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
