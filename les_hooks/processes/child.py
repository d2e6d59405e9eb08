"""One started program and its process group: the system calls, and nothing that waits. Private to the package."""

import asyncio
import contextlib
import errno
import functools
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import IO, Literal

from les_hooks.guard.process import living
from les_hooks.processes.command import Command
from les_hooks.processes.confinement import Confinement
from les_hooks.processes.output import Stream

__all__ = ["Child", "why_unstarted"]


class Child:
    """A running program, the leader of a session and a process group of its own.

    `exited` is done as soon as it has ended; it stays unreaped until `reap`. As long as it is, and after that as long
    as anybody else is in the group, the kernel gives the group's number to nobody else. So `signal` cannot hit a
    stranger before `group_lives` has said that the group is empty, and nobody signals it after that. (Between the
    reaping or that answer and a signal microseconds later, all process numbers would have to go round.)

    No asyncio child watcher: the one of Python 3.11 starts a thread for each child. A pidfd is readable when its
    process has ended, so the loop waits for it as for any file. No `preexec_fn` either: it forbids vfork.
    """

    def __init__(
        self,
        command: Command,
        env: Mapping[str, str],
        clock: Callable[[], float],
        confinement: Confinement | None = None,
    ) -> None:
        """Start the program in this environment, as the daemon or as the confinement says.

        Raises OSError or ValueError where that is impossible; `why_unstarted` words it.
        """
        self._loop = asyncio.get_running_loop()
        self._confinement = confinement
        self._last_words = ""
        self.begun = True
        """Whether it became the program; to be asked once it has exited. Only a launcher ends before that."""
        self._process = _start(command, env, confinement)
        try:
            self._pidfd = os.pidfd_open(self.group)
        except OSError:
            # Nobody would learn of its end, so it must not run: no descriptors left, or a kernel before 5.3.
            self._abort()
            raise
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._on_exit)
        self._left: list[int] = []
        self._feed = None if self._process.stdin is None else Feed(self._process.stdin, command.stdin)
        self._streams = [
            Stream(pipe, functools.partial(self._on_line, command.on_line, name), clock)
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
            if pipe is not None and command.on_line is not None
        ]

    @property
    def group(self) -> int:
        """The number of its process group, which is its own."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send the signal to everybody in the group. Who has changed user may be out of reach, and is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    def reap(self) -> int:
        """Take leave of the program, which has `exited`; returns its code, or minus the signal that ended it."""
        code = self._process.wait()
        # Where this process is the init of a container, or a subreaper, the rest of the group are its children too.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.group, os.WNOHANG)[0]:
                pass
        return code

    def group_lives(self) -> bool:
        """Whether anybody is left in the group; to be asked once the program has exited."""
        self.reap()
        self._left = living(self.group, self._left)
        return bool(self._left)

    def close(self) -> int:
        """Let go of all descriptors; returns how many bytes of output were dropped.

        A program that has not exited (it hangs in the kernel, with KILL pending) is reaped when it does.
        """
        if self._feed is not None:
            self._feed.close()
        if self.exited.done():
            self._take_leave()
        else:
            self.exited.add_done_callback(lambda _: self._take_leave())
        return sum(stream.close() for stream in self._streams)

    def why_not_begun(self, command: Command) -> str:
        """Say why the launcher did not become the program, and what mends it; to be asked once it is closed."""
        assert self._confinement is not None
        return why_unstarted(command, self._confinement.why_unstarted(command, self._last_words))

    def _on_line(self, hand_on: Callable[[str, str], None], stream: str, line: str) -> None:
        if self._confinement is not None and stream == "stderr":
            self._last_words = line
        hand_on(stream, line)

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if self._confinement is not None:
            # Before it is reaped: a zombie keeps the name of what it executed last, which no exit code tells.
            self.begun = not self._confinement.is_launcher(_name(self.group))
        self.exited.set_result(None)

    def _take_leave(self) -> None:
        self.reap()
        os.close(self._pidfd)

    def _abort(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class Feed:
    """Writes a program's input without blocking, then ends it; a program need not read it."""

    def __init__(self, pipe: IO[bytes], data: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._left = memoryview(data)
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_writer(pipe.fileno(), self._on_writable)
        self._on_writable()

    def close(self) -> None:
        """End the input, whatever was not taken."""
        if not self._pipe.closed:
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()

    def _on_writable(self) -> None:
        try:
            self._left = self._left[os.write(self._pipe.fileno(), self._left) :]
        except BlockingIOError:
            return
        except OSError:
            # EPIPE: it ended, or closed its input. That is its right, and no failure.
            self.close()
        if not self._left:
            self.close()


def why_unstarted(command: Command, error: OSError | ValueError) -> str:
    """Say why the program could not be started, and what mends it."""
    program = command.argv[0]
    match getattr(error, "errno", None):
        case errno.ENOENT if os.path.exists(program):
            return f"{program}: the interpreter in its first line does not exist; correct the line, or install it"
        case errno.ENOENT:
            return f"{program}: it is gone"
        case errno.EACCES:
            return f"{program}: may not be executed by this user, or its interpreter may not; chmod +x"
        case errno.ENOEXEC:
            return f"{program}: is no program that this machine can run; a script begins with #!/bin/sh or the like"
        case errno.ETXTBSY:
            return f"{program}: is being written; copy scripts under another name and rename them"
        case _:
            return f"{program}: {error}"


def _start(command: Command, env: Mapping[str, str], confinement: Confinement | None) -> "subprocess.Popen[bytes]":
    if confinement is not None:
        confinement.check(command)
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        stdin, to_read = _pipe("wb", ours, theirs) if command.stdin else (None, subprocess.DEVNULL)
        listened = command.on_line is not None
        stdout, out = _pipe("rb", ours, theirs) if listened else (None, subprocess.DEVNULL)
        stderr, err = _pipe("rb", ours, theirs) if listened else (None, subprocess.DEVNULL)
        process = subprocess.Popen(  # noqa: S603  (a list, never a shell; whose program it is, is the caller's care)
            command.argv if confinement is None else (*confinement.launcher, *command.argv),
            bufsize=0,
            stdin=to_read,
            stdout=out,
            stderr=err,
            close_fds=True,
            cwd=command.cwd,
            env=env,
            start_new_session=True,
            umask=0o022,
        )
        process.stdin, process.stdout, process.stderr = stdin, stdout, stderr
        ours.pop_all()
    return process


def _pipe(mode: Literal["rb", "wb"], ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[IO[bytes], int]:
    """A pipe, of which this process reads or writes one end, and the program's end.

    Not the PIPE of subprocess, which only who made it can open: `echo >/dev/stderr` opens it anew, also as another
    user. There is no other way to it than through the descriptors of a process, so its mode lets nobody else in.
    """
    reading, writing = os.pipe()
    own, other = (reading, writing) if mode == "rb" else (writing, reading)
    theirs.callback(os.close, other)
    pipe = ours.enter_context(os.fdopen(own, mode, buffering=0))
    os.fchmod(own, 0o666)
    return pipe, other


def _name(pid: int) -> str:
    """What the process executed last, empty where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""
