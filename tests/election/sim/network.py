"""Links between processes, on paths that are slow, cut one way or both, or refused by a firewall.

A link behaves as TCP does: what is sent in one direction arrives in its order, waits at a cut, and is lost when the
link breaks; an end that is closed is noticed at the other one when the news gets through. On a `loose` network, which
no machine of ours should have to bear, frames are also lost, doubled, reordered, and delivered on the next link.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from les_hooks.election.frames import Frame, Grant, Release, Request
from les_hooks.members import Address
from tests.election.sim.hosts import Process

__all__ = ["Loose", "Network", "Stream"]

Path = tuple[str, str]
Later = Callable[..., None]

# Two processes that dial each other at the same moment make two links, and both keep the same one of them.
_CROSSING = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """Chances of what may befall a frame; `late` bounds how many seconds one may be late.

    `stray`: how often a frame about votes comes once more, at any time until then.
    """

    lost: float
    doubled: float
    reordered: float
    late: float
    stray: float


class Stream:
    """One link: the process that dialed, the one that accepted, and what waits in each direction at a cut."""

    __slots__ = ("acceptor", "dialer", "floors", "held", "since")

    def __init__(self, dialer: Process, acceptor: Process, since: float) -> None:
        self.dialer = dialer
        self.acceptor = acceptor
        self.since = since
        # When the last frame arrives, and what waits, by the process that sent it.
        self.floors = {dialer: since, acceptor: since}
        self.held: dict[Process, list[Frame | None]] = {dialer: [], acceptor: []}

    def other(self, process: Process) -> Process:
        """The process at the other end."""
        return self.acceptor if process is self.dialer else self.dialer


@dataclass(slots=True)
class Network:
    """`at` puts something in the calendar. `hear` and `broke` tell a process of a frame, and of a link that ended.

    `hasty`: who accepts a link knows of it before who dialed. `delays` are the seconds of a path, `delay` those of all
    others; each frame may take `jitter` times as much more.
    """

    at: Later
    hear: Callable[[Process, Address, Frame], None]
    broke: Callable[[Process, Address], None]
    draw: random.Random
    delay: float = 0.001
    jitter: float = 0.0
    hasty: bool = False
    delays: dict[Path, float] = field(default_factory=dict)
    cuts: set[Path] = field(default_factory=set)
    refusals: set[Path] = field(default_factory=set)
    loose: Loose | None = None
    waiting: list[Stream] = field(default_factory=list)

    def seconds(self, sender: str, receiver: str) -> float:
        """How long the next thing takes on this path."""
        delay = self.delays.get((sender, receiver), self.delay)
        return delay * (1.0 + self.jitter * self.draw.random()) if self.jitter else delay

    def slowest(self) -> float:
        """The longest that anything takes on any path."""
        return max(self.delay, *self.delays.values(), 0.0) * (1.0 + self.jitter)

    # -- opening and closing -------------------------------------------------------------------------------------------

    def admit(self, dialer: Process, acceptor: Process, now: float) -> Stream | None:
        """Make a link at the end that accepts; None where the one that crosses it is kept."""
        address = dialer.host.address
        old = acceptor.links.get(address)
        if old is not None:
            crossing = old.other(acceptor) is dialer and now - old.since < _CROSSING
            if crossing and old.dialer.host.address < address:
                return None
            same = old.other(acceptor).boot == dialer.boot
            self.close(acceptor, address, now)
            if not same:
                self.broke(acceptor, address)
        stream = Stream(dialer, acceptor, now)
        acceptor.links[address] = stream
        return stream

    def close(self, process: Process, address: Address, now: float) -> None:
        """End the link at this end; the other one hears of it when it can."""
        stream = process.links.pop(address, None)
        if stream is not None:
            stream.held[process].clear()
            self._send(stream, process, None, now)

    def reset(self, process: Process, address: Address, now: float) -> None:
        """Break the link under both ends."""
        self.close(process, address, now)
        self.at(now, self._lost, process, address)

    def _lost(self, process: Process, address: Address, now: float) -> None:
        if address not in process.links:
            self.broke(process, address)

    # -- frames --------------------------------------------------------------------------------------------------------

    def send(self, process: Process, address: Address, frame: Frame, now: float) -> None:
        """Send a frame over the link to this address; nothing happens if there is none."""
        stream = process.links.get(address)
        if stream is None:
            return
        if self.loose is None:
            self._send(stream, process, frame, now)
        else:
            self._send_loosely(self.loose, stream, process, frame, now)

    def _send(self, stream: Stream, process: Process, frame: Frame | None, now: float) -> None:
        receiver = stream.acceptor if process is stream.dialer else stream.dialer
        path = (process.host.address, receiver.host.address)
        if path in self.cuts:
            self._hold(stream, process, frame)
            return
        delay = self.delays.get(path, self.delay)
        if self.jitter:
            delay *= 1.0 + self.jitter * self.draw.random()
        floors = stream.floors
        moment = floors[process] = max(now + delay, floors[process])
        self.at(moment, self._arrive, stream, receiver, process, frame)

    def _send_loosely(self, loose: Loose, stream: Stream, process: Process, frame: Frame, now: float) -> None:
        receiver = stream.other(process)
        path = (process.host.address, receiver.host.address)
        draw = self.draw
        if isinstance(frame, Request | Grant | Release) and draw.random() < loose.stray:
            self.at(now + draw.random() * loose.late, self._arrive, stream, receiver, process, frame)
        copies = 2 if draw.random() < loose.doubled else 1
        for _ in range(copies):
            if draw.random() < loose.lost:
                continue
            if path in self.cuts:
                if draw.random() < 0.5:
                    self._hold(stream, process, frame)
                continue
            moment = now + self.seconds(*path)
            if draw.random() < loose.reordered:
                moment += draw.random() ** 3 * loose.late
            self.at(moment, self._arrive, stream, receiver, process, frame)

    def _hold(self, stream: Stream, process: Process, frame: Frame | None) -> None:
        if not any(stream.held.values()):
            self.waiting.append(stream)
        stream.held[process].append(frame)

    def _arrive(self, stream: Stream, receiver: Process, sender: Process, frame: Frame | None, now: float) -> None:
        host = receiver.host
        address = sender.host.address
        current = receiver.links.get(address)
        if frame is None:
            if current is stream:
                del receiver.links[address]
                self.broke(receiver, address)
        elif host.process is receiver and current is not None and self._takes(stream, receiver, sender):
            self.hear(receiver, address, frame)
        elif host.powered and sender.links.get(host.address) is stream:
            self._send(stream, receiver, None, now)

    def _takes(self, stream: Stream, receiver: Process, sender: Process) -> bool:
        """Whether a frame of this link is heard: on a loose network also one of a link that another has replaced."""
        current = receiver.links[sender.host.address]
        return current is stream or (self.loose is not None and current.other(receiver) is sender)

    # -- paths ---------------------------------------------------------------------------------------------------------

    def passes(self, one: str, other: str) -> bool:
        """Whether the path is open both ways."""
        return (one, other) not in self.cuts and (other, one) not in self.cuts

    def release(self, now: float) -> None:
        """Let go what waits on paths that are open again."""
        waiting, self.waiting = self.waiting, []
        for stream in waiting:
            held, stream.held = stream.held, {stream.dialer: [], stream.acceptor: []}
            for process, frames in held.items():
                for frame in frames:
                    self._send(stream, process, frame, now)
