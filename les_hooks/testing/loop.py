"""An event loop of the harness's own, whose clock the test sets. Private to the package."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

__all__ = ["Stage"]

T = TypeVar("T")

# So many rounds of the loop let everything happen that a moment's end sets off.
_ROUNDS = 20

# Timers that follow from timers each have their turn when the clock is moved on in steps.
_STEP_SECONDS = 0.1
_MOST_STEPS = 1000


class _Loop(asyncio.SelectorEventLoop):
    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Stage:
    """Runs what is asynchronous for tests that are not. Time goes by as in the world, and by `advance`."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=_Loop)

    @property
    def _loop(self) -> _Loop:
        """Made on first use, so that a harness that nobody used needs no closing."""
        return cast(_Loop, self._runner.get_loop())

    @property
    def ahead(self) -> float:
        """Seconds that the clock was moved on."""
        return self._loop.ahead

    def time(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end; what was begun before goes on meanwhile."""
        if _in_a_loop():
            work.close()
            raise RuntimeError("the harness has a loop of its own; write the test as `def`, not as `async def`")
        return self._runner.run(work)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the loop, which it may then use."""

        async def work() -> T:
            return function()

        return self.run(work())

    def advance(self, seconds: float) -> None:
        """Move the clock on, and let happen what was waiting for that."""
        step = max(_STEP_SECONDS, seconds / _MOST_STEPS)
        while seconds > 0:
            self._loop.ahead += min(step, seconds)
            seconds -= step
            self.rounds()

    def rounds(self) -> None:
        """Let happen what can happen at this moment."""
        self.run(_rounds())

    def close(self) -> None:
        """End all that still runs."""
        self._runner.close()


async def _rounds() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
