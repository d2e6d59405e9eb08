"""An event loop whose time passes at once when there is nothing else to do: a year of hooks runs in a second."""

import asyncio
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

__all__ = ["VirtualLoop", "virtual"]

P = ParamSpec("P")


class _Jumping(selectors.DefaultSelector):
    """Waits for sockets and threads `patience` real seconds at most; then the time has come that was waited for."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.patience = patience
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, self.patience))
        if not ready:
            self.jumped += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` counts what was waited for; threads are waited for in real time, as long as `patience`."""

    def __init__(self, patience: float = 0.0) -> None:
        self._jumping = _Jumping(patience)
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.jumped


def virtual(patience: float = 0.0) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Run an asynchronous test on a virtual loop; no task may be left when it ends."""

    def decorate(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            async def body() -> None:
                await test(*args, **kwargs)
                await asyncio.sleep(0)
                left = asyncio.all_tasks() - {asyncio.current_task()}
                assert not left

            with asyncio.Runner(loop_factory=lambda: VirtualLoop(patience)) as runner:
                runner.run(body())

        # pytest is to see the arguments, but must not take it for an asynchronous test.
        run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # which inspect looks for
        del run.__wrapped__
        return run

    return decorate
