"""Calling one hook of one plugin: awaited or in a thread, with a deadline, and whatever it raises kept in.

pluggy calls synchronously and stops at the first exception; here each call stands alone. Imported by `dispatch` only.
"""

import asyncio
import contextlib
import inspect
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from les_hooks.plugins import Implementation

__all__ = ["CallOutcome", "CallResult", "Caller"]

# What an ended call gets to wind up: ending a process group takes up to 5 s from TERM to KILL, and a moment to reap.
_WIND_UP_SECONDS = 8.0

# A thread cannot be stopped. A demotion waits this long for one, and a plugin gets no more of them than this at once.
_THREAD_GRACE_SECONDS = 5.0
_MOST_STRAY_THREADS = 3


class CallOutcome(StrEnum):
    """How a hook call ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a hook call ended, after how many seconds; `value` is what it returned, `error` what it raised, in words."""

    outcome: CallOutcome
    seconds: float
    value: object = None
    error: str = ""


class Caller:
    """Calls hooks; `clock` gives seconds, to tell how long each took."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._threads: Counter[str] = Counter()

    async def call(self, implementation: Implementation, arguments: dict[str, object], timeout: float) -> CallResult:
        """Call the hook and wait for it, at most `timeout` seconds; never raises.

        When the task that waits here is cancelled, the hook is ended and the result says `superseded`.
        """
        begun = self._clock()
        work = asyncio.ensure_future(self._guarded(implementation, arguments))
        outcome, error, value = CallOutcome.SUCCESS, "", None
        try:
            done, _ = await asyncio.wait({work}, timeout=timeout)
            if not done:
                outcome, error = CallOutcome.TIMEOUT, f"did not end within {timeout:g} s"
                await _wind_up(work)
        except asyncio.CancelledError:
            outcome = CallOutcome.SUPERSEDED
            await _wind_up(work)
        if outcome is CallOutcome.SUCCESS:
            value, error = work.result()
            outcome = CallOutcome.FAILURE if error else CallOutcome.SUCCESS
        return CallResult(outcome=outcome, seconds=self._clock() - begun, value=value, error=error)

    async def _guarded(self, implementation: Implementation, arguments: dict[str, object]) -> tuple[object, str]:
        """The value, or the error in words. SystemExit must not reach the loop, which would stop for it."""
        try:
            if inspect.iscoroutinefunction(implementation.function):
                return await implementation.function(**arguments), ""
            return await self._in_thread(implementation, arguments), ""
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a stranger's code
            return None, f"{type(error).__name__}: {error}"[:1000]

    async def _in_thread(self, implementation: Implementation, arguments: dict[str, object]) -> object:
        """Run a plain function in a thread of its own: a pool would let one plugin's hanging calls starve another's."""
        plugin = implementation.plugin
        if self._threads[plugin] >= _MOST_STRAY_THREADS:
            raise TimeoutError(f"{_MOST_STRAY_THREADS} earlier calls still hang; its `def` hooks wait for their end")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()

        def settle(value: object, error: BaseException | None) -> None:
            self._threads[plugin] -= 1
            if future.done():
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))

        def work() -> None:
            value, error = None, None
            try:
                value = implementation.function(**arguments)
            except BaseException as raised:  # a stranger's code; it is handed over
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(settle, value, error)

        self._threads[plugin] += 1
        threading.Thread(target=work, name=f"hook-{plugin}", daemon=True).start()
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future}, timeout=_THREAD_GRACE_SECONDS)
            if future.done() and not future.cancelled():
                future.exception()  # looked at, so that nothing is logged about it
            raise


async def _wind_up(work: "asyncio.Future[tuple[object, str]]") -> None:
    """End the work and give it time for that; being cancelled once more does not cut that short."""
    work.cancel()
    loop = asyncio.get_running_loop()
    end = loop.time() + _WIND_UP_SECONDS
    while not work.done() and (left := end - loop.time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work}, timeout=left)
