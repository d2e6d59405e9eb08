"""From the start of a program to the end of its whole group. Imported through `les_hooks.processes`."""

import asyncio
import secrets
import signal
import time
from collections.abc import Callable

from les_hooks.guard import Guard
from les_hooks.guard.process import RUN_VARIABLE
from les_hooks.processes.child import Child, why_unstarted
from les_hooks.processes.command import Command, Ending, Finished

__all__ = ["Runner"]

# What is left in the group when the program has ended gets this long to finish by itself: the `logger` at the end of
# a pipe still writes its last lines. Then it is ended as the program would have been.
_LINGER_SECONDS = 0.25

# KILL cannot be refused, but who hangs in the kernel (a dead disk, NFS) ends when the kernel lets it.
_KILL_SECONDS = 5.0

# The end of a program is an event, that of its orphans is not: while there are any, look this often.
_POLL_SECONDS = 0.02


def boottime() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Runner:
    """Runs programs for one node. No threads, and nothing is left of a program when `run` has ended.

    `guard` ends the groups when this process dies; None where nobody must (the command line, tests).
    """

    def __init__(self, guard: Guard | None, clock: Callable[[], float] = boottime) -> None:
        self._guard = guard
        self._clock = clock

    async def run(self, command: Command) -> Finished:
        """Run the program to the end of its group.

        When the program has ended, so is what it left in its group: TERM after a moment, KILL after `grace`. Who starts
        a service that is to stay uses `systemd-run` or `setsid`. When its time is up, the whole group is ended the same
        way. A cancelled call ends the group too and is raised only when it is gone: `command.on_end` learns how.
        """
        started = self._clock()
        run = secrets.token_hex(8)
        # Told before: a daemon that is killed in the moment between start and `add` leaves nothing unguarded.
        if self._guard is not None:
            self._guard.intend(run, command.ends_with_authority)
        try:
            child = Child(command, _environment(command, run), self._clock)
        except (OSError, ValueError) as error:
            if self._guard is not None:
                self._guard.unstarted(run)
            return self._tell(
                command,
                Finished(ending=Ending.UNSTARTED, seconds=self._clock() - started, error=why_unstarted(command, error)),
            )
        if self._guard is not None:
            self._guard.add(child.group, command.ends_with_authority, run)
        watch = _Watch(child)
        await watch.program(command.timeout)
        forced = None if child.exited.done() else Ending.SUPERSEDED if watch.cancelled else Ending.TIMEOUT
        gone = (forced is None and await watch.group(_LINGER_SECONDS)) or await watch.end(command.grace)
        if self._guard is not None:
            # Where it is not gone, KILL is on its way, and a guard that kept the number would one day hit a stranger.
            self._guard.remove(child.group)
        code = child.reap() if child.exited.done() else None
        cut = child.close()
        finished = self._tell(
            command,
            Finished(
                ending=forced or (Ending.FAILURE if code else Ending.SUCCESS),
                seconds=self._clock() - started,
                exit_code=code if code is not None and code >= 0 else None,
                signal=-code if code is not None and code < 0 else None,
                error="" if gone else f"process group {child.group} is still there after KILL",
                cut=cut,
            ),
        )
        if watch.cancelled:
            raise asyncio.CancelledError
        return finished

    def _tell(self, command: Command, finished: Finished) -> Finished:
        if command.on_end is not None:
            command.on_end(finished)
        return finished


def _environment(command: Command, run: str) -> dict[str, str]:
    # First, because the guard reads no more than a part of a large environment; and set again, because a command may
    # hand on an environment with another run in it.
    environment = {RUN_VARIABLE: run, **command.env}
    environment[RUN_VARIABLE] = run
    return environment


class _Watch:
    """Waits for one child. A cancellation ends the first wait and is remembered; it never cuts short what cleans up.

    That is why these are waits with a limit and no tasks: a loop that shuts down cancels every task, shielded or not.
    """

    def __init__(self, child: Child) -> None:
        self.cancelled = False
        self._child = child
        self._loop = asyncio.get_running_loop()

    async def program(self, seconds: float | None) -> None:
        """Wait until the program has exited, its time is up, or this call is cancelled."""
        try:
            await asyncio.wait((self._child.exited,), timeout=seconds)
        except asyncio.CancelledError:
            self.cancelled = True

    async def end(self, grace: float) -> bool:
        """End the group: TERM, `grace` seconds, KILL. Whether it is gone."""
        self._child.signal(signal.SIGTERM)
        # Who was stopped could not act on TERM.
        self._child.signal(signal.SIGCONT)
        if await self.group(grace):
            return True
        self._child.signal(signal.SIGKILL)
        return await self.group(_KILL_SECONDS)

    async def group(self, seconds: float) -> bool:
        """Wait until nobody is left in the group, at most so long. Whether it is so."""
        until = self._loop.time() + seconds
        await self._wait(self._child.exited, until)
        while self._child.exited.done() and self._child.group_lives():
            if self._loop.time() >= until:
                return False
            await self._wait(self._loop.create_future(), min(until, self._loop.time() + _POLL_SECONDS))
        return self._child.exited.done()

    async def _wait(self, future: "asyncio.Future[None]", until: float) -> None:
        while not future.done() and (left := until - self._loop.time()) > 0:
            try:
                await asyncio.wait((future,), timeout=left)
            except asyncio.CancelledError:
                self.cancelled = True
