"""The token that etcd gives for user and password. Private to `etcd`."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from les_hooks.security import MOST_BYTES, read_private
from les_plugins.etcd.faults import EtcdError
from les_plugins.etcd.store import RefusedError, StoreError
from les_plugins.lookup import os_words

__all__ = ["Login"]

Authenticate = Callable[[str, str, str], Awaitable[str]]
"""From an endpoint, a user and a password to a token."""

# etcd takes a tenth of a second of its processor for each password, and all nodes may come at once.
_LIMIT_SECONDS: Final = 10.0
# So a node whose password is wrong does not have etcd do that several times a second.
_REFUSED_SECONDS: Final = 5.0


class Login:
    """One token for all endpoints, as etcd's servers tell each other of them; None where there are no users.

    A new one is had apart from who waits for it: calls give up sooner than a server needs that has to look at the
    passwords of many nodes, and if that ended with them, no node would ever get in.
    """

    def __init__(self, user: str | None, password_file: Path | None, authenticate: Authenticate) -> None:
        self._user = user
        self._password_file = password_file
        self._authenticate = authenticate
        self._token: str | None = None
        self._known = user is None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._refused: tuple[str, float, str] = ("", -math.inf, "")

    async def token(self, url: str) -> str | None:
        """The token, from this endpoint if there is none yet.

        Raises RefusedError where user and password are of no use, else what asking an endpoint raises.
        """
        while not self._known:
            if url not in self._running:
                task = self._running[url] = asyncio.create_task(self._ask(url))
                task.add_done_callback(lambda task: self._ended(url, task))
            await asyncio.shield(self._running[url])
        return self._token

    def spent(self, token: str | None) -> None:
        """etcd does not take this one, any more."""
        if self._user is not None and token == self._token:
            self._known = False

    async def close(self) -> None:
        """End what runs."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, url: str, task: "asyncio.Task[None]") -> None:
        self._running.pop(url, None)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more

    async def _ask(self, url: str) -> None:
        assert self._user is not None
        async with asyncio.timeout(_LIMIT_SECONDS):
            password = await self._password()
            refused, until, why = self._refused
            if password == refused and asyncio.get_running_loop().time() < until:
                raise RefusedError(why)
            try:
                self._token = await self._authenticate(url, self._user, password)
            except EtcdError as error:
                if error.wrong_password:
                    why = f"{url}: wrong user or password ({self._user!r} is not let in)"
                    self._refused = password, asyncio.get_running_loop().time() + _REFUSED_SECONDS, why
                    raise RefusedError(why) from None
                if not error.wants_no_token:
                    raise
                self._token = None
            self._known = True

    async def _password(self) -> str:
        """Read at each turn, so that a new password counts at once."""
        assert self._password_file is not None
        try:
            data = await asyncio.to_thread(read_private, self._password_file)
            password = data.decode().rstrip("\r\n")
        except OSError as error:
            raise StoreError(f"password_file {self._password_file} cannot be read: {os_words(error)}") from None
        except UnicodeDecodeError:
            raise StoreError(f"password_file {self._password_file} is no text in UTF-8") from None
        if not password or len(data) > MOST_BYTES:
            raise StoreError(
                f"password_file {self._password_file} is empty, no file, or longer than {MOST_BYTES} bytes"
            )
        return password
