"""One call: to each endpoint in turn, as often as it takes, each time for a bounded while. Private to `etcd`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from les_plugins.etcd import answers, requests
from les_plugins.etcd.auth import Login
from les_plugins.etcd.endpoints import Endpoints
from les_plugins.etcd.faults import Code, EndpointError, EtcdError
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import CompactedError, Header, LeaseGoneError, RefusedError, StoreError, UnreachableError
from les_plugins.etcd.transport import Transport

__all__ = ["Calls"]


class _Headed(Protocol):
    @property
    def header(self) -> Header: ...


_Answer = TypeVar("_Answer")
_HeadedAnswer = TypeVar("_HeadedAnswer", bound=_Headed)

_AUTHENTICATE: Final = "/v3/auth/authenticate"


class Calls:
    """Asks etcd; `attempt` is how many seconds an endpoint has."""

    def __init__(self, config: EtcdConfig, endpoints: Endpoints, transport: Transport, attempt: float) -> None:
        self._config = config
        self._endpoints = endpoints
        self._transport = transport
        self._attempt = attempt
        self._learning: dict[str, asyncio.Task[None]] = {}
        self._login = Login(config.username, config.password_file, self._authenticate)

    async def call(self, path: str, body: bytes, read: Callable[[bytes], _HeadedAnswer]) -> _HeadedAnswer:
        """Post the body, and read the answer."""

        async def send(url: str, token: str | None) -> _HeadedAnswer:
            answer = read(await self._transport.post(url, path, body, token))
            self.recognize(url, answer.header)
            return answer

        return await self.ask(send)

    def recognize(self, url: str, header: Header) -> None:
        """Raise EndpointError where it belongs to another etcd than the other endpoints do."""
        if not self._endpoints.belongs(url, header.cluster_id):
            raise EndpointError(
                f"belongs to another etcd (cluster {header.cluster_id:x}) than was asked so far: all endpoints must be "
                "of one; if etcd was made anew, restart this node"
            )

    async def ask(self, send: Callable[[str, str | None], Awaitable[_Answer]]) -> _Answer:
        """Have it sent to one endpoint after the other, with a token, until one answers. Raises StoreError."""
        failures = []
        for url in self._endpoints.turn():
            try:
                async with asyncio.timeout(self._attempt):
                    answer = await self._authorized(url, send)
            except TimeoutError:
                why = f"no answer within {self._attempt:.3g} s"
            except EndpointError as error:
                why = error.why
            except EtcdError as error:
                raise self.refused(url, error) from None
            except CompactedError:
                self._endpoints.worked(url)
                raise
            except StoreError as error:
                # Not its doing but that of our own user or files, which are the same for all of them.
                self._endpoints.failed(url, error.why)
                raise
            else:
                self._endpoints.worked(url)
                self._learn_version(url)
                return answer
            self._endpoints.failed(url, why)
            failures.append(f"{url}: {why}")
        raise UnreachableError("; ".join(failures))

    def refused(self, url: str, error: EtcdError) -> StoreError:
        """What to raise where etcd says no. The endpoint does well, unless it is about who asks."""
        match error.code:
            case Code.NOT_FOUND:
                self._endpoints.worked(url)
                return LeaseGoneError(f"{url}: {error.words}")
            case Code.PERMISSION_DENIED:
                who = "who shows no user" if self._config.username is None else f"user {self._config.username!r}"
                why = f"{who} may not read and write all keys under {self._config.prefix!r} ({error.words})"
            case _ if error.wants_token and self._config.username is None:
                why = f"it asks for a user ({error.words}): set username and password_file"
            case _:
                why = error.words
        self._endpoints.failed(url, why)
        return RefusedError(f"{url}: {why}")

    async def learned(self) -> None:
        """Wait until nothing more is asked beside the calls; it is bounded."""
        await asyncio.gather(*self._learning.values(), return_exceptions=True)

    async def close(self) -> None:
        """End what runs by itself."""
        await self._login.close()
        for task in self._learning.values():
            task.cancel()
        await asyncio.gather(*self._learning.values(), return_exceptions=True)

    def _learn_version(self, url: str) -> None:
        """Ask once for each time that it has come back, apart from the call that found it so."""
        if self._endpoints.version(url) is None and url not in self._learning:
            self._learning[url] = task = asyncio.create_task(self._ask_version(url))
            task.add_done_callback(lambda _: self._learning.pop(url))

    async def _ask_version(self, url: str) -> None:
        version = ""
        with contextlib.suppress(EndpointError, EtcdError, StoreError, TimeoutError):
            async with asyncio.timeout(self._attempt):
                version = answers.read_version(await self._transport.get(url, "/version"))
        self._endpoints.told_version(url, version)

    async def _authorized(self, url: str, send: Callable[[str, str | None], Awaitable[_Answer]]) -> _Answer:
        token = await self._login.token(url)
        try:
            return await send(url, token)
        except EtcdError as error:
            if not error.wants_token:
                raise
            self._login.spent(token)
            fresh = await self._login.token(url)
            if fresh == token:
                raise
        return await send(url, fresh)

    async def _authenticate(self, url: str, user: str, password: str) -> str:
        body = requests.write_authenticate(user, password)
        return answers.read_token(await self._transport.post(url, _AUTHENTICATE, body, None))
