"""From the start of a program to the end of its whole group. Imported through `les_hooks.processes`."""

import asyncio
import math
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

from les_hooks.guard import Guard, Tie
from les_hooks.guard.process import RUN_VARIABLE, living
from les_hooks.processes.child import Child, why_unstarted
from les_hooks.processes.command import Command, Ending, Finished
from les_hooks.processes.confinement import Confinement, Unavailable

__all__ = ["Runner", "time_to_run"]

# What is left in the group when the program has ended gets this long to finish by itself: the `logger` at the end of
# a pipe still writes its last lines. Then it is ended as the program would have been.
_LINGER_SECONDS = 0.25

# KILL cannot be refused, but who hangs in the kernel (a dead disk, NFS) ends when the kernel lets it.
_KILL_SECONDS = 5.0

# The end of a program is an event, that of its orphans is not: while there are any, look this often.
_POLL_SECONDS = 0.02


# What must be gone when others may lead gets TERM this long before, or with a quarter of its time left, whichever is
# later; and KILL with a fifth of that left, for the kernel to take it away.
_RELEASE_SECONDS = 5.0
_QUARTER = 1 / 4
_KILLED = 1 / 5

# What lingers has no more of what is left than this.
_LINGER = 1 / 8


def boottime() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def time_to_run(left: float) -> float:
    """Seconds that a program has before it gets TERM, where it must be gone in `left` seconds."""
    return left - _reserve(left)


def _reserve(left: float) -> float:
    return min(_RELEASE_SECONDS, left * _QUARTER)


class Runner:
    """Runs programs for one node. No threads, and nothing is left of a program when `run` has ended.

    `guard` ends the groups when this process dies; None where nobody must (the command line, tests). `release_left`
    tells in how many seconds others may lead, infinite where that is not to be expected, 0.0 once they may.
    `confinement` says as whom programs run, None: as this process.
    """

    def __init__(
        self,
        guard: Guard | None,
        clock: Callable[[], float] = boottime,
        release_left: Callable[[], float] = lambda: math.inf,
        confinement: Confinement | Unavailable | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._release_left = release_left
        self._confinement = None if isinstance(confinement, Unavailable) else confinement
        self._why_none = confinement.why if isinstance(confinement, Unavailable) else ""
        self._left: set[int] = set()

    @property
    def remains(self) -> tuple[int, ...]:
        """The process groups, of what a leader or its demotion ran, that are still there after KILL."""
        self._left = {group for group in self._left if living(group, [])}
        return tuple(sorted(self._left))

    def barred(self, program: Path) -> str:
        """Say what keeps the user that programs run as from starting this one, and what mends it; else empty."""
        return "" if self._confinement is None else self._confinement.barred(program)

    async def run(self, command: Command) -> Finished:
        """Run the program to the end of its group.

        When the program has ended, so is what it left in its group: TERM after a moment, KILL after `grace`. Who starts
        a service that is to stay uses `systemd-run` or `setsid`. When its time is up, the whole group is ended the same
        way. A cancelled call ends the group too and is raised only when it is gone: `command.on_end` learns how.
        """
        if self._why_none:
            why = f"{command.argv[0]}: {self._why_none}"
            return self._tell(command, Finished(ending=Ending.UNSTARTED, seconds=0.0, error=why))
        started = self._clock()
        run, tie = secrets.token_hex(8), self._tie(command)
        # Told before: a daemon that is killed in the moment between start and `add` leaves nothing unguarded.
        if self._guard is not None:
            uid = None if self._confinement is None else self._confinement.user.uid
            self._guard.intend(run, tie, uid=uid, begun=started)
        try:
            child = Child(command, self._environment(command, run), self._clock, self._confinement)
        except (OSError, ValueError) as error:
            if self._guard is not None:
                self._guard.unstarted(run)
            return self._tell(
                command,
                Finished(ending=Ending.UNSTARTED, seconds=self._clock() - started, error=why_unstarted(command, error)),
            )
        if self._guard is not None:
            self._guard.add(child.group, tie, run)
        watch = _Watch(child)
        await watch.program(command.timeout, self._release_left if tie is Tie.RELEASE else None)
        forced = None if child.exited.done() else Ending.SUPERSEDED if watch.cancelled else Ending.TIMEOUT
        lingering = min(_LINGER_SECONDS, self._share(tie, _LINGER))
        gone = (forced is None and await watch.group(lingering)) or await self._end(child, watch, command.grace, tie)
        if self._guard is not None:
            # Where it is not gone, KILL is on its way, and a guard that kept the number would one day hit a stranger.
            self._guard.remove(child.group)
        if not gone and tie is not Tie.DAEMON:
            self._left.add(child.group)
        code = child.reap() if child.exited.done() else None
        cut = child.close()
        begun = child.begun or forced is not None or not gone
        finished = self._tell(
            command,
            Finished(
                ending=forced or (Ending.UNSTARTED if not begun else Ending.FAILURE if code else Ending.SUCCESS),
                seconds=self._clock() - started,
                exit_code=code if code is not None and code >= 0 and begun else None,
                signal=-code if code is not None and code < 0 else None,
                error=self._trouble(child, command, begun=begun, gone=gone),
                cut=cut,
            ),
        )
        if watch.cancelled:
            raise asyncio.CancelledError
        return finished

    def _tie(self, command: Command) -> Tie:
        if command.ends_with_authority:
            return Tie.AUTHORITY
        # Once others may lead it is too late to be in time, and what was done is still to be undone.
        return Tie.RELEASE if command.releases and self._release_left() > 0.0 else Tie.DAEMON

    def _share(self, tie: Tie, part: float) -> float:
        """This part of the time in which what is tied like that must be gone."""
        return math.inf if tie is Tie.DAEMON else self._release_left() * part

    async def _end(self, child: Child, watch: "_Watch", grace: float, tie: Tie) -> bool:
        grace = min(grace, self._share(tie, 1 - _KILLED if tie is Tie.RELEASE else _QUARTER))
        if self._guard is not None:
            self._guard.ending(child.group, self._clock() + grace)
        return await watch.end(grace)

    def _trouble(self, child: Child, command: Command, *, begun: bool, gone: bool) -> str:
        if not begun:
            return child.why_not_begun(command)
        return "" if gone else f"process group {child.group} is still there after KILL"

    def _environment(self, command: Command, run: str) -> dict[str, str]:
        # First, because the guard reads no more than a part of a large environment; and set again, because a command
        # may hand on an environment with another run in it.
        environment = {RUN_VARIABLE: run, **command.env}
        environment[RUN_VARIABLE] = run
        if self._confinement is not None and "HOME" in environment:
            environment["HOME"] = self._confinement.user.home
        return environment

    def _tell(self, command: Command, finished: Finished) -> Finished:
        if command.on_end is not None:
            command.on_end(finished)
        return finished


class _Watch:
    """Waits for one child. A cancellation ends the first wait and is remembered; it never cuts short what cleans up.

    That is why these are waits with a limit and no tasks: a loop that shuts down cancels every task, shielded or not.
    """

    def __init__(self, child: Child) -> None:
        self.cancelled = False
        self._child = child
        self._loop = asyncio.get_running_loop()

    async def program(self, seconds: float | None, release_left: Callable[[], float] | None) -> None:
        """Wait until the program has exited, its time is up, or this call is cancelled.

        Its time is `seconds`, and what `release_left` tells less what its end takes. That may become more meanwhile:
        a leader that goes on leading undoes what a plugin did that is switched off.
        """
        until = math.inf if seconds is None else self._loop.time() + seconds
        left = math.inf if release_left is None else release_left()
        reserve = _reserve(left)
        try:
            while not self._child.exited.done():
                left = math.inf if release_left is None else release_left() - reserve
                wait = min(until - self._loop.time(), left)
                if wait <= 0.0:
                    return
                await asyncio.wait((self._child.exited,), timeout=None if wait == math.inf else wait)
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
