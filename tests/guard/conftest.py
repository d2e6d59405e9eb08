"""Real processes for the guard: scripts, groups, and daemons to be killed."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from les_hooks.guard.process import living

__all__ = ["Daemon", "Groups", "Script", "within"]

Script = Callable[[str, str], str]
Daemon = Callable[..., "subprocess.Popen[bytes]"]


def within(seconds: float, holds: Callable[[], object]) -> float:
    """Wait until it holds, at most so long; returns how long it took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - started


class Groups:
    """Process groups of one `sleep` each, which are ended with the test."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *argv: str) -> int:
        """Start one and return its number."""
        self._processes.append(subprocess.Popen(argv or ("sleep", "1000"), start_new_session=True))
        return self._processes[-1].pid

    def end(self) -> None:
        """End and reap them all."""
        for process in self._processes:
            process.kill()
            process.wait()


def lives(group: int) -> bool:
    """Whether anybody but zombies is in the group."""
    return bool(living(group, []))


@pytest.fixture
def groups() -> Iterator[Groups]:
    """Groups to be guarded."""
    started = Groups()
    yield started
    started.end()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Write an executable shell script of this name and body, and return its path."""

    def write(name: str, body: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Start the stand-in; it has been killed and reaped when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *,
        cleanup: str = "",
        authority: float = 60.0,
        release: float = 0.0,
        elected: str = "",
        plain: str = "",
        demoted: str = "",
    ) -> object:
        program = str(Path(__file__).with_name("daemon.py"))
        started.append(
            subprocess.Popen(
                [sys.executable, program, cleanup, str(authority), str(release), elected, plain, demoted],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        return started[-1]

    yield start  # type: ignore[misc]  # a generator fixture's type is what it yields
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
