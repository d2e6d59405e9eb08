"""A process with nothing but the plugin: it writes many events, posts them, and is killed. Run by `test_flood`.

`python -m tests.plugins.webhook.flooded FOLDER URL FIRST LAST` prints, again and again, the number of the last event
that is on the disk and the MiB by which its memory has grown.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from les_plugins.webhook.posting import make_poster
from les_plugins.webhook.service import Service
from les_plugins.webhook.settings import Endpoint, WebhookConfig
from tests.fake_context import FakeContext, an_event

__all__ = ["rss_mib"]

_AT_ONCE = 1000


def rss_mib() -> float:
    """The memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(folder: Path, url: str, first: int, last: int) -> None:
    """Until it is told to end."""
    endpoint = Endpoint(name="half", url=url, allow_http=True, retry=(0.0, 0.001))
    config = WebhookConfig(endpoints=(endpoint,), max_rows=20_000)
    service = Service(FakeContext(name="webhook", config=config, state_dir=folder), make_poster)
    running = asyncio.create_task(service.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    before = rss_mib()
    for number in range(first, last + 1, _AT_ONCE):
        lot = range(number, min(number + _AT_ONCE, last + 1))
        await asyncio.gather(*(service.written(an_event(id=f"n1-1-{seq}", seq=seq, term=seq)) for seq in lot))
        print(lot[-1], rss_mib() - before, flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    print(last, rss_mib() - before, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
