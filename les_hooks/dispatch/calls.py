"""Calling one hook of one plugin: awaited or in a thread, with a deadline, and whatever it raises kept in.

pluggy calls synchronously and stops at the first exception; here each call stands alone. Imported by `dispatch` only.
"""

import asyncio
import contextlib
import contextvars
import inspect
import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from les_hooks.dispatch.context import Authority
from les_hooks.dispatch.present import Present, present
from les_hooks.guard import Tie
from les_hooks.plugins import Implementation
from les_hooks.processes import time_to_run
from les_hooks.text import error_words

__all__ = ["CallOutcome", "CallResult", "Caller", "Overtaken"]

# What an ended call gets to wind up: ending a process group takes up to 5 s from TERM to KILL, and a moment to reap.
_WIND_UP_SECONDS = 8.0

# Of the time until others may lead: what an ended call of a leader gets, which is a bit more than its programs do; and
# what is kept for the end of a call that must be over by then, which is a bit less than programs keep.
_LEADER_SHARE = 1 / 3
_RELEASE_SHARE = 1 / 8

# A thread cannot be stopped, nor a coroutine that swallows its cancellation. A plugin gets no more of them than this;
# and as many again of those that undo what a leader did, which must be called whatever became of the others.
_MOST_STRAYS = 3

Overtaken = asyncio.Future[None]
"""Done as soon as the work that it belongs to is no longer wanted."""


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
    seconds: float = 0.0
    value: object = None
    error: str = ""


class Caller:
    """Calls hooks; `clock` gives seconds, to tell how long each took, and `authority` bounds what is tied to it."""

    def __init__(self, clock: Callable[[], float], authority: Authority) -> None:
        self._clock = clock
        self._authority = authority
        self._strays: Counter[tuple[str, bool]] = Counter()
        self._bound: dict[_Work, str] = {}

    @property
    def remains(self) -> tuple[str, ...]:
        """The plugins of which a call still runs that a leader, or its demotion, began; left behind or not."""
        return tuple(sorted({plugin for work, plugin in self._bound.items() if not work.done()}))

    async def call(
        self,
        implementation: Implementation,
        arguments: dict[str, object],
        timeout: float | None,
        overtaken: Overtaken | None = None,
        *,
        tie: Tie = Tie.DAEMON,
    ) -> CallResult:
        """Call the hook and wait for it, at most `timeout` seconds, None for as long as it takes.

        Whatever the hook raises becomes the result. When it is `overtaken`, or this call is cancelled, it is ended
        first. A hook that does not let itself be ended is left behind after a few seconds; sooner where it is tied to
        what a leader does, or to undoing that, and others may lead before.
        """
        plugin = implementation.plugin
        kind = plugin, tie is Tie.RELEASE
        if self._strays[kind] >= _MOST_STRAYS:
            why = f"{_MOST_STRAYS} earlier calls never ended; restart the daemon once the plugin is mended"
            return CallResult(outcome=CallOutcome.FAILURE, error=why)
        begun = self._clock()
        limits = _Limits(self._authority, tie, timeout)
        work = _begin(implementation, arguments, limits.present)
        if tie is not Tie.DAEMON:
            self._bound[work] = plugin
            work.add_done_callback(self._bound.pop)
        waited: set[asyncio.Future[Any]] = {work} if overtaken is None else {work, overtaken}
        outcome, error = None, ""
        try:
            while not any(future.done() for future in waited) and (left := limits.left()) > 0.0:
                seconds = None if left == math.inf else left
                await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and overtaken is not None and overtaken.done():
                outcome = CallOutcome.SUPERSEDED
            elif not work.done():
                limit = min(math.inf if timeout is None else timeout, round(self._clock() - begun, 2))
                outcome, error = CallOutcome.TIMEOUT, f"did not end within {limit:g} s"
        finally:
            if not work.done():
                await self._wind_up(kind, work, limits.wind_up())
        if outcome is not None:
            return CallResult(outcome=outcome, seconds=self._clock() - begun, error=error)
        value, error = work.result()
        outcome = CallOutcome.FAILURE if error else CallOutcome.SUCCESS
        return CallResult(outcome=outcome, seconds=self._clock() - begun, value=value, error=error)

    async def _wind_up(self, kind: tuple[str, bool], work: "_Work", seconds: float) -> None:
        """End the work and give it time for that; being cancelled meanwhile does not cut that short."""
        if isinstance(work, asyncio.Task):
            work.cancel()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        cancelled = False
        while not work.done() and (left := end - loop.time()) > 0:
            try:
                await asyncio.wait({work}, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
        if not work.done():
            self._strays[kind] += 1
            work.add_done_callback(lambda _: self._strays.subtract((kind,)))
        if cancelled:
            raise asyncio.CancelledError


class _Limits:
    """How long one call may take: its own limit, and the moment from which others may lead.

    That moment may move on meanwhile: a leader that goes on leading calls the demote hooks of a plugin that is dropped.
    """

    def __init__(self, authority: Authority, tie: Tie, timeout: float | None) -> None:
        self._authority = authority
        self._loop = asyncio.get_running_loop()
        self._end = math.inf if timeout is None else self._loop.time() + timeout
        left = authority.release_left()
        # Once others may lead it is too late to be in time, and what was done is still to be undone.
        self._tie = Tie.DAEMON if tie is Tie.RELEASE and left == 0.0 else tie
        self._reserve = min(_WIND_UP_SECONDS, left * _RELEASE_SHARE)
        self.present = Present(tie=self._tie, time_left=self._time_left)

    def left(self) -> float:
        """Seconds after which the call is ended."""
        left = self._end - self._loop.time()
        return min(left, self._authority.release_left() - self._reserve) if self._tie is Tie.RELEASE else left

    def wind_up(self) -> float:
        """Seconds that it has to end."""
        share = {Tie.AUTHORITY: _LEADER_SHARE, Tie.RELEASE: 1.0}.get(self._tie)
        return _WIND_UP_SECONDS if share is None else min(_WIND_UP_SECONDS, self._authority.release_left() * share)

    def _time_left(self) -> float:
        """What the plugin is told: that of its programs, which are ended a moment before the call."""
        left = max(0.0, self._end - self._loop.time())
        match self._tie:
            case Tie.AUTHORITY:
                return min(left, self._authority.left())
            case Tie.RELEASE:
                return min(left, time_to_run(self._authority.release_left()))
            case Tie.DAEMON:
                return left


_Answer = tuple[object, str]
"""What a hook returned, or what it raised, in words."""

_Work = asyncio.Future[_Answer]


def _begin(implementation: Implementation, arguments: dict[str, object], call: Present) -> _Work:
    """Start the call. The future that stands for it is done exactly when the plugin's code has ended, and holds no
    exception: SystemExit must not reach the loop, which would stop for it.
    """
    context = contextvars.copy_context()
    context.run(present.set, call)
    if inspect.iscoroutinefunction(implementation.function):
        work = _guarded(implementation, arguments)
        return asyncio.create_task(work, name=f"hook-{implementation.plugin}", context=context)
    return _in_thread(implementation, arguments, context)


async def _guarded(implementation: Implementation, arguments: dict[str, object]) -> _Answer:
    try:
        return await implementation.function(**arguments), ""
    except BaseException as error:  # a stranger's code, which may also raise CancelledError by itself
        return None, error_words(error)


def _in_thread(implementation: Implementation, arguments: dict[str, object], context: contextvars.Context) -> _Work:
    """Run a plain function in a thread of its own: a pool would let one plugin's hanging calls starve another's."""
    loop = asyncio.get_running_loop()
    future: _Work = loop.create_future()

    def work() -> None:
        answer: _Answer
        try:
            value = implementation.function(**arguments)
            if inspect.iscoroutine(value):
                value.close()
                raise TypeError("it returned a coroutine; write it as `async def`")
            answer = value, ""
        except BaseException as error:  # a stranger's code
            answer = None, error_words(error)
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(future.set_result, answer)

    threading.Thread(target=context.run, args=(work,), name=f"hook-{implementation.plugin}", daemon=True).start()
    return future
