"""A network namespace for one test: a thread is in it, and it is gone with the thread."""

import asyncio
import contextlib
import ctypes
import functools
import inspect
import json
import os
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ParamSpec

from tests.needs import need_netns

__all__ = ["addresses", "batch", "drop_capabilities", "far_host", "in_namespace", "ip"]

P = ParamSpec("P")

_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> str:
    """Run `ip` where the calling thread is."""
    done = subprocess.run(("ip", *words), capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@contextlib.contextmanager
def far_host() -> Iterator[str]:
    """Make `far0` a host of its own, in a namespace with this name."""
    name = f"les-far-{os.getpid()}-{threading.get_native_id()}"
    ip("netns", "add", name)
    try:
        ip("link", "set", "far0", "netns", name)
        ip("-n", name, "link", "set", "far0", "up")
        yield name
    finally:
        ip("netns", "del", name)


def batch(lines: str) -> None:
    """Have one `ip` do all of that."""
    subprocess.run(("ip", "-batch", "-"), input=lines, text=True, check=True, timeout=20)


def addresses(device: str = "eth0") -> dict[str, dict[str, Any]]:
    """What `ip` says of the addresses of an interface, the link's own of IPv6 left out."""
    (shown,) = json.loads(ip("-j", "-d", "addr", "show", "dev", device))
    return {each["local"]: each for each in shown["addr_info"] if each["scope"] != "link"}


def drop_capabilities() -> None:
    """Let the calling thread do no more than anybody."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def in_namespace(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test in a namespace with `eth0`, whose other end is `far0`; no task may be left."""

    async def body(*args: P.args, **kwargs: P.kwargs) -> None:
        await test(*args, **kwargs)
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        need_netns()
        failed: list[BaseException] = []

        def inside() -> None:
            try:
                if _libc.unshare(_CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                ip("link", "set", "lo", "up")
                ip("link", "add", "eth0", "type", "veth", "peer", "far0")
                ip("link", "set", "eth0", "up")
                ip("link", "set", "far0", "up")
                asyncio.run(body(*args, **kwargs))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # which inspect looks for
    del run.__wrapped__
    return run
