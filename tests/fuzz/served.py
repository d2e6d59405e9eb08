"""A server in a thread with a loop of its own, and blocking clients of it: so hypothesis may ask it many times."""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from queue import Queue
from typing import Final, TypeVar

__all__ = ["ask", "served"]

T = TypeVar("T")

_START_SECONDS: Final = 20.0
# Each connection comes from another address: one alone would soon be let in no more.
_sources: Final = itertools.count()


@contextlib.contextmanager
def served(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Serve what is made until the end of the block, which gets it."""
    ready: Queue[tuple[T, Callable[[], None]] | BaseException] = Queue()

    async def serve() -> None:
        end, loop = asyncio.Event(), asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(end.set)

        async with make() as made:
            ready.put((made, stop))
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    started = ready.get(timeout=_START_SECONDS)
    if isinstance(started, BaseException):
        raise started
    made, stop = started
    try:
        yield made
    finally:
        stop()
        thread.join()
    if not ready.empty() and isinstance(failed := ready.get(), BaseException):
        raise failed


def ask(where: tuple[str, int] | str, data: bytes, then: bytes = b"", seconds: float = 5.0) -> bytes:
    """All that is answered to these bytes, and to others when there is an answer, until the server hangs up.

    Raises TimeoutError.
    """
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    found = b""
    with socket.socket(family) as client:
        client.settimeout(seconds)
        if isinstance(where, tuple):
            number = next(_sources)
            client.bind((f"127.9.{number // 250 % 250}.{1 + number % 250}", 0))
        client.connect(where)
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
            if then:
                found = client.recv(65536)
                client.sendall(then)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := client.recv(65536):
                found += chunk
    return found
