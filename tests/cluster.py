"""Clusters of real daemons on loopback: `les run` as a process each, in folders of their own, with short timings.

    with Cluster(tmp_path, 3) as cluster:
        leader = cluster.wait_leader()
        leader.kill()

Waiting is done by asking the daemons, and has a limit. Only processes that were started here are ended here.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from les_hooks.control.client import call
from les_hooks.errors import ControlError

__all__ = ["Cluster", "Daemon", "close", "free_ports", "until"]

_Seen = TypeVar("_Seen")

TIMING = """
[timing]
heartbeat = "100ms"
failure = "500ms"
settle = "100ms"
retry = "100ms"
hold = "1s"
"""

LIMIT_SECONDS = 15.0
_LOOK_SECONDS = 0.02


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until(look: Callable[[], _Seen | None], what: str, limit: float = LIMIT_SECONDS) -> _Seen:
    """Look until there is something true to see, and return it."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_LOOK_SECONDS)
    raise AssertionError(f"not within {limit:g} s: {what}")


class Daemon:
    """One node: its folder with `les.toml` and `hooks.d`, and its process while there is one.

    `inside` stands before the command: where the process is to run.
    """

    inside: Sequence[str] = ()

    def __init__(self, folder: Path, port: int, seeds: Sequence[int], more: str = "") -> None:
        self.folder = folder
        self.name = folder.name
        self.address = f"127.0.0.1:{port}"
        self.config = folder / "les.toml"
        self.socket = folder / "state" / "control.sock"
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "hooks.d").mkdir(parents=True)
        listed = ", ".join(f'"127.0.0.1:{seed}"' for seed in seeds)
        self.config.write_text(
            f'[node]\nname = "{self.name}"\nbind = "{self.address}"\nstate_dir = "state"\n'
            f"[cluster]\nseeds = [{listed}]\n{TIMING}{more}"
        )

    def start(self, *flags: str, environ: Mapping[str, str] | None = None, log: IO[bytes] | None = None) -> Self:
        """Start the process; its log goes to the file `log`, if it is not to go elsewhere."""
        with self.log.open("ab") if log is None else contextlib.nullcontext(log) as out:
            self.process = subprocess.Popen(
                [*self.inside, sys.executable, "-m", "les_hooks", "run", "-c", str(self.config), *flags],
                cwd=self.folder,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self

    def script(self, event: str, name: str, text: str) -> Path:
        """Put a shell script into `hooks.d`; `event` may be empty, for every event."""
        folder = self.folder / "hooks.d" / (f"{event}.d" if event else "")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def les(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command about this node, as a process of its own."""
        argv = [sys.executable, "-m", "les_hooks", *words, "-c", str(self.config)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd=self.folder)

    def ask(self, action: str, **arguments: object) -> Any:
        """Ask over the control socket; raises ControlError where nobody answers."""
        return call(self.socket, action, arguments)

    def status(self) -> Mapping[str, Any]:
        """The answer of `les status`, empty where nobody answers."""
        try:
            found: Mapping[str, Any] = self.ask("status")
        except ControlError:
            return {}
        return found

    def wait(self, predicate: Callable[[Mapping[str, Any]], object], what: str) -> Mapping[str, Any]:
        """Wait until the node's status is so, and return it."""

        def look() -> Mapping[str, Any]:
            status = self.status()
            if not status:
                assert self.running, f"{self.name} has ended: {self.said()}"
                return {}
            return status if predicate(status) else {}

        return until(look, f"{self.name} {what}")

    def wait_settled(self) -> Mapping[str, Any]:
        """Wait until the node has accepted a leader."""
        return self.wait(lambda status: status["settled"] and status["leader"], "accepts a leader")

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        assert self.process is not None
        return self.process.wait(LIMIT_SECONDS)

    def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        self.ended()

    def said(self) -> str:
        """What it has written to its log."""
        return self.log.read_text() if self.log.exists() else ""


def close(daemons: Sequence[Daemon]) -> None:
    """Ask those that run to leave, and kill those that do not."""
    for daemon in daemons:
        if daemon.running:
            daemon.signal(signal.SIGTERM)
    for daemon in daemons:
        if daemon.process is not None:
            try:
                daemon.process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
    for daemon in daemons:
        # The guard of one that was killed may still be cleaning up, and must not outlive the folder.
        if daemon.process is not None and daemon.process.returncode != 0:
            daemon.les("cleanup", "--wait", "20")


class Cluster:
    """So many daemons, named a, b, c ...; `more` is further text for each `les.toml`. Ends them all when it closes."""

    def __init__(self, folder: Path, count: int, more: str = "") -> None:
        ports = free_ports(count)
        self.daemons = [Daemon(folder / chr(ord("a") + i), port, ports, more) for i, port in enumerate(ports)]

    def start(self) -> Self:
        """Start those that do not run."""
        for daemon in self.daemons:
            if not daemon.running:
                daemon.start()
        return self

    def wait_leader(self) -> Daemon:
        """Wait until all that run accept one leader and see each other, and return it."""
        running = [daemon for daemon in self.daemons if daemon.running]

        def look() -> Daemon | None:
            statuses = [daemon.status() for daemon in running]
            leaders = {status.get("leader") for status in statuses}
            complete = all(len(status.get("members", ())) == len(running) for status in statuses)
            if len(leaders) != 1 or not complete:
                return None
            return next((daemon for daemon in running if daemon.address in leaders), None)

        return until(look, "one leader for all")

    def close(self) -> None:
        """End them all."""
        close(self.daemons)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
