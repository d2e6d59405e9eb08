"""What a node is by what it knows of etcd, and which key it should have there. Pure; private to `etcd`.

The shell (`backend`) tells it what etcd says and what the operator wants, asks it afterwards what has come of that, and
sees to it that `wanted` stands in etcd. It reads no clock and asks nobody.
"""

import math
from dataclasses import dataclass

import msgspec

from les_hooks.backends import Identity, Instant, Role, Trigger, next_role
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address, Boot, Mandate, Part
from les_plugins.etcd.entry import Entry, Parting, Place
from les_plugins.etcd.hold import Hold, wait_of
from les_plugins.etcd.inquest import Inquest, ttl_of
from les_plugins.etcd.line import Gone, Line, Standing
from les_plugins.etcd.store import Header

__all__ = ["Candidate", "Own", "Wanted"]

# As in the built-in election: what made it give up is not over because the hooks have ended.
_HELD = frozenset({Reason.OPERATOR, Reason.CRITICAL, Reason.UNFIT})
_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})

# So many behind the leader ask about it, as two hosts may die together. Only they do, which keeps the load of a long
# line flat.
_NEAREST = 2

# A resumed machine's wall clock jumps; what NTP corrects at a time is less.
_JUMP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The key of this node, as far as it knows; `revision` is the one that it was created at."""

    key: str
    place: Place
    stint: int
    revision: int
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The key that this node should have: a new one wherever `stint` is another."""

    place: Place
    stint: int
    entry: Entry


class Candidate:
    """One process of one node, with a lease of `ttl` seconds.

    `hold` is for how many seconds it is unfit after it stepped down, `floor` the highest term that is remembered:
    whoever leads must be above it. `own` is what the shell has found to stand. Times are boottime seconds.
    """

    def __init__(self, identity: Identity, line: Line, *, ttl: int, hold: float, floor: int, now: Instant) -> None:
        self.line = line
        self.hold = Hold(ttl)
        self.inquest = Inquest(ttl)
        self.role = Role.JOINING
        self.own: Own | None = None
        self.moves = False
        """Whether the shell puts another key in the place of `own` at this moment."""
        self.term = 0
        """The term that this node leads in, or led in last."""
        self.reason = Reason.STARTUP
        """Why it leads no more."""
        self.vacancy = Reason.FIRST
        """How the last leadership ended that it saw."""
        self.partings: dict[Boot, Parting] = {}
        """What processes have said of their going whose keys went since somebody cleared this."""
        self._identity = identity
        self._held_for = hold
        self._floor = floor
        self._unfit = ""
        self._held_until, self._held_why = -math.inf, ""
        self._stint = 1
        self._since = now.wall
        self._free_at = -math.inf
        self._awaited: dict[int, float] = {}
        self._bequest: Address | None = None
        self._heir: Address | None = None
        self._lapsed = False
        self._last_release = math.inf
        self._doubt_since = -math.inf
        self._offset = now.wall - now.boottime
        self._behind = False
        self._twin = ""
        self._first = math.inf
        self._elders: set[Boot] = set()
        self._blind_until = -math.inf
        self._goal = self.place

    # -- what it comes to ----------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where a new key of this node belongs. Who follows gets one when that changes; a leader keeps its own."""
        return Place.ASIDE if self.obstacle or self._identity.part is not Part.MEMBER else Place.LINE

    @property
    def obstacle(self) -> str:
        """Why it may not lead, in words; empty where it may."""
        if self._behind:
            seen = f"a lower revision than the term {self._floor}, which this node has seen"
            return f"etcd is at {seen}; each write of anybody's raises it"
        if self._twin:
            return f"another process stands at this address, with the key {self._twin}"
        if self.role in (Role.DEMOTING, Role.STOPPING):
            return self._unfit or self._held_why or "still ends what it did as the leader"
        return self._unfit or self._held_why

    @property
    def wanted(self) -> Wanted | None:
        """The key that it should have; None for who has left. No stint is ever wanted in two places."""
        return None if self.role is Role.GONE else Wanted(place=self._goal, stint=self._stint, entry=self._entry)

    @property
    def farewell(self) -> Wanted:
        """Its last key, of whom nothing is left."""
        entry = msgspec.structs.replace(self._entry, parting=Parting.GOODBYE)
        return Wanted(place=Place.ASIDE, stint=self._stint + 1, entry=entry)

    @property
    def _entry(self) -> Entry:
        return Entry(
            address=self._identity.address,
            name=self._identity.name,
            boot=self._identity.boot,
            version=self._identity.version,
            part=self._identity.part,
            role=Role.FOLLOWER if self.role is Role.JOINING else self.role,
            ttl=self.hold.ttl,
            since=self._since,
            unfit=self.obstacle,
            heir=self._heir,
        )

    @property
    def confirming(self) -> bool:
        """Whether the wall clock jumped since what its authority rests on."""
        return self.role is Role.LEADER and self.hold.since <= self._doubt_since

    @property
    def mandate(self) -> Mandate:
        """How long it may act as a leader."""
        if self.role not in _LEADING:
            return NO_MANDATE
        release_by = self._last_release if self._lapsed else self.hold.release_by
        return Mandate(
            act_until=self.hold.act_until if self.role is Role.LEADER else -math.inf,
            release_by=release_by,
            hold_until=-math.inf if self._lapsed or self.confirming else release_by,
        )

    @property
    def standing(self) -> Standing | None:
        """Its own key, once the line shows it."""
        found = self.line.find(self.own.key) if self.own is not None else None
        return found if found is not None and self.own is not None and found.revision == self.own.revision else None

    @property
    def is_near(self) -> bool:
        """Whether it leads, or is the first or the second in line: who must know soon where it stands."""
        return self.role in _LEADING or (self._in_line and len(self._ahead) <= 1)

    @property
    def asks(self) -> tuple[Standing, ...]:
        """Those ahead about whose leases etcd is to be asked."""
        ahead = self._ahead
        return ahead if len(ahead) <= _NEAREST else ()

    @property
    def overdue(self) -> tuple[Standing | None, float, int]:
        """Whose key this node is to take away as the next in line, since when, and in which Raft term that was told.

        The lease has run out, and etcd has not seen to that yet, which it does twice a second.
        """
        if self.role is not Role.FOLLOWER or not self._in_line or len(self._ahead) != 1:
            return None, math.inf, 0
        return self._ahead[0], *self.inquest.over_at(self._ahead[0])

    def litter(self, now: float) -> tuple[str, ...]:
        """The traces that this node is to take away: its own, and as the leader those of others that act no more."""
        own = (stray for stray in self.line.strays if stray.boot == self._identity.boot and self.role not in _LEADING)
        over = (stray for stray in self.line.strays if self._awaited.get(stray.revision, math.inf) <= now)
        return tuple(stray.key for stray in (*own, *(over if self.role is Role.LEADER else ())))

    @property
    def leader_is_late(self) -> bool:
        """Whether this node may be the next to lead, and the leader has missed a renewal."""
        leader, ahead = self.line.leader, self._ahead
        return leader is not None and ahead == (leader,) and self.inquest.is_late(leader)

    @property
    def next_moment(self) -> float:
        """When time alone changes something; infinite for never."""
        moments = [self._held_until]
        if self.role in _LEADING and not self._lapsed:
            moments.append(self.hold.act_until)
        if self._in_line and not self._ahead and self.role is Role.FOLLOWER:
            moments.append(self._free_at)
        return min((moment for moment in moments if moment > -math.inf), default=math.inf)

    @property
    def waits_until(self) -> float:
        """Until when it waits for a leader that may still act, -inf where it does not."""
        return self._free_at if self._in_line and not self._ahead and self.role is Role.FOLLOWER else -math.inf

    @property
    def _is_evicted(self) -> bool:
        """Whether its key should be in the line, and is not."""
        if self.own is None or self.moves or self.line.revision < self.own.revision:
            return False
        return self.standing is None

    @property
    def _in_line(self) -> bool:
        return self.standing is not None and self.standing.place is Place.LINE

    @property
    def _ahead(self) -> tuple[Standing, ...]:
        return self.line.ahead_of(self.own.key) if self.own is not None else ()

    # -- what it is told -----------------------------------------------------------------------------------------------

    def look(self, now: Instant, *, slept: bool = False) -> None:
        """Notice what time has done; `slept` says that nobody looked when it was due."""
        offset = now.wall - now.boottime
        if offset - self._offset > _JUMP_SECONDS:
            self._doubt_since = now.boottime
        self._offset = offset
        if now.boottime >= self._held_until:
            self._held_until, self._held_why = -math.inf, ""
            self._come_back(now)
        if self._is_over(now):
            self._lapse()
        if self.role is Role.LEADER and self._lapsed:
            self._give_up(Trigger.EXPIRED, Reason.SLEPT if slept else Reason.LEASE_LOST)
        self._take_office(now)

    def placed(self, own: Own) -> None:
        """This key stands now."""
        self.own, self._first = own, min(self._first, own.revision)

    def proven(self, sent: float, header: Header, now: Instant) -> None:
        """A read through the quorum, sent then, has found its key. To a leader it brings nothing back."""
        if not self._is_over(now):
            self.hold.proven(sent, header)

    def saw(self, gone: list[Gone], raft_term: int, now: Instant) -> None:
        """The line has changed, or only the revision that it is known at; these keys are no more."""
        self._behind = self.line.revision < self._floor and self.role not in _LEADING
        self._twin = self._find_twin()
        if self._is_evicted:
            self.evicted(now)
        for one in gone:
            self._saw_gone(one, raft_term, now)
        strays = [stray for stray in self.line.strays if stray.boot != self._identity.boot]
        for stray in strays:
            # It was gone before this node looked.
            self._awaited.setdefault(stray.revision, now.boottime + wait_of(ttl_of(stray, self.hold.ttl)))
        self._awaited = {stray.revision: self._awaited[stray.revision] for stray in strays}
        self._free_at = max((self._blind_until, *self._awaited.values()))
        if self.role is Role.JOINING and self.standing is not None:
            self.role = next_role(self.role, Trigger.SETTLED)
        self.inquest.forget(frozenset(standing.revision for standing in self.line.all(Place.LINE)))
        self._yield_to_heir(now)
        self._come_back(now)
        self._take_office(now)

    def evicted(self, now: Instant) -> None:
        """Its key is gone, and it has not taken it away; or its lease is."""
        self.own, self.moves = None, False
        if self.role in _LEADING:
            # Since then somebody else may have led, of whom a wish for an heir would know nothing.
            self._bequest = None
            self._lapse()
        if self.role is Role.LEADER:
            self._give_up(Trigger.EXPIRED, Reason.LEASE_LOST)
        self.hold.lose()
        self._move(now)

    def rewound(self, floor: int, now: Instant) -> None:
        """etcd was put back to an older state: what was known of it is void, and a leader of the newer one may act.

        Whoever leads now must be above the term `floor` all the same.
        """
        self.line.forget()
        self._floor = max(self._floor, floor)
        self._first, self._elders = math.inf, set()
        self._blind_until = now.boottime + wait_of(self.hold.ttl)
        self.evicted(now)

    def judge(self, unfit: str, reason: Reason, now: Instant) -> None:
        """Say why it may not lead; empty where it may."""
        self._unfit = unfit
        if unfit and self.role is Role.LEADER:
            self.resign(reason, "was unfit while it led", now)
        self._come_back(now)

    def resign(self, reason: Reason, why: str, now: Instant) -> None:
        """Give up leadership, if it has it, and be unfit for a while where the reason wants it."""
        if self.role is not Role.LEADER:
            return
        if reason in _HELD:
            self._held_until, self._held_why = now.boottime + self._held_for, why
        self._give_up(Trigger.RESIGNED, reason)

    def transfer(self, target: Address) -> None:
        """Give up leadership for this member, if that stands in line."""
        heirs = {standing.entry.address for standing in self.line.all(Place.LINE) if standing.entry is not None}
        if self.role is Role.LEADER and target in heirs and target != self._identity.address:
            self._bequest = target
            self._give_up(Trigger.RESIGNED, Reason.TRANSFER)

    def released(self, now: Instant) -> None:
        """The hooks of its demotion have ended."""
        if self.role not in (Role.DEMOTING, Role.STOPPING):
            return
        self.role = next_role(self.role, Trigger.RELEASED)
        self._move(now)
        self._heir, self._bequest = self._bequest, None

    def leave(self) -> None:
        """Leave; a leader when its hooks have ended."""
        if self.role is Role.LEADER:
            self._give_up(Trigger.LEAVES, Reason.LEAVING)
        elif self.role is not Role.STOPPING:
            self.role = next_role(self.role, Trigger.LEAVES)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _take_office(self, now: Instant) -> None:
        own = self.own
        if self.role is not Role.FOLLOWER or own is None or not self._in_line or self._ahead:
            return
        if self.place is not Place.LINE or own.stint != self._stint or own.revision <= self._floor:
            return
        if now.boottime < self._free_at or now.boottime >= self.hold.act_until or self.hold.since <= self._doubt_since:
            return
        self.role = next_role(next_role(self.role, Trigger.NOMINATED), Trigger.CONFIRMED)
        self.term = own.revision
        self.reason = self.vacancy
        self._lapsed = False

    def _give_up(self, trigger: Trigger, reason: Reason) -> None:
        self.role = next_role(self.role, trigger)
        self.reason, self.vacancy = reason, Reason.LEADER_RESIGNED

    def _is_over(self, now: Instant) -> bool:
        """Whether its leadership has come to its end and it has not noticed yet.

        Others count on it that nothing brings that back: not for the demotion either, which has until the lease ends.
        """
        return self.role in _LEADING and not self._lapsed and now.boottime >= self.hold.act_until

    def _lapse(self) -> None:
        """What it took must be gone, and what is known too late brings it back no more."""
        if not self._lapsed:
            self._lapsed, self._last_release = True, self.hold.release_by

    def _saw_gone(self, gone: Gone, raft_term: int, now: Instant) -> None:
        standing = gone.standing
        if standing.boot == self._identity.boot:
            return
        if standing.boot is not None and gone.parting:
            self.partings[standing.boot] = gone.parting
        if not gone.orderly:
            free_at = self.inquest.free_at(standing, now.boottime, raft_term) if gone.led else -math.inf
            self._awaited[standing.revision] = free_at
        # By its own word it did not lead, and it has left in order.
        idle = gone.orderly and standing.entry is not None and standing.entry.role not in _LEADING
        if gone.led and not idle:
            self.vacancy = self._ending_of(gone)
        if gone.led and gone.removed:
            # It acts until it hears of that.
            wait = wait_of(ttl_of(standing, self.hold.ttl))
            self._blind_until = max(self._blind_until, now.boottime + wait)

    def _find_twin(self) -> str:
        """The key of another process at this node's address that was there before it; empty for none."""
        for standing in (*self.line.all(Place.LINE), *self.line.all(Place.ASIDE)):
            entry = standing.entry
            if entry is None or entry.address != self._identity.address or entry.boot == self._identity.boot:
                continue
            # Who has moved since was there before all the same: else the two would drive each other round.
            if standing.revision < self._first:
                self._elders.add(entry.boot)
            if entry.boot in self._elders:
                return standing.key
        return ""

    def _ending_of(self, gone: Gone) -> Reason:
        """How that leadership ended, as events name it."""
        if not gone.orderly:
            return Reason.LEADER_LOST
        partings = {Parting.GOODBYE: Reason.LEADER_LEFT, Parting.CRASHED: Reason.LEADER_LOST}
        return partings.get(gone.parting, Reason.LEADER_RESIGNED)

    def _yield_to_heir(self, now: Instant) -> None:
        """Let the one pass whom the last leader wants."""
        own = self.own
        if (
            self.role is not Role.FOLLOWER
            or own is None
            or own.stint != self._stint
            or not self._in_line
            or self._ahead
        ):
            return
        for heir, wished in self.line.wishes():
            mine = heir.entry is not None and heir.entry.address == self._identity.address
            # Who came to stand there after the wish is not meant: since then somebody else may have led.
            if not mine and heir.revision < wished:
                self._move(now)
                return

    def _come_back(self, now: Instant) -> None:
        """Go where it belongs, if that is elsewhere. The key of a leader stays until it is released."""
        if self.role not in (Role.JOINING, Role.FOLLOWER):
            return
        own = self.own
        low = own is not None and own.stint == self._stint and own.revision <= self._floor
        if self.place is not self._goal or (self._goal is Place.LINE and low):
            self._move(now)

    def _move(self, now: Instant) -> None:
        """Want a new key where it belongs."""
        self._stint, self._goal = self._stint + 1, self.place
        self._since = now.wall
        self._heir = None
