"""The demo's daemons: real processes, `python -m les_hooks run`, in one temporary folder. Imported by `director`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from les_hooks.demo import orphans
from les_hooks.demo.ports import free_ports, is_free
from les_hooks.demo.scenery import furnish, write_config

__all__ = ["Fleet"]

_POLITE_SECONDS: Final = 6.0
"""As long as the daemons have to stop, their scripts included, before they are killed."""
_KILL_SECONDS: Final = 5.0
_LONGEST_LINE_BYTES: Final = 64 * 1024
# What a service manager tells its service is not meant for the daemons, nor are its folders.
_PRIVATE: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "STATE_DIRECTORY"})

OnLine = Callable[[str, str], None]
OnExit = Callable[[str], None]


class Fleet:
    """The nodes, by name; `on_line` gets each line of a node's log, `on_exit` hears of each end.

    To be used inside the running loop, and closed in the end, whatever happens.
    """

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[str],
        *,
        on_line: OnLine,
        on_exit: OnExit,
        choose_ports: Callable[[int], list[int]] = free_ports,
    ) -> None:
        """Nothing runs yet; the folder gets its scripts."""
        self.folder = folder
        self.nodes = tuple(nodes)
        self.addresses: dict[str, str] = {}
        self._on_line = on_line
        self._on_exit = on_exit
        self._choose_ports = choose_ports
        self._daemons: dict[str, _Daemon] = {}
        self._empty = asyncio.Event()
        self._pipes: list[_Lines] = []
        self._spared = frozenset(orphans.descendants())
        orphans.adopt_orphans()
        furnish(folder)

    def find_room(self) -> None:
        """Choose a free port for each node, and write their configurations. Raises OSError."""
        ports = self._choose_ports(len(self.nodes))
        self.addresses = {node: f"127.0.0.1:{port}" for node, port in zip(self.nodes, ports, strict=True)}
        for node in self.nodes:
            write_config(self.folder, node, self.addresses)

    def has_room(self, node: str) -> bool:
        """Whether the port of a node that does not run is still free."""
        return is_free(int(self.addresses[node].rpartition(":")[2]))

    def config(self, node: str) -> Path:
        """The node's `les.toml`."""
        return self.folder / f"{node}.toml"

    def start(self, node: str) -> None:
        """Start the node's daemon. Raises OSError."""
        lines = _Lines(lambda line: self._on_line(node, line))
        self._pipes.append(lines)
        try:
            # A session of its own: the terminal's Ctrl-C is for the demo, which then ends the daemons in order.
            process = subprocess.Popen(  # noqa: S603  (our own program)
                [sys.executable, "-P", "-m", "les_hooks", "run", "-c", str(self.config(node))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=lines.writer,
                cwd=self.folder,
                env={key: value for key, value in os.environ.items() if key not in _PRIVATE},
                start_new_session=True,
            )
        finally:
            lines.close_writer()
        self._empty.clear()
        self._daemons[node] = _Daemon(process, lambda: self._ended(node))

    def pid(self, node: str) -> int:
        """The process of a node that runs."""
        return self._daemons[node].process.pid

    def signal(self, node: str, number: signal.Signals) -> None:
        """Send a signal to the node's daemon, and to nobody else."""
        self._daemons[node].process.send_signal(number)

    async def close(self) -> None:
        """End all daemons, first politely, then everything that they left; may be called again."""
        for node in self._daemons:
            self.signal(node, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLITE_SECONDS if self._daemons else 0.0):
                await self._empty.wait()
        orphans.end_descendants(self._spared, _KILL_SECONDS)
        for node in list(self._daemons):
            self._daemons[node].reap()
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()

    def _ended(self, node: str) -> None:
        del self._daemons[node]
        if not self._daemons:
            self._empty.set()
        self._on_exit(node)


class _Daemon:
    """A process whose end is seen at once, although others may still hold its pipe."""

    def __init__(self, process: "subprocess.Popen[bytes]", on_exit: Callable[[], None]) -> None:
        self.process = process
        self._on_exit = on_exit
        self._fd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._fd, self.reap)

    def reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self.process.poll()
        self._on_exit()


class _Lines:
    """The reading end of a pipe, line by line; a longer one than is reasonable is cut."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._on_line = on_line
        self._rest = b""
        asyncio.get_running_loop().add_reader(self._reader, self._read)

    def _read(self) -> None:
        data = os.read(self._reader, _LONGEST_LINE_BYTES)
        if not data:
            self.close()
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_LINE_BYTES]
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def close_writer(self) -> None:
        os.close(self.writer)

    def close(self) -> None:
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
