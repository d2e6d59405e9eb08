"""What becomes of an address while hosts fail: who holds it, and whether a client is answered. For tests and benchmark.

Times are seconds of the monotonic clock, which all processes of this machine share.
"""

import bisect
import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import until
from tests.network.echo import RECORD, STALL
from tests.network.lan import Host

__all__ = ["ECHO_SECONDS", "Answers", "Holding", "Watch", "side_by_side"]

ECHO_SECONDS = 0.005
"""From one echo of the client to the next."""

_FOLDER = Path(__file__).parent
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """From `at` on, these hosts (by their numbers) hold the address."""

    at: float
    hosts: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """When answers came; `stalls` are the times during which the client itself was too late to ask."""

    at: Sequence[float]
    stalls: Sequence[tuple[float, float]]

    def hole(self, begin: float, end: float) -> float:
        """The longest time without an answer of which a part lies between the two."""
        first, last = bisect.bisect_right(self.at, begin), bisect.bisect_left(self.at, end)
        before = self.at[first - 1] if first else begin
        # The one that ends it may come later.
        after = self.at[last] if last < len(self.at) else end
        return max(there - here for here, there in pairwise([before, *self.at[first:last], after]))

    def stalled(self, begin: float, end: float) -> float:
        """The longest time between the two for which the client did not ask: so much of a hole is its own."""
        return max([0.0, *(min(there, end) - max(here, begin) for here, there in self.stalls)])


class Watch:
    """A client that asks each address, and a look at who holds it. Use as a context manager.

    `away` tells which hosts the client cannot reach, and since when: they do not count as holders.
    """

    def __init__(self, folder: Path, hosts: Sequence[Host], client: Host, addresses: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.addresses = tuple(addresses)
        self.hosts = tuple(hosts)
        self._client = client
        self._echoes, self._holders, self._errors = folder / "echoes", folder / "holders", folder / "errors"
        self._running: list[subprocess.Popen[bytes]] = []
        self._away: list[tuple[int, float, float]] = []
        self._read = 0
        self._answers: list[list[float]] = [[] for _ in addresses]
        self._stalls: list[tuple[float, float]] = []

    def __enter__(self) -> Self:
        self._echoes.write_bytes(b"")
        names = ",".join(host.namespace for host in self.hosts)
        looker = [str(_FOLDER / "holders.py"), names, *self.addresses]
        pinger = [str(_FOLDER / "echo.py"), str(self._echoes), str(ECHO_SECONDS), *self.addresses]
        try:
            with self._holders.open("wb") as said, self._errors.open("wb") as errors:
                for inside, words in (((), looker), (self._client.inside, pinger)):
                    command = [*inside, sys.executable, "-IS", *words]
                    # A Ctrl-C is for the one that watches, which ends them.
                    process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=said, stderr=errors, start_new_session=True
                    )
                    self._running.append(process)
            until(lambda: self._said() and self._echoes.stat().st_size, f"look and client have begun: {self.errors}")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End both; what they found stays."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    @property
    def errors(self) -> str:
        """What either complained of."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def away(self, host: Host, since: float) -> None:
        """The client cannot reach this host from now on."""
        self._away.append((host.number, since, float("inf")))

    def back(self, host: Host) -> None:
        """The client can reach it again."""
        now = time.monotonic()
        self._away = [(n, a, min(b, now) if n == host.number else b) for n, a, b in self._away]

    def everywhere(self, address: str) -> list[Holding]:
        """Who held the address and since when, reachable or not."""
        column = 1 + self.addresses.index(address)
        return [
            Holding(at=float(words[0]), hosts=self._hosts_of(int(words[column])))
            for words in self._said()
            if words[0] != "looked"
        ]

    def holdings(self, address: str) -> list[Holding]:
        """Who held the address and since when, of the hosts that the client could reach."""
        held = self.everywhere(address)
        edges = {each.at for each in held} | {at for _, a, b in self._away for at in (a, b) if at < float("inf")}
        found: list[Holding] = []
        for at in sorted(edges):
            hosts = next((each.hosts for each in reversed(held) if each.at <= at), frozenset())
            hosts -= {number for number, begin, end in self._away if begin <= at < end}
            if not found or found[-1].hosts != hosts:
                found.append(Holding(at=at, hosts=hosts))
        return found

    def holders(self, address: str) -> frozenset[int]:
        """Who holds it now, of the hosts that the client can reach."""
        return self.holdings(address)[-1].hosts

    def answers(self, address: str) -> Answers:
        """All until now."""
        self._listen()
        return Answers(at=self._answers[self.addresses.index(address)], stalls=self._stalls)

    def looks(self) -> tuple[int, float]:
        """After `close`: how often the holders were looked at, and the longest time for which they were not."""
        *_, words = self._said()
        return (int(words[1]), float(words[2])) if words[0] == "looked" else (0, float("inf"))

    def _hosts_of(self, total: int) -> frozenset[int]:
        return frozenset(host.number for place, host in enumerate(self.hosts) if total >> place & 1)

    def _said(self) -> list[list[str]]:
        with contextlib.suppress(FileNotFoundError):
            lines = self._holders.read_text(encoding="ascii").splitlines(keepends=True)
            return [line.split() for line in lines if line.endswith("\n")]
        return []

    def _listen(self) -> None:
        with self._echoes.open("rb") as file:
            file.seek(self._read)
            news = file.read()
        whole = len(news) // RECORD.size * RECORD.size
        self._read += whole
        for number, sent, at in RECORD.iter_unpack(news[:whole]):
            if number == STALL:
                self._stalls.append((sent, at))
            else:
                self._answers[number].append(at)


def side_by_side(holdings: Sequence[Holding], begin: float, end: float) -> float:
    """For how long, in all, two or more held the address between the two times, seconds."""
    edges = [*holdings, Holding(at=end, hosts=frozenset())]
    return sum(
        max(0.0, min(after.at, end) - max(here.at, begin)) for here, after in pairwise(edges) if len(here.hosts) > 1
    )
