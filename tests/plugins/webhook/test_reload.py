"""What a reload leaves behind: contexts come and go faster than their work ends, and events are told to any of them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from les_hooks import EventKind
from les_plugins import webhook
from les_plugins.webhook.settings import Endpoint, WebhookConfig
from tests.fake_context import FakeContext, an_event
from tests.plugins.webhook.receivers import Receiver


def a_context(folder: Path, *names: str, url: str) -> FakeContext:
    """A context with these endpoints."""
    endpoints = tuple(Endpoint(name=name, url=f"{url}/{name}", allow_http=True) for name in names)
    return FakeContext(name="webhook", config=WebhookConfig(endpoints=endpoints), state_dir=folder)


@asynccontextmanager
async def running(ctx: FakeContext) -> AsyncIterator[None]:
    """The plugin's work, until the daemon ends it."""
    work = asyncio.create_task(webhook.while_running(ctx))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait({work})
        assert work.cancelled()


async def posted(receiver: Receiver, *paths: str) -> None:
    """Wait for exactly these."""
    async with asyncio.timeout(10):
        while len(receiver.posted) < len(paths):
            await asyncio.sleep(0.01)
    assert [each.path for each in receiver.posted] == list(paths)
    receiver.posted.clear()


def threads() -> int:
    """How many outboxes are open."""
    return sum(thread.name == "webhook-outbox" for thread in threading.enumerate())


async def test_contexts_that_are_replaced_before_they_post_leave_no_thread_and_lose_no_event(tmp_path: Path) -> None:
    before, receiver = threads(), Receiver()
    async with receiver.serving() as url:
        for number in range(1, 4):
            event = an_event(EventKind.STARTED, id=f"n-{number}", seq=number)
            await webhook.on_started(event, a_context(tmp_path, "hook", url=url))
        assert threads() == before + 3
        async with running(a_context(tmp_path, "hook", url=url)):
            await posted(receiver, "/hook", "/hook", "/hook")
            assert threads() == before + 1
    assert threads() == before


async def test_what_a_replaced_context_is_told_is_written_by_the_one_that_came_after(tmp_path: Path) -> None:
    before, receiver = threads(), Receiver()
    async with receiver.serving() as url:
        old, new = a_context(tmp_path, "old", url=url), a_context(tmp_path, "new", url=url)
        async with running(old):
            await webhook.on_started(an_event(EventKind.STARTED, id="n-1", seq=1), old)
            await posted(receiver, "/old")
        async with running(new):
            await webhook.on_stopping(an_event(EventKind.STOPPING, id="n-9", seq=9), new)
            await posted(receiver, "/new")
            # A hook of before the reload took that long.
            await webhook.on_started(an_event(EventKind.STARTED, id="n-2", seq=2), old)
            await posted(receiver, "/new")
            assert threads() == before + 1
    assert threads() == before


async def test_what_is_told_between_two_that_post_is_posted_by_the_second(tmp_path: Path) -> None:
    before, receiver = threads(), Receiver()
    async with receiver.serving() as url:
        old, new = a_context(tmp_path, "hook", url=url), a_context(tmp_path, "hook", url=url)
        async with running(old):
            await asyncio.sleep(0)
        for seq in (1, 2):
            await webhook.on_started(an_event(EventKind.STARTED, id=f"n-{seq}", seq=seq), old)
        async with running(new):
            await posted(receiver, "/hook", "/hook")
    assert threads() == before


async def test_another_node_of_the_process_has_its_own(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.serving() as url:
        nodes = [a_context(tmp_path / name, name, url=url) for name in ("a", "b")]
        for node in nodes:
            node.state_dir.mkdir()
        async with running(nodes[0]), running(nodes[1]):
            await webhook.on_started(an_event(EventKind.STARTED, id="n-1", seq=1), nodes[0])
            await posted(receiver, "/a")
            await webhook.on_started(an_event(EventKind.STARTED, id="m-1", seq=1), nodes[1])
            await posted(receiver, "/b")
