"""What must hold at every step, each as a check of its own, looked at only where something has changed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from les_hooks.election.frames import Electorate
from les_hooks.election.identity import Memory, Timing
from les_hooks.election.roles import Role
from les_hooks.events import Event, EventKind, Reason
from les_hooks.members import Address, Boot, View
from tests.election.sim.hosts import Host, Process
from tests.election.sim.violation import Violation
from tests.election.sim.votes import Votes

__all__ = ["Watch"]

_ROUNDING = 1e-6

_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})


@dataclass(slots=True)
class Told:
    """What the events of one process add up to."""

    leading: bool = False
    started: bool = False
    seq: int = 0
    members: dict[Address, Boot] = field(default_factory=dict)
    newest: dict[Address, int] = field(default_factory=dict)
    demoted: bool = True


class Watch:
    """Told by the world of everything that happens; raises Violation.

    `are_linked`: both run, and nothing is between them. `is_loose`: frames get lost, so that links prove nothing.
    `is_wiped`: a disk was lost, so that terms may repeat. `is_mixed`: originals take part, which know no manners.
    """

    def __init__(
        self, timing: Timing, electorate: Electorate | None, are_linked: Callable[[Address, Address], bool]
    ) -> None:
        self.are_linked = are_linked
        self.timing = timing
        self.electorate = electorate
        self.terms: dict[int, Process] = {}
        self.highest = 0
        self.led_by: dict[Address, tuple[int, int]] = {}
        self.holders: dict[Process, None] = {}
        # Who keeps what it took as a leader, until when by its own clock; and who let that time pass.
        self.keepers: dict[Process, float] = {}
        self.lapsed: set[Process] = set()
        self.votes = Votes(electorate) if electorate is not None else None
        self.stories: dict[Process, Told] = {}
        self.calm_since: dict[str, float] = {}
        self.slept_at: dict[str, float] = {}
        self.broken_at: dict[tuple[str, str], float] = {}
        self.restless: set[str] = set()
        self.moves = self.elections = 0
        # Who leads, since when; and when the last that did ended.
        self.reigns: dict[Process, float] = {}
        self.last_end = -1.0
        self.is_mixed = False
        self.is_wiped = False
        self.is_loose = False

    # -- authority -----------------------------------------------------------------------------------------------------

    def before(self, process: Process, now: float, boottime: float) -> None:
        """A machine has decided something, and nothing of it is done yet."""
        machine = process.machine
        if machine.role is Role.LEADER:
            mandate = machine.mandate
            if mandate.act_until <= boottime:
                raise Violation("a leader has authority", f"{_name(process)}: {mandate}, it is {boottime}")
            if self.electorate is not None:
                self._leaves_time(process)
                self.holders[process] = None
                if len(self.holders) > 1:
                    self._is_alone(process, now)
        if machine.role in _LEADING or process in self.keepers:
            self._keeps(process, now, boottime)

    def _keeps(self, process: Process, now: float, boottime: float) -> None:
        """What a leader took stays with one node at a time, and does not come back once its time was over."""
        if -math.inf < self.keepers.get(process, math.inf) <= boottime:
            self.lapsed.add(process)
        until = self.keepers[process] = process.machine.mandate.hold_until
        if until <= boottime:
            return
        if process in self.lapsed:
            raise Violation("what had to be gone is not kept again", f"{_name(process)}: {until}, it is {boottime}")
        if self.electorate is None:
            return
        for other in list(self.keepers):
            if other is not process and self.keeps_until(other) > now:
                why = f"{_name(process)} keeps what {_name(other)} keeps until {self.keeps_until(other):.3f}"
                raise Violation("never two nodes that keep what a leader took", why)
            if other.host.process is not other:
                self._let_go(other)

    def keeps_until(self, process: Process) -> float:
        """The true time at which what this process took as a leader is gone at the latest."""
        return process.host.clock.when(self.keepers[process])

    def _let_go(self, process: Process) -> None:
        self.keepers.pop(process, None)
        self.lapsed.discard(process)

    def _leaves_time(self, process: Process) -> None:
        """A leader stops acting a third of a lease before its authority ends."""
        mandate = process.machine.mandate
        if mandate.release_by - mandate.act_until < self.timing.lease / 3 - _ROUNDING:
            raise Violation("a leader leaves its demote hooks a third of a lease", f"{_name(process)}: {mandate}")

    def _is_alone(self, process: Process, now: float) -> None:
        for other in list(self.holders):
            if other is process:
                continue
            if self.holds(other, now):
                raise Violation(
                    "never two nodes with authority",
                    f"{_name(process)} leads in term {process.machine.state.led_term} while {_name(other)},"
                    f" {other.machine.role}, may act until {self.release_at(other):.3f}",
                )
            if other.host.process is not other:
                del self.holders[other]

    def holds(self, process: Process, now: float) -> bool:
        """Whether work of this process's leadership may run at this moment, its demotion included."""
        return process in self.holders and self.release_at(process) > now

    def release_at(self, process: Process) -> float:
        """The true time at which all work of its leadership has ended at the latest."""
        return process.host.clock.when(process.machine.mandate.release_by)

    def demoted(self, process: Process, now: float) -> None:
        """The demote hooks have ended, or were ended."""
        self.holders.pop(process, None)
        self._let_go(process)
        story = self.stories[process]
        if story.demoted:
            raise Violation("elected and demoted alternate", f"{_name(process)} ended a demotion twice")
        story.demoted = True

    def cleaned(self, process: Process, now: float) -> None:
        """What a dead process left has been undone."""
        self.holders.pop(process, None)
        self._let_go(process)

    def ended(self, process: Process, now: float) -> None:
        """The process is no more."""
        if self.reigns.pop(process, None) is not None:
            self.last_end = now

    def vanished(self, host: Host) -> None:
        """The host has lost its power: nothing runs on it any more, nor what a process that died has left."""
        self.holders = {process: None for process in self.holders if process.host is not host}
        for process in [process for process in self.keepers if process.host is host]:
            self._let_go(process)

    # -- steps ---------------------------------------------------------------------------------------------------------

    def wiped(self) -> None:
        """A disk was lost, and with it what it knew of terms."""
        self.is_wiped = True

    def started(self, process: Process, memory: Memory) -> None:
        """A process begins."""
        self.stories[process] = Told()
        if self.votes is not None:
            self.votes.started(process, memory)

    def ticked(self, process: Process, boottime: float, deadline: float) -> None:
        """What a machine did at a tick is done."""
        if deadline <= boottime:
            raise Violation("a machine never asks for a tick twice", f"{_name(process)}: {deadline} at {boottime}")

    # -- what hooks are told -------------------------------------------------------------------------------------------

    def told(self, process: Process, view: View, events: list[Event], now: float) -> None:
        """The view of a process has changed, and these are the events of it."""
        story = self.stories[process]
        if view.leading != (process.machine.role is Role.LEADER):
            raise Violation("a view says who leads", f"{_name(process)} is {process.machine.role}: {view}")
        for event in events:
            self._event(process, story, event, now)
        if view.settled:
            self._adds_up(process, story, view)

    def _event(self, process: Process, story: Told, event: Event, now: float) -> None:
        if event.seq != story.seq + 1:
            raise Violation("no event is lost or doubled", f"{_name(process)}: {event} after {story.seq}")
        story.seq = event.seq
        match event.kind:
            case EventKind.STARTED:
                if story.started:
                    raise Violation("no event is doubled", f"{_name(process)} started twice")
                story.started = True
            case EventKind.ELECTED:
                self._elected(process, story, event, now)
            case EventKind.REASSERTED:
                self._led(process, event.term)
            case EventKind.DEMOTED:
                if not story.leading:
                    raise Violation("elected and demoted alternate", f"{_name(process)}: {event}")
                story.leading = False
                story.demoted = False
                self._moved(process, event, now)
            case EventKind.MEMBER_JOINED:
                assert event.member is not None
                if event.member in story.members:
                    raise Violation("no event is doubled", f"{_name(process)}: {event.member} joined twice")
                story.members[Address(event.member)] = Boot(0, "")
            case EventKind.MEMBER_LEFT | EventKind.MEMBER_LOST:
                assert event.member is not None
                self._is_missed(process, event, now)
                if story.members.pop(Address(event.member), None) is None:
                    raise Violation("no event is out of order", f"{_name(process)}: {event.member} was no member")

    def _elected(self, process: Process, story: Told, event: Event, now: float) -> None:
        if story.leading or not story.demoted:
            raise Violation("elected and demoted alternate", f"{_name(process)}: {event}")
        story.leading = True
        self.elections += 1
        self.reigns[process] = now
        if self.electorate is not None:
            other = self.terms.setdefault(event.term, process)
            if other is not process and not self.is_wiped:
                raise Violation("one leader per term", f"{_name(process)} and {_name(other)} in {event.term}")
            if event.term <= self.highest and not self.is_wiped:
                raise Violation("terms strictly rise", f"{_name(process)} leads in {event.term} after {self.highest}")
            self.highest = event.term
        self._led(process, event.term)

    def _led(self, process: Process, term: int) -> None:
        disk = process.host.disk
        wiped, highest = self.led_by.get(process.host.address, (disk.wiped, 0))
        if wiped == disk.wiped and term <= highest:
            raise Violation("the terms of a node strictly rise", f"{_name(process)} leads in {term} after {highest}")
        if disk.memory.term < term:
            raise Violation("a term is on disk before it is used", f"{_name(process)}: {term}, disk {disk.memory}")
        self.led_by[process.host.address] = disk.wiped, term

    def _adds_up(self, process: Process, story: Told, view: View) -> None:
        seen = {member.address: member.boot for member in view.members if member.address != process.host.address}
        if seen.keys() != story.members.keys():
            told = sorted(story.members)
            raise Violation("no event is lost", f"{_name(process)} was told of {told}, sees {sorted(seen)}")
        for address, boot in seen.items():
            before = story.members[address]
            if before.nonce and before != boot:
                raise Violation("no event is lost", f"{_name(process)} was not told that {address} restarted")
            if boot.counter < story.newest.get(address, 0) and not self.is_loose:
                raise Violation(
                    "an older process is never taken for a newer one", f"{_name(process)}: {address} {boot}"
                )
            story.members[address] = boot
            story.newest[address] = boot.counter

    def _is_missed(self, process: Process, event: Event, now: float) -> None:
        """Who is well, and linked, is not taken for lost, whatever happened to who misses it."""
        member = Address(event.member or "")
        if event.reason is not Reason.TIMEOUT or self.is_loose or member not in self.calm_since:
            return
        me, patience = process.host.address, 3 * self.timing.failure
        since = self.calm_since.get(member, 0.0)
        # Who slept has heard nothing of what befell the other since, and whose link broke has to make a new one.
        woke_lately = self.calm_since.get(me, 0.0) > now - patience
        awake = self.slept_at.get(me, now) if woke_lately else now
        broken = self.broken_at.get((me, member), -math.inf)
        if since < awake - patience and broken < now - patience and self.are_linked(me, member):
            why = f"{_name(process)} misses {member}, which has been well since {since:.3f}"
            raise Violation("nobody is missed who is well", why)

    # -- stability -----------------------------------------------------------------------------------------------------

    def disturbed(self, now: float, *names: str) -> None:
        """Something happened to these hosts, or on the paths between them."""
        for name in names:
            self.calm_since[name] = now

    def sleeps(self, name: str, now: float) -> None:
        """A process stops, and others may have been silent for a while as far as it knows."""
        self.slept_at[name] = now
        if now - self.calm_since.get(name, 0.0) < 3 * self.timing.failure:
            self.restless.add(name)
        self.disturbed(now, name)

    def wakes(self, name: str, now: float) -> None:
        """A process goes on, and with it whatever it has missed before it slept."""
        self.disturbed(now, name)
        if name in self.restless:
            self.restless.remove(name)
            self.disturbed(now, *self.calm_since)

    def _moved(self, process: Process, event: Event, now: float) -> None:
        """Only orders, sleep and broken links move leadership: voters that are well and linked to it keep it alive."""
        self.moves += 1
        began = self.reigns.pop(process)
        if event.reason in (Reason.OUTRANKED, Reason.CONFLICT) and not self.is_mixed:
            rivals = [*self.reigns.values(), self.last_end]
            if len(rivals) == 1 and self.last_end < began:
                why = f"{_name(process)} yields ({event.reason}), and nobody else has led since {began:.3f}"
                raise Violation("a leader yields only to another leader", why)
        self.last_end = now
        if self.electorate is None or event.reason is not Reason.NO_MAJORITY or self.is_loose:
            return
        calm = now - 3 * self.timing.lease
        address = process.host.address
        if self.calm_since.get(address, 0.0) > calm:
            return
        well = [
            name
            for name in map(Address, self.electorate.voters)
            if self.calm_since.get(name, 0.0) <= calm and self.are_linked(address, name)
        ]
        if len(well) >= self.electorate.majority:
            why = f"{_name(process)} demotes, and the voters {well} were well since {calm:.3f}"
            raise Violation("leadership does not move while the leader is fit and linked to a majority", why)


def _name(process: Process) -> str:
    return f"{process.host.address}/{process.boot.counter}"
