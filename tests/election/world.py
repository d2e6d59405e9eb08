"""A virtual network of machines with virtual clocks: what the shell does, without sockets, tasks or waiting.

Links behave as TCP does: in order, nothing lost; what is sent into a cut waits until it heals or the link is closed.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from les_hooks.election.effects import Changed, Dial, Drop, Effect, Left, Pledge, Save, Send
from les_hooks.election.frames import Electorate, Farewell, Frame, Hello
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.machine import Machine
from les_hooks.election.messages import (
    DialFailed,
    Heard,
    Instant,
    Leave,
    LinkDown,
    LinkUp,
    Message,
    Pledged,
    PledgeFailed,
    Released,
    Saved,
    SaveFailed,
    SeedsKnown,
)
from les_hooks.members import Address, Boot, Part, View

START = 1_700_000_000.0
DELAY = 0.001
RETRY = 1.0
DIAL_TIMEOUT = 1.5


@dataclass
class Host:
    """A machine room's view of one node: its process, its clock, its disk."""

    address: Address
    machine: Machine | None = None
    counter: int = 0
    memory: Memory = field(default_factory=Memory)
    wall_offset: float = 0.0
    paused: bool = False
    disk_broken: bool = False
    demote_seconds: float = 0.0
    led: bool = False
    dialing: set[Address] = field(default_factory=set)
    views: list[tuple[float, View]] = field(default_factory=list)
    waiting: list[Message] = field(default_factory=list)


@dataclass
class Wire:
    """One open link between two processes."""

    ends: tuple[Address, Address]
    boots: tuple[Boot, Boot]
    held: list[tuple[Address, Address, Frame]] = field(default_factory=list)
    broken: bool = False


class World:
    """Hosts, links and time. Addresses are single words; `cut` and `mend` take pairs of them."""

    def __init__(
        self,
        *names: str,
        timing: Timing | None = None,
        delay: float = DELAY,
        voters: str = "",
        parts: dict[str, Part] | None = None,
    ) -> None:
        self.now = 0.0
        self.timing = timing or Timing()
        self.parts = parts or {}
        self.electorate = Electorate(tuple(sorted(voters)), self.timing.lease) if voters else None
        self.delay = delay
        self.hosts = {Address(name): Host(Address(name)) for name in names}
        self.cuts: set[frozenset[str]] = set()
        self.refusals: set[frozenset[str]] = set()
        self.wires: dict[frozenset[str], Wire] = {}
        self.calendar: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()

    # -- what a test does ----------------------------------------------------------------------------------------------

    def start(self, name: str, *, seeds: str | None = None) -> None:
        """Start a process on the host; its seeds are all hosts unless they are named."""
        host = self.hosts[Address(name)]
        host.counter += 1
        identity = Identity(
            address=host.address,
            name=name,
            version="1",
            boot=Boot(host.counter, name),
            part=self.parts.get(name, Part.MEMBER),
        )
        host.machine = Machine(
            identity=identity,
            timing=self.timing,
            memory=host.memory,
            electorate=self.electorate,
            now=self.instant(host),
        )
        host.dialing = set()
        host.paused = host.led = False
        host.waiting = []
        chosen = self.hosts if seeds is None else seeds.split()
        others = frozenset(Address(seed) for seed in chosen) - {host.address}
        self.give(name, SeedsKnown(addresses=others, configured=bool(chosen)))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.calendar and self.calendar[0][0] <= end:
            moment, _, action = heapq.heappop(self.calendar)
            self.now = max(self.now, moment)
            action()
        self.now = end

    def kill(self, name: str) -> None:
        """The process dies, its host lives: links break, and the host refuses."""
        host = self.hosts[Address(name)]
        host.machine = None
        for wire in self._wires_of(host.address):
            self._break(wire)

    def lose(self, name: str) -> None:
        """The host loses its power: silence."""
        for other in self.hosts:
            self.cut(name, other)
        self.hosts[Address(name)].machine = None

    def leave(self, name: str) -> None:
        """The node is told to stop."""
        self.give(name, Leave())

    def pause(self, name: str) -> None:
        """The process does not run, while its host accepts for it."""
        self.hosts[Address(name)].paused = True

    def resume(self, name: str) -> None:
        """The process runs again, and finds what came meanwhile."""
        host = self.hosts[Address(name)]
        host.paused = False
        waiting, host.waiting = host.waiting, []
        self._call(host, lambda machine: machine.tick(self.instant(host)))
        for message in waiting:
            self.give(name, message)

    def cut(self, one: str, other: str) -> None:
        """Nothing passes between the two any more."""
        self.cuts.add(frozenset((one, other)))

    def refuse(self, one: str, other: str) -> None:
        """A firewall between the two breaks their link and refuses new ones."""
        self.refusals.add(frozenset((one, other)))
        wire = self.wires.get(frozenset((one, other)))
        if wire is not None:
            self._break(wire)

    def mend(self, one: str, other: str) -> None:
        """Everything passes again; what was held arrives."""
        self.cuts.discard(frozenset((one, other)))
        self.refusals.discard(frozenset((one, other)))
        wire = self.wires.get(frozenset((one, other)))
        if wire is not None:
            if wire.broken:
                self._break(wire)
            held, wire.held = wire.held, []
            for sender, receiver, frame in held:
                self._carry(wire, sender, receiver, frame)

    def give(self, name: str, message: Message) -> None:
        """Hand the node a message now."""
        host = self.hosts[Address(name)]
        if host.paused:
            host.waiting.append(message)
        else:
            self._call(host, lambda machine: machine.receive(message, self.instant(host)))

    # -- what a test asks ----------------------------------------------------------------------------------------------

    def instant(self, host: Host) -> Instant:
        """The host's clocks."""
        return Instant(boottime=self.now, wall=START + self.now + host.wall_offset)

    def machine(self, name: str) -> Machine:
        """The running machine of that name."""
        machine = self.hosts[Address(name)].machine
        assert machine is not None, f"{name} does not run"
        return machine

    def memory(self, name: str, **changes: Any) -> Memory:
        """What the host's disk remembers, with these changes; a disk that was written to unless they say otherwise."""
        return replace(self.hosts[Address(name)].memory, **{"kept": True, **changes})

    def leaders(self) -> str:
        """The nodes that lead, in one word."""
        return "".join(n for n, host in sorted(self.hosts.items()) if host.machine and host.machine.view.leading)

    def leader_of(self, name: str) -> str | None:
        """Whom the node accepts."""
        return self.machine(name).view.leader

    def members_of(self, name: str) -> str:
        """The members that the node lists, by seniority, in one word."""
        return "".join(member.address for member in self.machine(name).view.members)

    def views(self, name: str) -> list[View]:
        """All views of the node so far."""
        return [view for _, view in self.hosts[Address(name)].views]

    def departures(self, name: str) -> list[tuple[str, str]]:
        """All that the node saw go, and why."""
        return [(gone.address, str(gone.reason)) for view in self.views(name) for gone in view.departed]

    # -- the shell -----------------------------------------------------------------------------------------------------

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do this then."""
        heapq.heappush(self.calendar, (moment, next(self.order), action))

    def _call(self, host: Host, call: Callable[[Machine], list[Effect]]) -> None:
        machine = host.machine
        if machine is None:
            return
        for effect in call(machine):
            self._carry_out(host, machine, effect)
        deadline = machine.next_deadline()
        if deadline != float("inf"):
            self.at(max(deadline, self.now), lambda: self._tick(host, machine, deadline))

    def _tick(self, host: Host, machine: Machine, deadline: float) -> None:
        if host.machine is machine and not host.paused and machine.next_deadline() <= deadline:
            self._call(host, lambda present: present.tick(self.instant(host)))

    def _carry_out(self, host: Host, machine: Machine, effect: Effect) -> None:
        match effect:
            case Dial(address=address):
                host.dialing.add(address)
                self._dial(host, machine, address)
            case Drop(address=address):
                host.dialing.discard(address)
                wire = self.wires.get(frozenset((host.address, address)))
                if wire is not None:
                    self._break(wire)
            case Send(address=address, frame=frame):
                wire = self.wires.get(frozenset((host.address, address)))
                if wire is not None and machine.identity.boot in wire.boots:
                    self._carry(wire, host.address, address, frame)
            case Save(term=term, newest=newest):
                self._save(host, machine, term, newest)
            case Pledge(term=term, boot=boot) if host.disk_broken:
                self._later(host, machine, self.delay, PledgeFailed(term=term, boot=boot))
            case Pledge(term=term, boot=boot):
                host.memory = replace(host.memory, granted_term=term, granted_boot=boot, longest_lease=effect.lease)
                self._later(host, machine, self.delay, Pledged(term=term, boot=boot))
            case Changed(view=view):
                host.views.append((self.now, view))
                led, host.led = host.led, view.leading
                if led and not view.leading:
                    self._later(host, machine, host.demote_seconds, Released())
            case Left():
                self.at(self.now + self.delay, lambda: self.kill(host.address))

    def _later(self, host: Host, machine: Machine, seconds: float, message: Message) -> None:
        def deliver() -> None:
            if host.machine is machine:
                self.give(host.address, message)

        self.at(self.now + seconds, deliver)

    def _save(self, host: Host, machine: Machine, term: int, newest: float) -> None:
        if host.disk_broken:
            self._later(host, machine, self.delay, SaveFailed(term=term))
        else:
            known = host.memory
            host.memory = replace(known, kept=True, term=max(known.term, term), newest=max(known.newest, newest))
            self._later(host, machine, self.delay, Saved(term=term))

    def _dial(self, host: Host, machine: Machine, address: Address) -> None:
        if host.machine is not machine or address not in host.dialing or self._wire(host.address, address):
            return
        if host.paused:
            self.at(self.now + RETRY, lambda: self._dial(host, machine, address))
            return
        target = self.hosts.get(address)
        path = frozenset((host.address, address))
        passes = path not in self.cuts and path not in self.wires
        open_ = target is not None and target.machine is not None and path not in self.refusals
        if target is not None and open_ and passes and not target.paused:
            self.at(self.now + self.delay, lambda: self._connect(host, machine, target))
            return
        refused = target is not None and passes and not open_
        self._later(
            host, machine, self.delay if refused else DIAL_TIMEOUT, DialFailed(address=address, refused=refused)
        )
        self.at(self.now + RETRY, lambda: self._dial(host, machine, address))

    def _connect(self, host: Host, machine: Machine, target: Host) -> None:
        if host.machine is not machine or target.machine is None or self._wire(host.address, target.address):
            return
        if host.paused or target.paused:
            self.at(self.now + RETRY, lambda: self._dial(host, machine, target.address))
            return
        there = target.machine
        boots = (machine.identity.boot, there.identity.boot)
        self.wires[frozenset((host.address, target.address))] = Wire((host.address, target.address), boots)
        self.give(host.address, LinkUp(hello=_hello(there), dialed=target.address))
        self.give(target.address, LinkUp(hello=_hello(machine), dialed=None))

    def _wire(self, one: str, other: str) -> Wire | None:
        wire = self.wires.get(frozenset((one, other)))
        return None if wire is None or wire.broken else wire

    def _wires_of(self, address: Address) -> list[Wire]:
        return [wire for ends, wire in list(self.wires.items()) if address in ends]

    def _carry(self, wire: Wire, sender: Address, receiver: Address, frame: Frame) -> None:
        if frozenset(wire.ends) in self.cuts:
            wire.held.append((sender, receiver, frame))
            return
        assert not isinstance(frame, Hello | Farewell)

        def arrive() -> None:
            if self.wires.get(frozenset(wire.ends)) is wire:
                self.give(receiver, Heard(sender=sender, frame=frame))

        self.at(self.now + self.delay, arrive)

    def _break(self, wire: Wire) -> None:
        """Close the link at both ends; behind a cut the news waits."""
        key = frozenset(wire.ends)
        if self.wires.get(key) is not wire:
            return
        if key in self.cuts:
            wire.broken = True
            return

        def notice() -> None:
            for one, other in (wire.ends, wire.ends[::-1]):
                host = self.hosts[one]
                machine = host.machine
                if machine is not None and machine.identity.boot in wire.boots:
                    self.give(one, LinkDown(address=other))
                    if other in host.dialing:
                        self._dial(host, machine, other)

        del self.wires[key]
        self.at(self.now + self.delay, notice)


def _hello(machine: Machine) -> Hello:
    identity = machine.identity
    return Hello(
        protocol=1,
        cluster="test",
        address=identity.address,
        name=identity.name,
        version=identity.version,
        boot=identity.boot,
    )
