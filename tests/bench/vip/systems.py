"""Programs that move an address, each on every host of a network: what the benchmark of addresses compares."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.network.lan import Host, Lan
from tests.network.strikes import signal_all, take_away
from tests.network.vip import ADDRESSES

__all__ = ["Program", "System"]

_END_SECONDS = 10.0


class System(Protocol):
    """One of them in one setting, on the hosts of one network."""

    @property
    def addresses(self) -> Sequence[str]:
        """What it moves."""

    @property
    def calm_seconds(self) -> float:
        """How long one holder must last, after a start of any node, until nothing more is under way."""

    def main(self, host: Host) -> int:
        """The process there that its operator ends."""

    def start(self) -> None:
        """Start it on every host on which it does not run."""

    def ready(self) -> bool:
        """Whether every node has joined, as far as it can be asked."""

    def close(self) -> None:
        """End all of it."""


class Program:
    """A system that is one command on each host; to be derived from."""

    addresses: Sequence[str] = ADDRESSES
    calm_seconds = 1.0

    def __init__(self, folder: Path, lan: Lan) -> None:
        self._folder = folder
        self._lan = lan
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        for host in lan.hosts:
            self._home(host).mkdir(parents=True)
            self.write(host, self._home(host))

    def write(self, host: Host, home: Path) -> None:
        """Write the configuration of that host."""
        raise NotImplementedError

    def command(self, host: Host, home: Path) -> Sequence[str]:
        """What runs there, in the foreground."""
        raise NotImplementedError

    def main(self, host: Host) -> int:
        """The process that was started there."""
        return self._running[host.number].pid

    def start(self) -> None:
        """Start it on every host on which it does not run, after clearing up what it left there."""
        for host in self._lan.hosts:
            if host.number in self._running and self._running[host.number].poll() is None:
                continue
            signal_all(host, signal.SIGKILL)
            for address in self.addresses:
                take_away(host, address)
            with (self._home(host) / "log").open("ab") as log:
                self._running[host.number] = subprocess.Popen(
                    [*host.inside, *self.command(host, self._home(host))],
                    cwd=self._home(host),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def ready(self) -> bool:
        """It cannot be asked; so many seconds with one holder must do."""
        return all(process.poll() is None for process in self._running.values())

    def close(self) -> None:
        """Whatever runs on the hosts ends."""
        for host in self._lan.hosts:
            if host.namespace in self._lan.booted:
                signal_all(host, signal.SIGKILL)
        for process in self._running.values():
            process.wait(_END_SECONDS)

    def _home(self, host: Host) -> Path:
        return self._folder / str(host.number)
