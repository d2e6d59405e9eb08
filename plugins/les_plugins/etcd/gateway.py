"""The client of etcd's gRPC gateway: `store` over HTTP. For the backend and the cleanup of this plugin."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Self

from les_plugins.etcd import answers, requests
from les_plugins.etcd.calls import Calls
from les_plugins.etcd.endpoints import Endpoints
from les_plugins.etcd.faults import EndpointError, EtcdError
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import (
    Batch,
    Granted,
    Kept,
    LeaseGoneError,
    Life,
    Range,
    Ranged,
    Transacted,
    Transaction,
    UnreachableError,
)
from les_plugins.etcd.transport import Stream, Traffic, Transport
from les_plugins.etcd.watching import Watching

__all__ = ["Gateway"]


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Gateway:
    """etcd, as `store.Store` has it.

    An endpoint has `attempt` seconds to answer, so that a call takes that for each endpoint at the most. Where one does
    not answer, the next one is asked the same: what was asked may then have its effect twice, and a transaction that
    tells that its comparisons do not hold may be one that did what it should a moment before.

    `clock` counts on while the host sleeps, `wall` is Unix time; both in seconds. Made anywhere, used in one loop.
    """

    def __init__(
        self,
        config: EtcdConfig,
        *,
        attempt: float,
        clock: Callable[[], float] = _boottime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._endpoints = Endpoints(config.endpoints, clock=clock, wall=wall)
        self._transport = Transport(config, attempt)
        self._calls = Calls(config, self._endpoints, self._transport, attempt)

    @property
    def traffic(self) -> Traffic:
        """What went over the wire so far."""
        return self._transport.traffic

    async def grant(self, ttl: int) -> Granted:
        """Make a lease of so many seconds."""
        return await self._calls.call("/v3/lease/grant", requests.write_grant(ttl), answers.read_granted)

    async def keep_alive(self, lease: int) -> Kept:
        """Renew a lease."""
        return await self._calls.call("/v3/lease/keepalive", requests.write_lease(lease), answers.read_kept)

    async def revoke(self, lease: int) -> None:
        """End a lease, and with it its keys; one that is gone already is no error."""
        try:
            await self._calls.call("/v3/lease/revoke", requests.write_lease(lease), answers.read_done)
        except LeaseGoneError:
            return

    async def time_to_live(self, lease: int) -> Life:
        """Tell how long a lease lasts unless it is renewed."""
        return await self._calls.call("/v3/lease/timetolive", requests.write_lease(lease), answers.read_life)

    async def range(self, asked: Range) -> Ranged:
        """Read through the quorum."""
        body = requests.write_range(asked)
        return await self._calls.call("/v3/kv/range", body, lambda answer: answers.read_ranged(answer, asked))

    async def transact(self, transaction: Transaction) -> Transacted:
        """Do all of it at one revision. Raises LeaseGoneError where a Put names a lease that is gone."""
        body = requests.write_transaction(transaction)
        return await self._calls.call("/v3/kv/txn", body, lambda answer: answers.read_transacted(answer, transaction))

    def watch(self, prefix: str, revision: int) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Tell every change of keys that begin with `prefix`, from that revision on.

        It is opened when the first batch is waited for. Who gives up waiting may wait again, and misses nothing.
        """
        return _Watch(self._calls, self._endpoints, self._transport, prefix, revision)

    def status(self) -> Sequence[Mapping[str, object]]:
        """How each endpoint does, as plain JSON values."""
        return self._endpoints.status()

    async def learned(self) -> None:
        """Wait until `status` tells the version of each endpoint that has answered, if it tells it at all."""
        await self._calls.learned()

    async def close(self) -> None:
        """End what runs, and let connections go."""
        await self._calls.close()
        await self._transport.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A watch that stands, at an endpoint."""

    url: str
    stream: Stream
    watching: Watching
    first: Batch
    held: AsyncExitStack


class _Watch:
    """A watch: its batches, and what is to be closed after them."""

    def __init__(self, calls: Calls, endpoints: Endpoints, transport: Transport, prefix: str, revision: int) -> None:
        self._calls = calls
        self._endpoints = endpoints
        self._transport = transport
        self._prefix = prefix
        self._revision = revision
        self._opened: _Opened | None = None

    async def __aenter__(self) -> AsyncIterator[Batch]:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._opened is not None:
            await self._opened.held.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        if self._opened is None:
            self._opened = await self._calls.ask(self._open)
            return self._opened.first
        try:
            return self._opened.watching.read(await self._opened.stream.line())
        except EndpointError as error:
            self._endpoints.failed(self._opened.url, error.why)
            raise UnreachableError(f"{self._opened.url}: {error.why}") from None
        except EtcdError as error:
            raise self._calls.refused(self._opened.url, error) from None

    async def _open(self, url: str, token: str | None) -> _Opened:
        watching = Watching(self._prefix, self._revision)
        body = requests.write_watch(self._prefix, self._revision)
        async with AsyncExitStack() as stack:
            stream = await stack.enter_async_context(self._transport.stream(url, "/v3/watch", body, token))
            first = watching.read(await stream.line())
            self._calls.recognize(url, first.header)
            return _Opened(url=url, stream=stream, watching=watching, first=first, held=stack.pop_all())
