"""Daemons for measurements: real processes on loopback, and a bell for their scripts. Imported by the benchmark."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Bell", "Cluster", "Ring", "free_ports"]

_PATIENCE_SECONDS = 60.0


class Ring:
    """One line that a script wrote, and when it arrived (monotonic seconds)."""

    def __init__(self, line: str, at: float) -> None:
        self.at = at
        self.node, self.word, *rest = line.split()
        self.rest = rest


class Bell:
    """A FIFO into which scripts write one line each; a line is written whole."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._rings: list[Ring] = []

    def wait(self, pattern: str, *, since: float = 0.0, seconds: float = _PATIENCE_SECONDS) -> Ring:
        """The first line from `since` on that matches `node word ...`; raises TimeoutError."""
        end = time.monotonic() + seconds
        while True:
            for ring in self._rings:
                if ring.at >= since and re.fullmatch(pattern, " ".join((ring.node, ring.word, *ring.rest))):
                    return ring
            if not self._listen(end - time.monotonic()):
                raise TimeoutError(f"nobody rang {pattern!r} within {seconds:g} s")

    def clear(self) -> None:
        """Forget what has been rung: a line counts from when it is read."""
        while self._listen(0.0):
            self._rings.clear()

    def _listen(self, seconds: float) -> bool:
        if seconds < 0 or not select.select([self._file], [], [], seconds)[0]:
            return False
        now = time.monotonic()
        *lines, self._rest = (self._rest + os.read(self._file, 65536)).split(b"\n")
        self._rings += [Ring(line.decode(), now) for line in lines]
        return True

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that were free just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


class Cluster:
    """`count` nodes `n0`, `n1`, ... with default timing; scripts for the given events ring the bell.

    Use as a context manager: leaving ends every process that it started, and removes its folder.
    """

    def __init__(self, count: int, *, scripts: dict[str, str] | None = None, settings: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="les-bench-"))
        self.bell = Bell(self.folder / "bell")
        self.ports = free_ports(count)
        self.nodes = [f"n{number}" for number in range(count)]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        seeds = [f"127.0.0.1:{port}" for port in self.ports]
        for name, port in zip(self.nodes, self.ports, strict=True):
            self._lay_out(name, port, seeds, scripts or {}, settings)

    def _lay_out(self, name: str, port: int, seeds: list[str], scripts: dict[str, str], settings: str) -> None:
        home = self.folder / name
        for event, body in scripts.items():
            script = home / "hooks.d" / f"{event}.d" / "10-ring"
            script.parent.mkdir(parents=True)
            script.write_text(f"#!/bin/sh\nBELL={self.folder}/bell\n{body}\n", encoding="utf-8")
            script.chmod(0o755)
        home.mkdir(exist_ok=True)
        (home / "les.toml").write_text(
            f'[node]\nname = "{name}"\nbind = "127.0.0.1:{port}"\nstate_dir = "state"\n'
            f'[cluster]\nname = "bench"\nseeds = {seeds}\n[log]\nformat = "json"\n{settings}',
            encoding="utf-8",
        )

    def start(self, name: str) -> None:
        """Start the daemon of that node."""
        home = self.folder / name
        with (home / "log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [sys.executable, "-m", "les_hooks", "run", "-c", str(home / "les.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, name: str, number: signal.Signals) -> float:
        """Send the signal; returns the moment just before."""
        moment = time.monotonic()
        self.daemons[name].send_signal(number)
        return moment

    def end(self, name: str) -> None:
        """Wait for a daemon that was told or made to end."""
        self.daemons.pop(name).wait(_PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for daemon in self.daemons.values():
            daemon.send_signal(signal.SIGCONT)
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(_PATIENCE_SECONDS / 4)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.bell.close()
        shutil.rmtree(self.folder, ignore_errors=True)
