"""Loops: one whose time is what was waited for and nothing else, and in it one for each process of a host."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

from tests.election.sim.clocks import Clock
from tests.virtual import VirtualLoop

__all__ = ["HostLoop", "SeededLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Context = contextvars.Context | None

_END_SECONDS = 60.0


class SeededLoop(VirtualLoop):
    """A virtual loop in which the same seed has the same story, however busy the machine is.

    Each turn of it takes a microsecond. If none took any, code that finds itself woken a rounding error too early, and
    waits once more, would do so for ever.
    """

    def time(self) -> float:
        return self._jumping.jumped

    def _run_once(self) -> None:
        self._jumping.jumped += 1e-6
        super()._run_once()  # type: ignore[misc]  # asyncio has no other place for it, and typeshed not even this


class HostLoop:
    """The loop that one process believes to run in: a view of the real one, which must run when this is made.

    Its time is that of the host's clock. While `paused` nothing in it runs, and everything that was due runs when it
    is woken, as with SIGSTOP. Once `dead` nothing in it runs ever again, not even what ends a task in order: SIGKILL.
    Only what a backend needs is there: callbacks, timers, tasks and futures; neither sockets nor real threads. So it is
    no AbstractEventLoop by type, and asyncio does not ask for one.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.dead = False
        self.errors: list[dict[str, Any]] = []
        self._paused = False
        self._due: list[asyncio.Handle] = []
        self._real = asyncio.get_running_loop()
        self._self = cast(asyncio.AbstractEventLoop, self)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        if not paused:
            due, self._due = self._due, []
            for handle in due:
                self._real.call_soon(self._run, handle)

    def enter(self, call: Callable[[], T]) -> T:
        """Call something that believes to run in this loop."""
        before = asyncio.get_running_loop()
        asyncio._set_running_loop(self._self)
        try:
            return call()
        finally:
            asyncio._set_running_loop(before)

    async def end(self) -> None:
        """Have the tasks that are left end, so that nothing of a dead process is found by the next test."""
        for task in list(self._tasks):
            task.cancel()
        self.dead = self.paused = False
        async with asyncio.timeout(_END_SECONDS):
            while self._tasks:
                await asyncio.sleep(0.1)

    def _run(self, handle: asyncio.Handle) -> None:
        if self._paused or self.dead:
            # Of the dead, too: a task whose next step is forgotten could not even be cancelled by `end`.
            self._due.append(handle)
        elif not handle.cancelled():
            self.enter(handle._run)

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------------

    def time(self) -> float:
        return self.clock.show(self._real.time())

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._self, context)
        self._real.call_soon(self._run, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._self, context)
        self._real.call_at(self.clock.when(when), self._run, handle)
        return handle

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Context = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self._self, name=str(name) if name is not None else None, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self._self)

    def run_in_executor(self, _executor: None, function: Callable[[Unpack[Ts]], T], *args: *Ts) -> "asyncio.Future[T]":
        """What a thread would do is done at once: time does not go on meanwhile."""
        done = self.create_future()
        try:
            done.set_result(function(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """The timer of the real loop rings all the same, and finds that nobody waits for it."""
