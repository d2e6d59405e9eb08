"""The outbox of webhooks: how fast events are written and posted, and what a hook call waits for."""

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from les_hooks import Event
from les_plugins.webhook.posting import make_poster
from les_plugins.webhook.service import Service
from les_plugins.webhook.settings import Endpoint, WebhookConfig
from tests.bench.table import Row
from tests.fake_context import FakeContext, an_event
from tests.plugins.webhook.flooded import rss_mib

__all__ = ["measure"]

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
_CALLS = 200


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            length = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(_NO_CONTENT)
    writer.close()


async def measure(events: int) -> list[Row]:
    """Write events one by one as hooks do, then many at once, and post all of them. The receiver shares the process."""
    server = await asyncio.start_server(_take, "127.0.0.1", 0)
    endpoint = Endpoint(name="hook", url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", allow_http=True)
    config = WebhookConfig(endpoints=(endpoint,), max_rows=max(100, 2 * events + _CALLS))
    with tempfile.TemporaryDirectory(prefix="les-bench-") as folder:
        service = Service(FakeContext(name="webhook", config=config, state_dir=Path(folder)), make_poster)
        calls = [await _seconds(partial(service.tell, _event(number))) for number in range(_CALLS)]
        before = rss_mib()
        lot = range(_CALLS, _CALLS + events)
        burst = await _seconds(lambda: asyncio.gather(*(service.written(_event(number)) for number in lot)))
        began = time.monotonic()
        running = asyncio.create_task(service.run())
        while service.endpoints()[0]["queued"]:
            await asyncio.sleep(0.01)
        posting = time.monotonic() - began
        grown = rss_mib() - before
        running.cancel()
        await asyncio.wait({running})
    server.close()
    return [
        Row("a hook call: one event on the disk", "ms", [1000 * seconds for seconds in calls]),
        Row("events written, many at once", "/s", [events / burst]),
        Row("events posted to a receiver that always takes them", "/s", [(events + _CALLS) / posting]),
        Row("memory grown", "MiB", [grown]),
    ]


def _event(number: int) -> Event:
    return an_event(id=f"n-{number}", seq=number, term=number)


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began
