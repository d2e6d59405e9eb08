"""How long a script takes to its first act, guarded, beside a bare `posix_spawn` of it: python spawn.py [RUNS]

As root, also as another user (`[hooks] user`).

The script's first act is to write into a FIFO, and a thread takes the time when that arrives: the same for both. They
take turns, so that a busy machine is busy for both.
"""

import asyncio
import os
import queue
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import structlog

from les_hooks.config import LimitsConfig
from les_hooks.guard import Guard
from les_hooks.processes import Command, Runner, confine

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


class Bell:
    """A FIFO and the moments at which somebody wrote into it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR)
        self.rung: queue.Queue[float] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while os.read(self._descriptor, 16):
            self.rung.put(time.perf_counter())


def bare(script: str, bell: Bell) -> float:
    """Seconds from a posix_spawn to the script's first act."""
    started = time.perf_counter()
    pid = os.posix_spawn(script, [script, "elected"], ENVIRONMENT)
    os.waitpid(pid, 0)
    return bell.rung.get() - started


async def through_runner(runner: Runner, script: str, bell: Bell) -> float:
    """Seconds from the call of `run` to the script's first act."""
    started = time.perf_counter()
    await runner.run(
        Command(
            argv=(script, "elected"),
            env=ENVIRONMENT,
            stdin=b"{}\n",
            on_line=lambda stream, line: None,
            ends_with_authority=True,
        )
    )
    return bell.rung.get() - started


async def main(runs: int) -> None:
    """Print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        bell = Bell(Path(folder, "bell"))
        for path, mode in ((Path(folder), 0o755), (Path(folder, "bell"), 0o666)):
            path.chmod(mode)
        script = Path(folder, "script")
        script.write_text(f"#!/bin/sh\necho here > {folder}/bell\n", encoding="utf-8")
        script.chmod(0o755)
        guard = Guard(structlog.get_logger())
        guard.start()
        runners = [Runner(guard)]
        if os.geteuid() == 0:
            runners.append(Runner(guard, confinement=confine("nobody", LimitsConfig(), "hooks.user")))
        rounds = []
        for _ in range(runs + 1):
            first = bare(str(script), bell)
            rounds.append((first, *[await through_runner(runner, str(script), bell) for runner in runners]))
        await guard.close()
    spawned, run, *other = (statistics.median(column) * 1000 for column in zip(*rounds[1:], strict=True))
    print(f"posix_spawn {spawned:.2f} ms, Runner {run:.2f} ms, ratio {run / spawned:.2f} (medians of {runs} runs)")
    for confined in other:
        print(f"Runner as another user {confined:.2f} ms, {confined - run:.2f} ms more")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
