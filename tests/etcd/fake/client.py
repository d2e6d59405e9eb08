"""A Store for one node: requests and watches that take their time, and what befalls them on the way."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any, Self, TypeVar

from les_plugins.etcd.store import (
    Batch,
    Granted,
    Kept,
    Life,
    Range,
    Ranged,
    RefusedError,
    StoreError,
    Transacted,
    Transaction,
    UnreachableError,
)
from tests.etcd.fake.server import Deposed, Etcd, Later, Watcher

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """What one node has of an etcd, and may be used from a loop of that node's own; a call gets `attempt` seconds.

    Each call is tried so many `tries`. What is on its way arrives, though nobody waits for the answer any more.
    `requests` counts tries, by the name of the call. What befalls a client, all settable at any time:

    `cut`           nothing gets through, without an error; watches tell what they missed once it is over
    `deaf`          watches are silent in the same way, calls work
    `lost_answers`  calls have their effect, and no answer
    `delay`         called for the seconds that each way of a call, and each word of a watch, takes
    `stale`         leases are asked of the leader that was deposed last: what has gone since is alive there
    """

    def __init__(self, etcd: Etcd, name: str, *, attempt: float = 1.0, tries: int = 1) -> None:
        self.etcd = etcd
        self.name = name
        self.attempt = attempt
        self.tries = tries
        self.requests: Counter[str] = Counter()
        self.lost_answers = False
        self.stale = False
        self.delay: Callable[[], float] = float
        self._cut = False
        self._deaf = False
        self.refusal = ""
        self._streams: dict[_Stream, None] = {}

    # -- what befalls it -----------------------------------------------------------------------------------------------

    @property
    def cut(self) -> bool:
        """Whether nothing gets through."""
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        self._cut = cut
        self._flush()

    @property
    def deaf(self) -> bool:
        """Whether watches are silent."""
        return self._deaf

    @deaf.setter
    def deaf(self, deaf: bool) -> None:
        self._deaf = deaf
        self._flush()

    def refuse(self, why: str) -> None:
        """Answer each call with a no, until `why` is empty; watches that stand are left alone, and leases renewed.

        The last is as etcd does it: who knows a lease may renew it, with any name or none.
        """
        self.refusal = why

    def break_watches(self) -> None:
        """Have the connections of all watches break."""
        for stream in list(self._streams):
            stream.end(UnreachableError(f"{self.name}: the connection was lost"))

    def _flush(self) -> None:
        if not self._cut and not self._deaf:
            for stream in list(self._streams):
                stream.flush()

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def grant(self, ttl: int) -> Granted:
        """Make a lease."""
        return await self._ask("grant", lambda: self.etcd.grant(ttl))

    async def keep_alive(self, lease: int) -> Kept:
        """Renew a lease."""
        return await self._ask("keep_alive", lambda: self.etcd.keep_alive(lease, self._deposed))

    async def revoke(self, lease: int) -> None:
        """End a lease."""
        return await self._ask("revoke", lambda: self.etcd.revoke(lease))

    async def time_to_live(self, lease: int) -> Life:
        """Tell how long a lease lasts."""
        return await self._ask("time_to_live", lambda: self.etcd.time_to_live(lease, self._deposed))

    async def range(self, asked: Range) -> Ranged:
        """Read."""
        return await self._ask("range", lambda: self.etcd.range(asked))

    async def transact(self, transaction: Transaction) -> Transacted:
        """Do all of it at one revision."""
        return await self._ask("transact", lambda: self.etcd.transact(transaction))

    @property
    def _deposed(self) -> Deposed | None:
        return self.etcd.deposed if self.stale else None

    async def _ask(self, kind: str, serve: Callable[[], T]) -> T:
        for _ in repeat(None, self.tries):
            self.requests[kind] += 1
            answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            guarded = kind != "keep_alive"
            self.etcd.loop.call_later(self.delay(), self._arrive, serve, answer, guarded)
            try:
                async with asyncio.timeout(self.attempt):
                    return await answer
            except TimeoutError:
                continue
        raise UnreachableError(f"{self.name}: no answer in {self.attempt:g} s")

    def _arrive(self, serve: Callable[[], Any], answer: "asyncio.Future[Any]", guarded: bool) -> None:
        """Serve a request, and send the answer on its way; `guarded` is one that can be refused."""
        if self._cut or self.etcd.lame:
            return
        result: Any
        try:
            result = RefusedError(self.refusal) if self.refusal and guarded else serve()
        except Later as later:
            self.etcd.loop.call_later(later.seconds, self._arrive, serve, answer, guarded)
            return
        except StoreError as error:
            result = error
        if not self.lost_answers:
            self.etcd.loop.call_later(self.delay(), self._answer, answer, result)

    def _answer(self, answer: "asyncio.Future[Any]", result: object) -> None:
        if self._cut or answer.done():
            return
        if isinstance(result, StoreError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    # -- watches -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def watch(self, prefix: str, revision: int) -> AsyncIterator[AsyncIterator[Batch]]:
        """Tell every change of keys that begin with `prefix`, from that revision on."""
        self.requests["watch"] += 1
        stream = _Stream(self, prefix, revision)
        self._streams[stream] = None
        try:
            yield stream
        finally:
            self.forget(stream)

    def forget(self, stream: "_Stream") -> None:
        """Have a watch told nothing more."""
        stream.ended = True
        self._streams.pop(stream, None)
        self.etcd.unwatch(stream.watcher)

    def status(self) -> Sequence[Mapping[str, object]]:
        """How the endpoint does."""
        return [{"endpoint": self.name, "used": True, "failing_since": None, "error": None, "version": None}]

    async def close(self) -> None:
        """End all watches."""
        self.break_watches()


class _Stream:
    """A watch on its way to a client: what was sent, what has arrived, and what is held up in between."""

    def __init__(self, client: Client, prefix: str, revision: int) -> None:
        self.client = client
        self.watcher = Watcher(prefix, revision, self._send)
        self.ended = False
        self._sent: deque[Batch | StoreError] = deque()
        self._held: deque[Batch | StoreError] = deque()
        self._heard: asyncio.Queue[Batch | StoreError] = asyncio.Queue()
        self._last = 0.0
        self._limit = asyncio.get_running_loop().time() + client.attempt
        self._answered = False
        client.etcd.loop.call_later(client.delay(), self._open)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        """What arrives next; the first word must come in time, as the answer to any call.

        Who gives up waiting may wait again.
        """
        try:
            async with asyncio.timeout_at(None if self._answered else self._limit):
                told = await self._heard.get()
        except TimeoutError:
            raise UnreachableError(f"{self.client.name}: no watch in {self.client.attempt:g} s") from None
        self._answered = True
        if isinstance(told, StoreError):
            raise told
        return told

    def end(self, why: StoreError) -> None:
        """Break it; what has not arrived never does."""
        self.client.forget(self)
        self._heard.put_nowait(why)

    def flush(self) -> None:
        """Let arrive what was held up."""
        while self._held:
            self._heard.put_nowait(self._held.popleft())

    def _open(self) -> None:
        if self.client.cut or self.client.etcd.lame or self.ended:
            return
        if self.client.refusal:
            self.end(RefusedError(self.client.refusal))
            return
        self.client.etcd.watch(self.watcher)

    def _send(self, told: Batch | StoreError) -> None:
        """Have it arrive, and never before what was sent earlier."""
        loop = self.client.etcd.loop
        self._last = max(self._last, loop.time() + self.client.delay())
        self._sent.append(told)
        loop.call_at(self._last, self._arrive)

    def _arrive(self) -> None:
        told = self._sent.popleft()
        if self.ended:
            return
        self._held.append(told)
        if not self.client.cut and not self.client.deaf:
            self.flush()
