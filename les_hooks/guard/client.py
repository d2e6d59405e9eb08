"""The daemon's end of the guard. Imported through `les_hooks.guard`."""

import asyncio
import contextlib
import fcntl
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from les_hooks.members import NO_MANDATE, Mandate

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Guard", "Tie"]

_PROGRAM = Path(__file__).with_name("process.py")

# A guard that dies at once each time (no memory, no such interpreter any more) is not started in a circle.
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0

# It has nothing to do after `bye`; one that hangs is killed.
_GOODBYE_SECONDS = 2.0

# It sleeps in poll(), so KILL takes it at once; the limit is for a machine in trouble.
_KILLED_SECONDS = 1.0

# A daemon that lives ends its work itself when its authority is over. This part of what is left until others may lead
# it has for that, or each program would get TERM twice, and many a program takes the second one for "at once".
_HEADWAY = 1 / 8


class Tie(StrEnum):
    """What a program ends with, beside its own limit; the words of the guard's protocol."""

    AUTHORITY = "authority"
    """The right to lead: what a leader does."""
    RELEASE = "release"
    """The moment from which others may lead: what undoes that."""
    DAEMON = "daemon"
    """The daemon alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intent:
    """What is about to be started; `words` tell the guard how to find it without reading its environment."""

    tie: Tie
    words: str


class Guard:
    """The process that ends the groups of this daemon's scripts when the daemon dies or lets its authority run out.

    Nothing here blocks: what is told is written whole or not at all, and a guard that takes no more, or died, is
    replaced by a new one that is told everything again. To be used inside the running loop.
    """

    def __init__(
        self,
        log: "FilteringBoundLogger",
        *,
        grace: float = 5.0,
        cleanup_limit: float = 3600.0,
        lock: Path | None = None,
    ) -> None:
        """`grace` is the seconds between TERM and KILL, `cleanup_limit` those that the cleanup command may take.

        `lock` is a file that the guard's process holds, by flock(2), until the groups of a dead daemon are gone.
        """
        self._log = log
        self._lock = lock
        self._times = (str(grace), str(cleanup_limit))
        self._cleanup: tuple[str, ...] = ()
        self._groups: dict[int, Tie] = {}
        self._intents: dict[str, _Intent] = {}
        self._mandate = NO_MANDATE
        self._running: _Running | None = None
        self._closing = False
        self._delay = 0.0
        self._restart: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The guard's process, None while there is none."""
        return None if self._running is None else self._running.pid

    def start(self, cleanup: Sequence[str] = ()) -> None:
        """Start the guard; `cleanup` is the command that it runs when this process died, `argv[0]` being a path.

        Raises OSError where no process can be started.
        """
        self._cleanup = tuple(cleanup)
        self._spawn()

    def authority(self, mandate: Mandate) -> None:
        """Tell how long this node may lead; to be renewed well before that passes: what was ended stays ended.

        A mandate of who leads no more (`act_until` -inf) leaves what a leader does as doomed as it was. A leader that
        nobody can replace meanwhile costs nothing as long as it runs no such work: nothing is sent then.
        """
        moved = mandate.release_by != self._mandate.release_by
        until = self._mandate.act_until if mandate.act_until == -math.inf else mandate.act_until
        self._mandate = Mandate(act_until=until, release_by=mandate.release_by)
        ties = {*self._groups.values(), *(intent.tie for intent in self._intents.values())}
        if moved or {Tie.AUTHORITY, Tie.RELEASE} & ties:
            self._send(self._authority_line())

    def intend(self, run: str, tie: Tie, *, uid: int | None = None, begun: float = 0.0) -> None:
        """Tell that a program with `LES_RUN=run` in its environment is about to be started; `run` is used once.

        To be followed by `add` or `unstarted`. Should this process die or freeze before that, the guard finds the
        program by its environment: so there is no moment in which it runs unguarded. With `uid` it runs as that other
        user, whose environments the guard may not be able to read: then it goes by what began after `begun` (boottime).
        """
        self._intents[run] = _Intent(tie=tie, words="" if uid is None else f" {uid} {begun:.6f}")
        self._tell_intent(run)

    def unstarted(self, run: str) -> None:
        """Tell that nothing came of the intent."""
        if self._intents.pop(run, None) is not None:
            self._send(f"unstarted {run}\n")

    def add(self, group: int, tie: Tie, run: str = "") -> None:
        """Tell of a process group that runs from now on; `run` is the intent that it came of."""
        told = self._intents.pop(run, None)
        self._groups[group] = tie
        self._tell_group(group, run, authority=told is None)

    def ending(self, group: int, kill_at: float) -> None:
        """Tell that the group has had TERM from this process, and will get KILL then (CLOCK_BOOTTIME).

        The guard does not send TERM once more, and sends KILL itself should this process be frozen by that time.
        """
        self._send(f"ending {group} {kill_at:.6f}\n")

    def remove(self, group: int) -> None:
        """Tell that the group is gone; to be called at once, before its number can be used again."""
        if self._groups.pop(group, None) is not None:
            self._send(f"ended {group}\n")

    async def close(self) -> None:
        """Say goodbye: the guard ends, touches nothing, and runs no cleanup."""
        self._stop_watching()
        if self._running is None:
            return
        self._send("bye\n")
        try:
            await asyncio.wait((self._running.ended,), timeout=_GOODBYE_SECONDS)
        finally:
            if self._running is not None:
                self._running.close()
                self._running = None

    def abandon(self) -> None:
        """Have the guard do what it does when this process dies: end the groups, and run the cleanup. No waiting.

        Where there is none at this moment nobody does; the state directory keeps the mark of a crash.
        """
        self._stop_watching()
        if self._running is not None:
            self._running.abandon()
            self._running = None

    def _stop_watching(self) -> None:
        self._closing = True
        if self._restart is not None:
            self._restart.cancel()

    def _spawn(self) -> None:
        self._running = _Running(self._times, self._lock, self._cleanup)
        self._running.ended.add_done_callback(self._on_death)
        if self._mandate.release_by < math.inf:
            self._send(self._authority_line())
        for run in self._intents:
            self._tell_intent(run)
        for group in sorted(self._groups):
            self._tell_group(group)

    def _spawn_again(self) -> None:
        try:
            self._spawn()
        except OSError as error:
            self._log.error("guard-unstarted", reason=str(error))
            self._spawn_later()

    def _spawn_later(self) -> None:
        self._restart = asyncio.get_running_loop().call_later(self._delay, self._spawn_again)
        self._delay = min(max(2 * self._delay, _FIRST_DELAY_SECONDS), _LONGEST_DELAY_SECONDS)

    def _on_death(self, ended: "asyncio.Future[float]") -> None:
        if self._closing or self._running is None:
            return
        self._log.warning("guard-died", pid=self.pid, groups=len(self._groups))
        self._running.close()
        self._running = None
        if ended.result() > _LONGEST_DELAY_SECONDS:
            self._delay = 0.0
        self._spawn_later()

    # Authority goes with the first that needs it, and before: the guard may know an older end, long past.

    def _tell_intent(self, run: str) -> None:
        intent = self._intents[run]
        before = self._authority_line() if intent.tie is Tie.AUTHORITY else ""
        self._send(f"{before}intent {run} {intent.tie}{intent.words}\n")

    def _tell_group(self, group: int, run: str = "", *, authority: bool = True) -> None:
        tie = self._groups[group]
        before = self._authority_line() if tie is Tie.AUTHORITY and authority else ""
        self._send(f"{before}group {group} {tie} {run}\n")

    def _authority_line(self) -> str:
        until, release_by = self._mandate.act_until, self._mandate.release_by
        if -math.inf < until < release_by < math.inf:
            until += (release_by - until) * _HEADWAY
        return f"authority {_moment(until)} {_moment(release_by)}\n"

    def _send(self, lines: str) -> None:
        """Write these lines. Where that fails nothing is lost: the next guard is told everything."""
        if self._running is None:
            return
        try:
            self._running.write(lines.encode())
        except BlockingIOError:
            # Thousands of lines unread: it hangs, and would miss the daemon's death.
            if not self._running.killed:
                self._log.warning("guard-hung", pid=self.pid)
                self._running.kill()
        except OSError:
            pass  # it died, and `_on_death` is on its way


def _moment(seconds: float) -> str:
    return f"{seconds:.6f}" if math.isfinite(seconds) else "none"


class _Running:
    """One guard process; `ended` tells how many seconds it lived."""

    def __init__(self, times: Sequence[str], lock: Path | None, cleanup: Sequence[str]) -> None:
        """Raises OSError, also where another guard still has the lock."""
        with _locked(lock) as held:
            argv = [sys.executable, "-I", "-S", str(_PROGRAM), str(os.getpid()), *times, str(held), *cleanup]
            self._process = subprocess.Popen(  # noqa: S603  (our own program, and our own command line)
                argv,
                bufsize=0,
                stdin=subprocess.PIPE,
                close_fds=True,
                pass_fds=() if held < 0 else (held,),
                start_new_session=True,
            )
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._release()
            raise
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self.killed = False
        self.ended: asyncio.Future[float] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._on_exit)

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, lines: bytes) -> None:
        """Write a line or two, which are far shorter than PIPE_BUF, and so are written whole or not at all."""
        os.write(self._pipe.fileno(), lines)

    def kill(self) -> None:
        self.killed = True
        self._process.kill()

    def close(self) -> None:
        """Let go of it; one that has not ended by now is killed."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._release()

    def abandon(self) -> None:
        """Hang up without `bye`, and leave it to what it does then."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self._process.stdin is not None:
            self._process.stdin.close()
        # A library user's process goes on, and should not keep a zombie.
        threading.Thread(target=self._process.wait, name="les-guard", daemon=True).start()

    def _release(self) -> None:
        # SIGKILL first, and only then the end of the pipe: it would take that for the daemon's death.
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_KILLED_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.ended.set_result(self._loop.time() - self._started)


@contextlib.contextmanager
def _locked(path: Path | None) -> Iterator[int]:
    """Lock the file; the lock lasts as long as anybody has its descriptor, which is -1 without a path."""
    if path is None:
        yield -1
        return
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    finally:
        os.close(fd)
