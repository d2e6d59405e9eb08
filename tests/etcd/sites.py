"""Where a story about a Store can take place: on the etcd in memory, or on a real one.

    @held_to
    async def test_a_put_is_found(site: Site) -> None: ...

The story is told once at each place, with time of its own: in memory it costs none. Its module has a fixture `server`,
the real one.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from les_plugins.etcd.gateway import Gateway
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Store
from tests.etcd.fake import Client, Etcd
from tests.etcd.server import Server
from tests.virtual import VirtualLoop

__all__ = ["Site", "held_to"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Two stores on one etcd, of which nobody else uses the keys under `prefix`; `compact` takes what is older."""

    one: Store
    other: Store
    prefix: str
    compact: Callable[[int], Coroutine[Any, Any, None]]


Opened = AbstractAsyncContextManager[Site]


@asynccontextmanager
async def _in_memory(_: pytest.FixtureRequest) -> AsyncIterator[Site]:
    etcd = Etcd(asyncio.get_running_loop().time, Random(1))

    async def compact(revision: int) -> None:
        etcd.compact(revision)

    yield Site(one=Client(etcd, "one"), other=Client(etcd, "other"), prefix="/les/", compact=compact)


@asynccontextmanager
async def _real(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    server: Server = request.getfixturevalue("server")
    config = EtcdConfig(endpoints=(server.url,))
    one, other = (Gateway(config, attempt=5.0) for _ in range(2))

    async def compact(revision: int) -> None:
        await asyncio.to_thread(server.ctl, "compaction", "--physical", str(revision))

    try:
        yield Site(one=one, other=other, prefix=f"/{request.node.name}/", compact=compact)
    finally:
        await one.close()
        await other.close()


_SITES: dict[str, tuple[Callable[[pytest.FixtureRequest], Opened], Callable[[], asyncio.AbstractEventLoop]]] = {
    "memory": (_in_memory, VirtualLoop),
    "etcd": (_real, asyncio.new_event_loop),
}


def held_to(story: Callable[[Site], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Tell the story at each site; no task may be left when it ends."""

    @functools.wraps(story)
    def run(request: pytest.FixtureRequest, where: str) -> None:
        opening, make_loop = _SITES[where]

        async def body() -> None:
            async with opening(request) as site:
                await story(site)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(body())

    # pytest is to see the arguments of this, and must not take it for an asynchronous test.
    del run.__wrapped__
    run.__signature__ = inspect.signature(run)  # type: ignore[attr-defined]
    parametrized: Callable[..., None] = pytest.mark.parametrize("where", sorted(_SITES))(run)
    return parametrized
