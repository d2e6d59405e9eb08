"""Storms: faults at random with weights of their own for every seed, then calm, and then everybody agrees."""

import random
from collections.abc import Callable, Iterable
from enum import StrEnum

from les_hooks.election.identity import Timing
from les_hooks.election.messages import Fitness, StepDown, Transfer
from les_hooks.election.roles import Role
from les_hooks.election.seniority import seniority
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Part
from tests.election.sim.hosts import Host
from tests.election.sim.network import Loose
from tests.election.sim.violation import Violation
from tests.election.sim.world import ATTEMPT, RETRY, World

__all__ = ["FAULTS", "Beyond", "Mode", "Storm"]

FAULTS = (
    "kill", "restart", "start", "lose", "cut", "cut_one_way", "isolate", "refuse", "mend", "mend_all", "pause", "nap",
    "freeze", "resume", "leave", "set_clock", "set_disk", "set_hooks", "step_down", "unfit", "fit", "transfer",
    "originals", "depose", "flap", "waver", "revive",
)  # fmt: skip
"""All that can befall two hosts, of which most befall the first."""

# A storm goes on until so many steps were made; with calm and proof there are at least 500.
_STEPS = 420
_LEAST_STEPS = 500


class Mode(StrEnum):
    """Which promise is put to the test."""

    MEMBERS = "members"
    MAJORITY = "majority"


class Beyond(StrEnum):
    """An assumption that is given up, so that promises may break."""

    RATES = "rates"
    """Clocks differ by a tenth in rate."""
    FROZEN = "frozen"
    """Hosts of leaders stand still with their clocks, and go on."""
    WIPED = "wiped"
    """Voters lose their disks, as many as there are."""


class Storm:
    """The story of one seed, within the bounds or `beyond` one of them; `run` tells it, and raises Violation."""

    def __init__(self, seed: int, mode: Mode, *, beyond: Beyond | None = None, log: bool = False) -> None:
        self.seed = seed
        self.mode = mode
        self.beyond = beyond
        draw = self.draw = random.Random(f"{mode} {seed}")
        self.names = "abcde"[: draw.choice([2, 3, 3, 3, 3, 4, 5, 5])]
        self.timing = Timing(hold=draw.choice([1.0, 2.0, 4.0]), loop_rate=2.0, lease=draw.choice([3.06, 4.0]))
        self.rates = draw.choice([(1.0,), (0.99, 1.01), (0.99, 0.995, 1.0, 1.005, 1.01)])
        if beyond is Beyond.RATES:
            self.rates = (0.9, 1.1)
        parts = self._parts()
        voters = "".join(name for name, part in parts.items() if part is not Part.OBSERVER)
        self.world = World(
            *self.names,
            timing=self.timing,
            voters=voters if mode is Mode.MAJORITY else "",
            parts=parts,
            seed=draw.getrandbits(32),
        )
        if log:
            self.world.log = []
        self.world.cleans = draw.random() < 0.8
        for host in self.world.hosts.values():
            self._furnish(host)
        self._furnish_network()
        self.faults = self._weigh()
        self.pace, self.patience = draw.choice([0.2, 1.0, 3.0]), draw.choice([0.0, 0.5, 0.9])
        draw.choice([self._keep, self._keep, self._tighten, self._drag, self._scatter])()

    def run(self) -> World:
        """Let it happen: everybody starts, faults, calm, agreement, and nothing more for a while."""
        world, draw = self.world, self.draw
        if self.mode is Mode.MEMBERS and draw.random() < 0.1:
            world.add_original("o", 1_700_000_000.0 + draw.uniform(-50.0, 50.0))
        self._begin()
        while world.steps < _STEPS:
            world.run(draw.expovariate(1.0 / self.pace))
            if draw.random() < self.patience:
                self._wait_for_leader()
            draw.choice(self.faults)(*draw.sample(self.names, 2))
        self._calm()
        self._agree()
        self._endure()
        self._greet_newcomer()
        return world

    def _begin(self) -> None:
        """All start. Where nothing is in their way they never elect two."""
        world, draw = self.world, self.draw
        for name in self.names:
            world.start(name)
            world.run(draw.choice([0.0, 0.0, 0.01, 0.2, 1.0]))
        if draw.random() < 0.3 and world.network.loose is None and world.network.slowest() < 0.1:
            world.run(2 * self.timing.lease)
            if world.watch.elections > 1 and not world.originals:
                raise Violation(
                    "nothing but faults moves leadership", f"{world.watch.elections} elections at the start"
                )

    def _wait_for_leader(self) -> None:
        """What befalls a leader, or who is about to follow it, matters most."""
        end = self.world.now + 2 * self.timing.lease
        while not self.world.leaders() and self.world.now < end:
            self.world.run(0.3)

    def _endure(self) -> None:
        """Leadership stays where it is."""
        world = self.world
        leader, moves = world.leaders(), world.watch.moves
        steps = max(_LEAST_STEPS, world.steps + 50)
        while world.steps < steps:
            world.run(1.0)
            self._expect(leader, moves)

    def _expect(self, leader: str, moves: int) -> None:
        world = self.world
        if world.leaders() != leader or world.watch.moves != moves:
            why = f"{leader} led, then {world.leaders() or 'nobody'} did"
            raise Violation("leadership does not move while the leader is fit and linked to a majority", why)

    def _greet_newcomer(self) -> None:
        """A node that does not lead restarts with its clock set back: nothing changes."""
        world = self.world
        leader, moves = world.leaders(), world.watch.moves
        others = [name for name in self.names if name != leader]
        one = self.draw.choice(others)
        voters = world.electorate.voters if world.electorate is not None else ()
        if not leader or (one in voters and len(voters) < 3):
            return
        world.kill(one)
        world.run(0.3)
        self._host(one).clock.wall_offset -= 5000.0
        self._start(one, leader)
        world.run(3.0)
        self._expect(leader, moves)

    def play(self, schedule: Iterable[tuple[float, str, str, str]]) -> World:
        """A storm whose faults are given: seconds to wait, one of `FAULTS`, and two names."""
        for name in self.names:
            self.world.start(name)
        for seconds, fault, one, other in schedule:
            self.world.run(seconds)
            getattr(self, f"_{fault}")(one, other)
        self._calm()
        self._agree()
        return self.world

    # -- what is drawn before ------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Leave everything as it was drawn."""

    def _usurp_often(self) -> None:
        """Let others follow one leader after the other, each when its votes have run out."""
        self.pace, self.patience = 2.0, 0.95
        for host in self.world.hosts.values():
            # Demote hooks that take all the time there is keep a leader's authority to the last moment.
            host.demote_seconds = self.draw.choice([0.3, 20.0, 20.0])
        self.faults += [self._depose] * 2 * len(self.faults)

    def _tighten(self) -> None:
        """A fast network, clocks as different as they may be, and leaders cut off: what hangs on the last moment."""
        self.rates = (0.9, 1.1) if self.beyond is Beyond.RATES else (0.99, 1.01)
        self.world.network.loose, self.world.watch.is_loose = None, False
        self.world.network.delays.clear()
        self.world.network.delay, self.world.network.jitter = 0.0005, 0.0
        for host in self.world.hosts.values():
            host.clock.rate, host.lag = max(self.rates), 0.0
        self._host(self.draw.choice(self.names)).clock.rate = min(self.rates)
        self._usurp_often()

    def _drag(self) -> None:
        """One node behind a slow line, and leaders cut off: what hangs on when an answer is counted from."""
        network = self.world.network
        network.loose, self.world.watch.is_loose = None, False
        network.delays.clear()
        network.delay, network.jitter = 0.0005, 0.0
        slow = self.draw.choice(self.names)
        for name in self.names:
            network.delays[slow, name] = network.delays[name, slow] = 0.15
        self._usurp_often()

    def _scatter(self) -> None:
        """Old frames about votes turn up late, while leadership comes and goes."""
        self.world.watch.is_loose = True
        self.world.network.loose = Loose(lost=0.0, doubled=0.3, reordered=0.2, late=8.0, stray=0.7)
        self.faults += [self._step_down, self._waver, self._flap, self._transfer] * 2
        self._usurp_often()

    def _parts(self) -> dict[str, Part]:
        """Now and then the last two are something else; two members and a witness is a cluster that people have."""
        parts = dict.fromkeys(self.names, Part.MEMBER)
        if len(self.names) > 2 and self.draw.random() < 0.25:
            parts[self.names[-1]] = self.draw.choice([Part.WITNESS, Part.OBSERVER])
        if len(self.names) > 3 and self.draw.random() < 0.25:
            parts[self.names[-2]] = self.draw.choice([Part.WITNESS, Part.OBSERVER])
        return parts

    def _furnish(self, host: Host) -> None:
        draw = self.draw
        host.clock.boottime = draw.choice([0.0, draw.uniform(0.0, 1e6)])
        host.clock.rate = draw.choice(self.rates)
        error = draw.choice([0.0, draw.uniform(-1.0, 1.0), -1000.0, 5000.0])
        host.clock.wall_offset = error - host.clock.boottime
        host.demote_seconds = draw.choice([0.0, 0.01, 0.3, 2.0])
        host.disk.seconds = draw.choice([0.0001, 0.001, 0.02])
        host.lag = draw.choice([0.0, 0.001, 0.02])

    def _furnish_network(self) -> None:
        draw, network = self.draw, self.world.network
        network.delay = draw.choice([0.0005, 0.001, 0.02, 0.05])
        network.jitter = draw.choice([0.0, 0.5, 2.0])
        network.hasty = draw.random() < 0.5
        for one in self.names:
            for other in self.names:
                if draw.random() < 0.2:
                    network.delays[one, other] = draw.choice([0.0001, 0.01, 0.1])
        if draw.random() < 0.4:
            self.world.watch.is_loose = True
            network.loose = Loose(
                lost=draw.choice([0.0, 0.02, 0.2]),
                doubled=draw.choice([0.0, 0.05, 0.3]),
                reordered=draw.choice([0.0, 0.05, 0.5]),
                late=draw.choice([0.2, 2.0, 8.0]),
                stray=draw.choice([0.0, 0.3, 0.7]),
            )

    def _weigh(self) -> list[Callable[[str, str], None]]:
        """The faults, each as often as its weight for this seed says."""
        kinds: list[Callable[[str, str], None]] = [getattr(self, f"_{fault}") for fault in FAULTS]
        chosen = self.draw.sample(kinds, self.draw.choice([1, 2, 3, 5, 10]))
        repairs = [self._start, self._mend_all, self._resume, self._fit]
        # What gives leaders to a majority often, with others than before.
        turns = [self._depose, self._flap, self._waver, self._step_down] if self.draw.random() < 0.5 else []
        if self.beyond is Beyond.FROZEN:
            turns += [self._freeze_leader] * 3
        elif self.beyond is Beyond.WIPED:
            turns += [self._replace] * 3
        return [*chosen, *chosen, *repairs, *turns]

    # -- faults: each takes two names, and does nothing where it cannot ------------------------------------------------

    def _host(self, name: str) -> Host:
        return self.world.hosts[Address(name)]

    def _leader_or(self, name: str) -> str:
        """Half of the time a leader, or who stands: what befalls them matters most."""
        if self.draw.random() < 0.5:
            return name
        running = self.world.running()
        leading = [process.host.address for process in running if process.machine.role is Role.LEADER]
        standing = [process.host.address for process in running if process.machine.role is Role.CANDIDATE]
        return self.draw.choice(leading or standing or [name])

    def _soon(self, action: Callable[[str, str], None], one: str, other: str) -> None:
        """Do this later: around the moments at which members are lost and leases end."""
        lease, failure = self.timing.lease, self.timing.failure
        seconds = self.draw.choice([0.1, failure / 2, failure, lease, lease, 2 * lease]) * self.draw.uniform(0.8, 1.2)
        self.world.at(self.world.now + seconds, action, one, other)

    def _depose(self, one: str, other: str) -> None:
        """A leader is cut off for long enough that others follow it."""
        leaders = self.world.leaders()
        if leaders:
            both = self.draw.random() < 0.7
            one = self.draw.choice(leaders)
            for name in self.names:
                if name != one:
                    self.world.cut(one, name, both=both)
            seconds = self.timing.lease * self.draw.uniform(0.9, 2.0)
            self.world.at(self.world.now + seconds, self._mend_all, one, other)

    def _flap(self, one: str, other: str) -> None:
        """A link fails for a while."""
        draw = self.draw
        one = self._leader_or(one)
        if one != other:
            self.world.cut(one, other, both=draw.random() < 0.7)
            self._soon(self._mend, one, other)

    def _waver(self, one: str, other: str) -> None:
        """A check fails for a while."""
        one = self._leader_or(one)
        self._unfit(one, other)
        self._soon(self._fit, one, other)

    def _revive(self, one: str, other: str) -> None:
        """A process dies, and is started again soon."""
        one = self._leader_or(one)
        self.world.kill(one)
        self._soon(self._start, one, other)

    def _kill(self, one: str, _: str) -> None:
        self.world.kill(self._leader_or(one))

    def _start(self, one: str, _: str) -> None:
        host = self._host(one)
        if host.process is None and not host.cleaning:
            self.world.start(one)

    def _restart(self, one: str, other: str) -> None:
        self.world.kill(one)
        if self.draw.random() < 0.2:
            self._wipe(one)
        self._start(one, other)

    def _replace(self, one: str, other: str) -> None:
        """A process restarts without its disk."""
        self.world.kill(one)
        if not self._host(one).cleaning:
            self._host(one).disk.wipe()
        self._start(one, other)

    def _wipe(self, one: str) -> None:
        """Lose a disk; in a majority only one ever, because with more of them nothing is promised."""
        host = self._host(one)
        disks = [h.disk.wiped for h in self.world.hosts.values()]
        if host.process is None and not host.cleaning and (self.mode is Mode.MEMBERS or not any(disks)):
            self.world.note("wipe {}", one)
            host.disk.wipe()
            self.world.watch.wiped()

    def _lose(self, one: str, other: str) -> None:
        one = self._leader_or(one)
        self.world.lose(one)
        if self.draw.random() < 0.3:
            self._start(one, other)

    def _cut(self, one: str, other: str) -> None:
        self.world.cut(one, other)

    def _cut_one_way(self, one: str, other: str) -> None:
        self.world.cut(one, other, both=False)

    def _isolate(self, one: str, _: str) -> None:
        one = self._leader_or(one)
        both = self.draw.random() < 0.7
        for other in self.names:
            if other != one:
                self.world.cut(one, other, both=both)

    def _refuse(self, one: str, other: str) -> None:
        self.world.refuse(one, other)

    def _mend(self, one: str, other: str) -> None:
        self.world.mend(one, other)

    def _mend_all(self, _one: str, _other: str) -> None:
        for one in self.names:
            for other in self.names:
                self.world.mend(one, other)

    def _pause(self, one: str, _: str) -> None:
        one = self._leader_or(one)
        if self._host(one).process is not None and not self._host(one).paused:
            self.world.pause(one)

    def _nap(self, one: str, other: str) -> None:
        """A pause that ends by itself, shorter than the failure or longer than a lease."""
        self._pause(one, other)
        seconds = self.draw.choice([0.3, 1.0, self.timing.failure, self.timing.lease, 1.5 * self.timing.lease])
        self.world.at(self.world.now + seconds, self._resume, one, other)

    def _freeze(self, one: str, _: str) -> None:
        """The host stands still with its clocks: safe for who only votes, whose promises last the longer."""
        host = self._host(one)
        harmless = self.mode is Mode.MEMBERS or (
            host.machine is not None and host.machine.role in {Role.JOINING, Role.FOLLOWER}
        )
        if host.process is not None and not host.paused and harmless:
            self.world.freeze(one)

    def _freeze_leader(self, one: str, other: str) -> None:
        one = self._leader_or(one)
        if self._host(one).process is not None and not self._host(one).paused:
            self.world.freeze(one)
            self._soon(self._resume, one, other)

    def _resume(self, one: str, _: str) -> None:
        if self._host(one).paused:
            self.world.resume(one, wall_jump=self.draw.choice([0.0, 5.0]))

    def _leave(self, one: str, _: str) -> None:
        self.world.leave(self._leader_or(one))

    def _set_clock(self, one: str, _: str) -> None:
        self._host(one).clock.wall_offset += self.draw.choice([-3600.0, -1.0, 2.0, 3600.0, 90000.0])

    def _set_disk(self, one: str, _: str) -> None:
        disk = self._host(one).disk
        disk.broken = self.draw.random() < 0.5
        disk.seconds = self.draw.choice([0.001, 0.02, 0.5, 2.0])

    def _set_hooks(self, one: str, _: str) -> None:
        self._host(one).demote_seconds = self.draw.choice([0.0, 0.01, 0.3, 2.0, 20.0])

    def _step_down(self, one: str, _: str) -> None:
        reason = self.draw.choice([Reason.OPERATOR, Reason.CRITICAL])
        self.world.give(self._leader_or(one), StepDown(reason=reason))

    def _unfit(self, one: str, _: str) -> None:
        reason = self.draw.choice([Reason.UNFIT, Reason.MAINTENANCE])
        self.world.give(self._leader_or(one), Fitness(unfit="a check fails", reason=reason))

    def _fit(self, one: str, _: str) -> None:
        self.world.give(one, Fitness(unfit=""))

    def _transfer(self, one: str, other: str) -> None:
        self.world.give(self._leader_or(one), Transfer(target=Address(other)))

    def _originals(self, _one: str, _other: str) -> None:
        for original in self.world.originals.values():
            if original.running:
                original.running = False
            else:
                original.restart(1_700_000_000.0 + self.world.now)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _calm(self) -> None:
        """End all faults, and start what does not run."""
        world, network = self.world, self.world.network
        world.note("calm")
        if network.loose is not None:
            # A link that lost a frame is no TCP link: nobody repeats what was said on it, until there is a new one.
            network.loose = None
            for process in world.running():
                for address in list(process.links):
                    network.reset(process, address, world.now)
        network.delays.clear()
        network.delay = min(network.delay, 0.02)
        for one in self.names:
            for other in self.names:
                world.mend(one, other)
        for original in world.originals.values():
            if not original.running:
                original.restart(1_700_000_000.0 + world.now)
        for name, host in world.hosts.items():
            host.disk.broken, host.disk.seconds, host.demote_seconds = False, 0.001, min(host.demote_seconds, 0.3)
            if host.paused:
                world.resume(name)
            world.give(name, Fitness(unfit=""))

    def _limit(self) -> float:
        """Seconds within which a calm cluster has one leader that all accept."""
        timing = self.timing
        # A dial under way must fail and be repeated, the silent be missed, who stepped down be fit again, and demote
        # hooks that began in the storm end.
        seconds = ATTEMPT + RETRY + timing.failure + timing.settle + timing.hold + 4 * timing.heartbeat + 20 * 0.05
        if self.mode is Mode.MAJORITY:
            seconds += 2 * timing.lease
        if self.world.originals:
            seconds += 8 * timing.loop_rate
        return 1.02 * seconds

    def _agree(self) -> None:
        world = self.world
        late = 8.0  # what was sent in the storm has arrived, and hooks that began in it have ended
        end = world.now + late + 20.0
        while world.now < end and any(host.process is None or self._busy(host) for host in world.hosts.values()):
            world.run(0.25)
            for name, host in world.hosts.items():
                if host.process is None and not host.cleaning:
                    world.start(name)
        world.run(late if world.steps else 0.0)
        end = world.now + self._limit()
        while why := self._disagreement():
            if world.now > end:
                raise Violation("after faults stop there is one leader within the bound", why)
            world.run(0.5)

    def _busy(self, host: Host) -> bool:
        return host.process is not None and (host.process.demoting or host.process.machine.role is Role.GONE)

    def _disagreement(self) -> str:
        """Why this is not a cluster with one leader that all accept; empty if it is."""
        world = self.world
        everybody = sorted([*self.names, *world.originals])
        for name in self.names:
            process = self._host(name).process
            if process is None:
                return f"{name} does not run"
            listed = sorted(world.members_of(name))
            if listed != everybody:
                return f"{name} lists {listed}"
            if process.demoting:
                return f"{name} is demoting"
        leaders = [*world.leaders(), *(o.address for o in world.originals.values() if o.leader == o.address)]
        if len(leaders) != 1:
            return f"leaders {leaders}"
        accepted = {name: world.leader_of(name) for name in self.names}
        accepted |= {original.address: original.leader for original in world.originals.values()}
        if set(accepted.values()) != set(leaders):
            return f"{leaders[0]} leads, accepted are {accepted}"
        return self._unjust(leaders[0])

    def _unjust(self, leader: str) -> str:
        """Why another should lead: the most senior of those that may."""
        states = [process.machine.state for process in self.world.running()]
        eligible = [state for state in states if state.fit and state.start_time != UNSTAMPED]
        first = min(eligible, key=seniority, default=None)
        if first is None or self.world.originals or first.address == leader:
            return ""
        return f"{leader} leads, {first.address} is senior to it"
