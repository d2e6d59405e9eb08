"""Hosts, a network and time: what the shell does around a machine, without sockets, tasks or waiting.

Addresses are single words. What a test does to the hosts stands first, then what it may ask, then the shell.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from les_hooks.election.effects import Changed, Dial, Drop, Effect, Left, Pledge, Save, Send
from les_hooks.election.frames import Electorate, Frame, Hello
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.machine import Machine
from les_hooks.election.messages import (
    DialFailed,
    Heard,
    Instant,
    Introduced,
    Leave,
    LinkDown,
    LinkUp,
    Message,
    OriginalAnswered,
    OriginalFailed,
    Pledged,
    PledgeFailed,
    Released,
    Saved,
    SaveFailed,
    SeedsKnown,
    Undone,
)
from les_hooks.members import Address, Boot, Part, View
from les_hooks.wire_original import encode_state
from tests.election.sim.hosts import Host, Process
from tests.election.sim.network import Network, Stream
from tests.election.sim.original import Original
from tests.election.sim.plain import event_in_words, in_words
from tests.election.sim.watch import Watch

__all__ = ["World"]

RETRY = 1.0
ATTEMPT = 1.5
# What the guard needs to notice that its daemon died.
GUARD_SECONDS = 0.01


class World:
    """Seeded, so that it goes the same way twice. `steps` counts what was given to machines and done to the network.

    `cleans`: the guard of a process that dies tells the voters that what it did is undone. `watch` is told of
    everything; `log`, where there is one, gets a line for each thing that happens; a
    `is_brief` one only tells what was done to the hosts, and what their hooks are told.
    """

    def __init__(
        self,
        *names: str,
        timing: Timing | None = None,
        voters: str = "",
        parts: Mapping[str, Part] | None = None,
        delay: float = 0.001,
        seed: int = 0,
    ) -> None:
        self.now = 0.0
        self.steps = 0
        self.timing = timing or Timing()
        self.electorate = Electorate(tuple(sorted(voters)), self.timing.lease) if voters else None
        self.hosts = {Address(name): Host(Address(name), (parts or {}).get(name, Part.MEMBER)) for name in names}
        self.cleans = False
        self.originals: dict[Address, Original] = {}
        self.draw = random.Random(seed)
        self.network = Network(at=self._at_with_now, hear=self._hear, broke=self._broke, draw=self.draw, delay=delay)
        self.log: list[str] | None = None
        self.is_brief = False
        self.views_of: dict[str, list[View]] = {name: [] for name in names}
        self.watch = Watch(self.timing, self.electorate, self.are_linked)
        self._votes = self.watch.votes
        self._calendar: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._tokens = itertools.count(1)
        self._handlers: dict[type[Effect], Callable[[Process, Any], None]] = {
            Send: self._do_send,
            Dial: self._do_dial,
            Drop: self._do_drop,
            Save: self._do_save,
            Pledge: self._do_pledge,
            Changed: self._do_changed,
            Left: self._do_left,
        }

    # -- what a test does ----------------------------------------------------------------------------------------------

    def start(self, name: str, *, seeds: str | None = None) -> None:
        """Start a process on the host; its seeds are all hosts unless they are named."""
        host = self.hosts[Address(name)]
        host.powered, host.paused = True, False
        memory = host.disk.memory
        host.disk.counter = host.disk.counter + 1 if host.disk.counter else self._first_count(host)
        host.disk.memory = replace(memory, kept=True)
        identity = Identity(
            address=host.address,
            name=name,
            version="1",
            boot=Boot(host.disk.counter, f"{name}{host.disk.counter}"),
            part=host.part,
        )
        now = host.clock.instant(self.now)
        machine = Machine(identity=identity, timing=self.timing, memory=memory, now=now, electorate=self.electorate)
        process = host.process = Process(host, machine, now.boottime)
        self.note("start {} {}", name, identity.boot.counter)
        self.watch.disturbed(self.now, name)
        self.watch.started(process, memory)
        chosen = [*self.hosts, *self.originals] if seeds is None else seeds.split()
        others = frozenset(Address(seed) for seed in chosen) - {host.address}
        self._tell(process, SeedsKnown(addresses=others, configured=bool(chosen)))

    def add(self, name: str) -> Host:
        """A host more; nobody looks for it, and it looks for all."""
        self.views_of[name] = []
        host = self.hosts[Address(name)] = Host(Address(name))
        return host

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        calendar, pop = self._calendar, heapq.heappop
        while calendar and calendar[0][0] <= end:
            moment, _, action, arguments = pop(calendar)
            if moment > self.now:
                self.now = moment
            action(*arguments)
        self.now = end

    def kill(self, name: str) -> None:
        """The process dies, its host lives: links break, the host refuses, and the guard cleans up."""
        host = self.hosts[Address(name)]
        process = host.process
        if process is None:
            return
        self.note("kill {}", name)
        self.watch.disturbed(self.now, name)
        self._end(process)
        if self.watch.holds(process, self.now) or process.demoting:
            host.cleaning = True
            done = self.now + GUARD_SECONDS + host.demote_seconds
            self.at(min(done, self.watch.release_at(process)), self._cleaned, process)
        elif self.electorate is not None and self.cleans:
            self.at(self.now + GUARD_SECONDS, self._cleaned, process)

    def lose(self, name: str) -> None:
        """The host loses its power: silence, until it is started again."""
        host = self.hosts[Address(name)]
        self.note("power-loss {}", name)
        self.watch.disturbed(self.now, name)
        self.watch.vanished(host)
        if host.process is not None:
            self.watch.ended(host.process, self.now)
        host.process, host.powered, host.paused, host.cleaning = None, False, False, False
        host.clock.reboot(self.now)

    def leave(self, name: str) -> None:
        """The node is told to stop."""
        self.note("leave {}", name)
        self.watch.disturbed(self.now, name)
        self.give(name, Leave())

    def pause(self, name: str) -> None:
        """The process does not run, while its host accepts for it."""
        self.note("pause {}", name)
        self.watch.sleeps(name, self.now)
        self.hosts[Address(name)].paused = True

    def freeze(self, name: str) -> None:
        """The whole host stands still, its clocks too."""
        host = self.hosts[Address(name)]
        self.note("freeze {}", name)
        self.watch.sleeps(name, self.now)
        host.paused = True
        host.clock.freeze(self.now)

    def resume(self, name: str, *, wall_jump: float = 0.0) -> None:
        """The process runs again, and finds what came meanwhile."""
        host = self.hosts[Address(name)]
        self.note("resume {}", name)
        self.watch.wakes(name, self.now)
        if host.clock.frozen:
            host.clock.thaw(self.now)
            host.clock.wall_offset += wall_jump
        host.paused = False
        process = host.process
        if process is None:
            return
        waiting, process.waiting = process.waiting, []
        process.armed = math.inf
        self._tick(process)
        for message in waiting:
            self._tell(process, message)

    def cut(self, one: str, other: str, *, both: bool = True) -> None:
        """Nothing passes from the one to the other any more, nor back unless `both` is off."""
        self.note("cut {}{}{}", one, "-" if both else ">", other)
        self.network.cuts.add((one, other))
        if both:
            self.network.cuts.add((other, one))
        self.watch.disturbed(self.now, one, other)

    def refuse(self, one: str, other: str) -> None:
        """A firewall between the two breaks their link and refuses new ones."""
        self.note("refuse {}-{}", one, other)
        self.network.refusals |= {(one, other), (other, one)}
        self.watch.disturbed(self.now, one, other)
        for near, far in ((one, other), (other, one)):
            process = self.hosts[Address(near)].process if near in self.hosts else None
            if process is not None and process.links.pop(Address(far), None) is not None:
                self.at(self.now + self.network.delay, self._broke, process, Address(far))

    def mend(self, one: str, other: str) -> None:
        """Everything passes again; what was held arrives."""
        pair = {(one, other), (other, one)}
        if pair & (self.network.cuts | self.network.refusals):
            self.note("mend {}-{}", one, other)
            self.network.cuts -= pair
            self.network.refusals -= pair
            self.watch.disturbed(self.now, one, other)
            self.network.release(self.now)

    def give(self, name: str, message: Message) -> None:
        """Hand the node a message now."""
        process = self.hosts[Address(name)].process
        if process is not None:
            self._tell(process, message)

    # -- what a test asks ----------------------------------------------------------------------------------------------

    def machine(self, name: str) -> Machine:
        """The running machine of that name."""
        machine = self.hosts[Address(name)].machine
        assert machine is not None, f"{name} does not run"
        return machine

    def are_linked(self, one: Address, other: Address) -> bool:
        """Whether both hosts run their process, and nothing is between them."""
        run = all(self.hosts[name].process is not None and not self.hosts[name].paused for name in (one, other))
        return run and self.network.passes(one, other) and (one, other) not in self.network.refusals

    def instant(self, host: Host) -> Instant:
        """What the clocks of the host show."""
        return host.clock.instant(self.now)

    def memory(self, name: str, **changes: Any) -> Memory:
        """What the host's disk remembers, with these changes; a disk that was written to unless they say otherwise."""
        return replace(self.hosts[Address(name)].disk.memory, **{"kept": True, **changes})

    def running(self) -> list[Process]:
        """The processes that run, paused ones too."""
        return [host.process for host in self.hosts.values() if host.process is not None]

    def leaders(self) -> str:
        """The nodes that lead, in one word."""
        return "".join(sorted(process.host.address for process in self.running() if process.machine.view.leading))

    def leader_of(self, name: str) -> str | None:
        """Whom the node accepts."""
        return self.machine(name).view.leader

    def members_of(self, name: str) -> str:
        """The members that the node lists, by seniority, in one word."""
        return "".join(member.address for member in self.machine(name).view.members)

    def views(self, name: str) -> list[View]:
        """All views of the node so far."""
        return self.views_of[name]

    def departures(self, name: str) -> list[tuple[str, str]]:
        """All that the node saw go, and why."""
        return [(gone.address, str(gone.reason)) for view in self.views(name) for gone in view.departed]

    def note(self, text: str, *values: object) -> None:
        """Write a line to the log, if there is one."""
        if self.log is not None:
            self.log.append(f"{self.now:10.3f}  {text.format(*values)}")

    # -- the calendar --------------------------------------------------------------------------------------------------

    def at(self, moment: float, action: Callable[..., None], *arguments: object) -> None:
        """Do this then."""
        heapq.heappush(self._calendar, (moment, next(self._order), action, arguments))

    def _at_with_now(self, moment: float, action: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._calendar, (moment, next(self._order), action, (*arguments, moment)))

    # -- the shell: one timer, one message at a time -------------------------------------------------------------------

    def _tell(self, process: Process, message: Message) -> None:
        host = process.host
        if host.process is not process:
            return
        if host.paused:
            process.waiting.append(message)
            return
        self.steps += 1
        if self.log is not None and not self.is_brief:
            self.note("  {} <- {}", host.address, in_words(message))
        if self._votes is not None:
            self._votes.told(process, message)
        now = host.clock.instant(self.now)
        self._follow(process, process.machine.receive(message, now), now.boottime)

    def _tick(self, process: Process) -> None:
        host = process.host
        if host.process is not process or host.paused:
            return
        self.steps += 1
        now = host.clock.instant(self.now)
        self._follow(process, process.machine.tick(now), now.boottime)
        self.watch.ticked(process, now.boottime, process.machine.next_deadline())

    def _follow(self, process: Process, effects: list[Effect], now: float) -> None:
        self.watch.before(process, self.now, now)
        handlers = self._handlers
        for effect in effects:
            handlers[type(effect)](process, effect)
        deadline = process.machine.next_deadline()
        if deadline < process.armed:
            process.armed = deadline
            self._arm(process, deadline)

    def _arm(self, process: Process, deadline: float) -> None:
        host = process.host
        moment = host.clock.when(deadline) + host.lag
        if moment < math.inf:
            heapq.heappush(self._calendar, (max(moment, self.now), next(self._order), self._ring, (process, deadline)))

    def _ring(self, process: Process, deadline: float) -> None:
        """The timer rings; one that rings too early looks again."""
        host = process.host
        if host.process is not process or process.armed != deadline or host.paused:
            return
        present = process.machine.next_deadline()
        if present > deadline and host.clock.show(self.now) < present:
            process.armed = present
            if present < math.inf:
                self._arm(process, present)
            return
        process.armed = math.inf
        # Rounding must not make it ring a hair too early for ever.
        if host.clock.show(self.now) < deadline:
            self.at(math.nextafter(self.now, math.inf), self._tick, process)
        else:
            self._tick(process)

    # -- the shell: what machines want ---------------------------------------------------------------------------------

    def _do_send(self, process: Process, send: Send) -> None:
        if self._votes is not None:
            self._votes.sent(process, send.address, send.frame, self.now)
        if self.log is not None and not self.is_brief:
            self.note("    {} -> {}: {}", process.host.address, send.address, in_words(send.frame))
        self.network.send(process, send.address, send.frame, self.now)

    def _do_changed(self, process: Process, changed: Changed) -> None:
        view = changed.view
        self.views_of[process.host.address].append(view)
        events = process.narrator.tell(view)
        if self.log is not None:
            for event in events:
                self.note("{} {}", process.host.address, event_in_words(event))
        self.watch.told(process, view, events, self.now)
        led, process.led = process.led, view.leading
        if led and not view.leading:
            self._demote(process)

    def _demote(self, process: Process) -> None:
        host = process.host
        process.demoting = True
        boottime = host.clock.show(self.now)
        end = min(boottime + host.demote_seconds, max(boottime, process.machine.mandate.release_by))
        self.at(max(self.now, host.clock.when(end)), self._demoted, process, end)

    def _demoted(self, process: Process, end: float) -> None:
        host = process.host
        if host.process is not process:
            return
        if host.clock.frozen:
            self.at(self.now + 0.5, self._demoted, process, end)
            return
        process.demoting = False
        self.watch.demoted(process, self.now)
        self._tell(process, Released())

    def _do_left(self, process: Process, _left: Left) -> None:
        self.at(self.now + self.network.delay, self._leave, process)

    def _leave(self, process: Process) -> None:
        if process.host.process is process:
            self._end(process)

    def _end(self, process: Process) -> None:
        self.watch.ended(process, self.now)
        process.host.process = None
        process.host.paused = False
        if process.host.clock.frozen:
            process.host.clock.thaw(self.now)
        for address in list(process.links):
            self.network.close(process, address, self.now)

    def _cleaned(self, process: Process) -> None:
        """`les cleanup` has undone what the process left, and tells the voters."""
        host = process.host
        if not host.powered or (host.process is not None and host.process is not process):
            return
        host.cleaning = False
        self.watch.cleaned(process, self.now)
        if not self.cleans:
            return
        for voter in self.electorate.voters if self.electorate is not None else ():
            if (host.address, voter) not in self.network.cuts:
                moment = self.now + (0.0 if voter == host.address else self.network.seconds(host.address, voter))
                self.at(moment, self._undone, Address(voter), host.address, process.boot)

    def _undone(self, voter: Address, address: Address, boot: Boot) -> None:
        process = self.hosts[voter].process
        if process is not None:
            self._tell(process, Undone(address=address, boot=boot))

    # -- the shell: the disk -------------------------------------------------------------------------------------------

    def _do_save(self, process: Process, save: Save) -> None:
        self._write(process, self._saved, save)

    def _do_pledge(self, process: Process, pledge: Pledge) -> None:
        self._write(process, self._pledged, pledge)

    def _write(self, process: Process, done: Callable[..., None], what: Effect) -> None:
        """One write at a time."""
        process.writes.append((done, what))
        if len(process.writes) == 1:
            self.at(self.now + process.host.disk.seconds, self._wrote, process)

    def _wrote(self, process: Process) -> None:
        if process.host.process is process:
            done, what = process.writes.popleft()
            if process.writes:
                self.at(self.now + process.host.disk.seconds, self._wrote, process)
            done(process, what)

    def _saved(self, process: Process, save: Save) -> None:
        disk = process.host.disk
        reached = not disk.broken or self.draw.random() < 0.5
        if reached:
            disk.save(save.term, save.newest)
        self._tell(process, SaveFailed(term=save.term) if disk.broken else Saved(term=save.term))

    def _pledged(self, process: Process, pledge: Pledge) -> None:
        disk = process.host.disk
        if not disk.broken or self.draw.random() < 0.5:
            disk.pledge(pledge.term, pledge.boot, pledge.lease)
        kind = PledgeFailed if disk.broken else Pledged
        self._tell(process, kind(term=pledge.term, boot=pledge.boot))

    def _first_count(self, host: Host) -> int:
        """A wiped disk counts starts from the wall clock, so that others do not take the process for an older one."""
        return max(1, int(host.clock.instant(self.now).wall)) if host.disk.wiped else 1

    # -- the shell: links ----------------------------------------------------------------------------------------------

    def _do_dial(self, process: Process, dial: Dial) -> None:
        token = process.dialing[dial.address] = next(self._tokens)
        self.at(self.now, self._try, process, dial.address, token)

    def _do_drop(self, process: Process, drop: Drop) -> None:
        process.dialing.pop(drop.address, None)
        process.trying.pop(drop.address, None)
        self.network.close(process, drop.address, self.now)

    def _try(self, process: Process, address: Address, token: int) -> None:
        """Make one attempt at an address that is wanted and has no link."""
        host = process.host
        if host.process is not process or process.dialing.get(address) != token or address in process.links:
            return
        if address in process.trying:
            return  # one attempt at a time
        if host.paused:
            self.at(self.now + RETRY, self._try, process, address, token)
            return
        self.steps += 1
        process.trying[address] = token
        known = address in self.originals or (address in self.hosts and self.hosts[address].powered)
        if known and self.network.passes(host.address, address):
            self.at(self.now + self.network.seconds(host.address, address), self._knock, process, address, token)
        else:
            self.at(self.now + ATTEMPT, self._failed, process, address, token, False)

    def _knock(self, process: Process, address: Address, token: int) -> None:
        """The attempt arrives."""
        host = process.host
        if address in self.originals:
            self._poll(process, address, token)
            return
        target = self.hosts[address]
        back = self.now + self.network.seconds(address, host.address)
        if not self.network.passes(host.address, address) or not target.powered:
            self.at(self.now + ATTEMPT, self._failed, process, address, token, False)
        elif (host.address, address) in self.network.refusals or (target.process is None and not target.paused):
            self.at(back, self._failed, process, address, token, True)
        elif target.paused or target.process is None:
            self.at(self.now + ATTEMPT, self._failed, process, address, token, False)
        elif host.process is process:
            stream = self.network.admit(process, target.process, self.now)
            self.at(back, self._opened, process, address, token, stream)
            if stream is not None:
                # Who accepts may be first to know, which makes who dialed the senior of two newcomers, or last.
                self.at(self.now if self.network.hasty else back, self._accepted, stream)

    def _accepted(self, stream: Stream) -> None:
        address = stream.dialer.host.address
        if stream.acceptor.links.get(address) is stream:
            self._tell(stream.acceptor, LinkUp(hello=_hello(stream.dialer), dialed=None))

    def _opened(self, process: Process, address: Address, token: int, stream: Stream | None) -> None:
        """The answer arrives at who dialed; None where the link that crosses this one is kept."""
        if process.host.process is not process or process.trying.get(address) != token:
            return  # what comes over it is answered with a reset
        if process.host.paused:
            self.at(self.now + RETRY, self._opened, process, address, token, stream)
            return
        del process.trying[address]
        if stream is None or stream.acceptor.links.get(process.host.address) is not stream:
            self.at(self.now + RETRY, self._try, process, address, token)
            return
        process.links[address] = stream
        self._tell(process, LinkUp(hello=_hello(stream.acceptor), dialed=address))

    def _failed(self, process: Process, address: Address, token: int, refused: bool) -> None:
        if process.trying.get(address) == token:
            del process.trying[address]
            if address not in process.links:
                self._tell(process, DialFailed(address=address, refused=refused))
            self.at(self.now + RETRY, self._try, process, address, token)

    def _hear(self, process: Process, sender: Address, frame: Frame) -> None:
        self._tell(process, Heard(sender=sender, frame=frame))  # type: ignore[arg-type]  # no hello travels on a link

    def _broke(self, process: Process, address: Address) -> None:
        self.watch.broken_at[process.host.address, address] = self.now
        self._tell(process, LinkDown(address=address))
        if process.host.process is process and address in process.dialing:
            self.at(self.now, self._try, process, address, process.dialing[address])

    # -- the shell: originals ------------------------------------------------------------------------------------------

    def _poll(self, process: Process, address: Address, token: int) -> None:
        """Ask the original for its state, and again and again."""
        host = process.host
        if host.process is not process or process.dialing.get(address) != token:
            return
        if host.paused:
            self.at(self.now + RETRY, self._poll, process, address, token)
            return
        self.steps += 1
        original = self.originals[address]
        if original.running and self.network.passes(host.address, address):
            original.introduce(host.address)
            answered = OriginalAnswered(
                address=address,
                start_time=original.start_time,
                leader=original.leader,
                members=tuple(original.members),
            )
            self._tell(process, answered)
            self.at(self.now + self.timing.loop_rate, self._poll, process, address, token)
        else:
            refused = not original.running and self.network.passes(host.address, address)
            self._tell(process, OriginalFailed(address=address, refused=refused))
            self.at(self.now + RETRY, self._poll, process, address, token)

    def add_original(self, name: str, start_time: float) -> Original:
        """Let a node of the old protocol take part from now on; start our nodes after it, or introduce it to them."""
        original = Original(Address(name), start_time, seeds=tuple(self.hosts))
        self.originals[original.address] = original
        self.watch.is_mixed = True
        self.at(self.now, self._round, original)
        return original

    def _round(self, original: Original) -> None:
        """One round of an original's loop."""
        if original.running:
            self.steps += 1
            for address in original.asked():
                self._ask(original, address)
            original.elect()
        self.at(self.now + self.timing.loop_rate, self._round, original)

    def _ask(self, original: Original, address: Address) -> None:
        if not self.network.passes(original.address, address):
            original.remove(address)
        elif address in self.originals:
            other = self.originals[address]
            original.hear(address, other.encoded() if other.running else None, self._pings(original))
            if other.running:
                other.introduce(original.address)
        else:
            host = self.hosts[address]
            process = host.process if not host.paused and host.powered else None
            original.hear(address, None if process is None else _reply(process), self._pings(original))
            if process is not None:
                self._tell(process, Introduced(address=original.address))

    def _pings(self, original: Original) -> Callable[[Address], bool]:
        def answers(address: Address) -> bool:
            if not self.network.passes(original.address, address):
                return False
            other = self.originals.get(address)
            host = self.hosts.get(address)
            return other.running if other is not None else bool(host and host.process and not host.paused)

        return answers


def _hello(process: Process) -> Hello:
    identity = process.identity
    return Hello(
        protocol=1,
        cluster="test",
        address=identity.address,
        name=identity.name,
        version=identity.version,
        boot=identity.boot,
    )


def _reply(process: Process) -> bytes:
    return encode_state(process.machine.state)
