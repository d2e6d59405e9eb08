"""What a node is by what it knows of etcd, and which key it should have there. Pure; private to `etcd`.

The shell (`backend`) tells it what etcd says and what the operator wants, asks it afterwards what has come of that, and
sees to it that `wanted` stands in etcd. It reads no clock and asks nobody.
"""

import math

import msgspec

from les_hooks.backends import Identity, Instant, Role, Trigger, next_role
from les_hooks.events import Reason
from les_hooks.members import Address, Boot, Mandate, Part
from les_plugins.etcd.entry import Entry, Own, Parting, Place, Wanted
from les_plugins.etcd.hold import Hold
from les_plugins.etcd.inquest import Inquest
from les_plugins.etcd.line import Gone, Line, Standing
from les_plugins.etcd.obstacles import Obstacles
from les_plugins.etcd.store import Header
from les_plugins.etcd.tenure import LEADING, Tenure
from les_plugins.etcd.twins import Twins
from les_plugins.etcd.vigil import Vigil

__all__ = ["Candidate"]


# So many behind the leader ask about it, as two hosts may die together. Only they do, which keeps the load of a long
# line flat.
_NEAREST = 2


class Candidate:
    """One process of one node, with a lease of `ttl` seconds.

    `hold` is for how many seconds it is unfit after it stepped down, `floor` the highest term that is remembered:
    whoever leads must be above it. `own` is what the shell has found to stand. Times are boottime seconds.
    """

    def __init__(self, identity: Identity, line: Line, *, ttl: int, hold: float, floor: int, now: Instant) -> None:
        self.line = line
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
        self._floor = floor
        self._obstacles = Obstacles(hold)
        self._stint = 1
        self._since = now.wall
        self._tenure = Tenure(ttl, now)
        self._vigil = Vigil(self._tenure.hold, self.inquest)
        self._twins = Twins(identity)
        self._bequest: Address | None = None
        self._heir: Address | None = None
        self._goal = self.place

    @property
    def hold(self) -> Hold:
        """What it has of its lease."""
        return self._tenure.hold

    # -- what it comes to ----------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where a new key of this node belongs. Who follows gets one when that changes; a leader keeps its own."""
        return Place.ASIDE if self.obstacle or self._identity.part is not Part.MEMBER else Place.LINE

    @property
    def obstacle(self) -> str:
        """Why it may not lead, in words; empty where it may."""
        return self._obstacles.first(self.role)

    @property
    def wanted(self) -> Wanted | None:
        """The key that it should have; None for who has left. No stint is ever wanted in two places."""
        return None if self.role is Role.GONE else Wanted(place=self._goal, stint=self._stint, entry=self._entry)

    @property
    def farewell(self) -> Wanted:
        """Its last key, of whom nothing is left."""
        entry = msgspec.structs.replace(self._entry, parting=Parting.GOODBYE, heir=None)
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
        return self.role is Role.LEADER and self._tenure.is_doubtful

    @property
    def mandate(self) -> Mandate:
        """How long it may act as a leader."""
        return self._tenure.mandate(self.role)

    @property
    def standing(self) -> Standing | None:
        """Its own key, once the line shows it."""
        found = self.line.find(self.own.key) if self.own is not None else None
        return found if found is not None and self.own is not None and found.revision == self.own.revision else None

    @property
    def twins(self) -> tuple[str, ...]:
        """The keys of other processes that go by this node's address."""
        return self._twins.all(self.line)

    @property
    def is_near(self) -> bool:
        """Whether it leads, or is the first or the second in line: who must know soon where it stands."""
        return self.role in LEADING or (self._in_line and len(self._ahead) <= 1)

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
        own = (stray for stray in self.line.strays if stray.boot == self._identity.boot and self.role not in LEADING)
        over = (stray for stray in self.line.strays if self._vigil.is_over(stray, now))
        return tuple(stray.key for stray in (*own, *(over if self.role is Role.LEADER else ())))

    @property
    def leader_is_late(self) -> bool:
        """Whether this node may be the next to lead, and the leader has missed a renewal."""
        leader, ahead = self.line.leader, self._ahead
        return leader is not None and ahead == (leader,) and self.inquest.is_late(leader)

    @property
    def next_moment(self) -> float:
        """When time alone changes something; infinite for never."""
        moments = [self._obstacles.held_until]
        if self.role in LEADING and not self._tenure.lapsed:
            moments.append(self.hold.act_until)
        if self._in_line and not self._ahead and self.role is Role.FOLLOWER:
            moments.append(self._vigil.until)
        return min((moment for moment in moments if moment > -math.inf), default=math.inf)

    @property
    def waits_until(self) -> float:
        """Until when it waits for a leader that may still act, -inf where it does not."""
        return self._vigil.until if self._in_line and not self._ahead and self.role is Role.FOLLOWER else -math.inf

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
        self._tenure.look(now)
        if self._obstacles.is_no_more_held(now.boottime):
            self._come_back(now)
        if self._tenure.is_over(self.role, now.boottime):
            self._tenure.lapse()
        if self.role is Role.LEADER and self._tenure.lapsed:
            self._give_up(Trigger.EXPIRED, Reason.SLEPT if slept else Reason.LEASE_LOST)
        self._take_office(now)

    def placed(self, own: Own) -> None:
        """This key stands now."""
        self.own = own
        self._twins.placed(own.revision)

    def proven(self, sent: float, header: Header, now: Instant) -> None:
        """A read through the quorum, sent then, has found its key. To a leader it brings nothing back."""
        self._tenure.proven(sent, header, self.role, now.boottime)

    def saw(self, gone: list[Gone], raft_term: int, now: Instant) -> None:
        """The line has changed, or only the revision that it is known at; these keys are no more."""
        is_behind = self.line.revision < self._floor and self.role not in LEADING
        self._obstacles.behind = self._floor if is_behind else 0
        self._obstacles.twin = self._twins.find(self.line)
        if self._is_evicted:
            self.evicted(now)
        for one in gone:
            self._saw_gone(one, raft_term, now)
        others = (stray for stray in self.line.strays if stray.boot != self._identity.boot)
        self._vigil.keep(others, now.boottime)
        if self.role is Role.JOINING and self.standing is not None:
            self.role = next_role(self.role, Trigger.SETTLED)
        self.inquest.forget(frozenset(standing.revision for standing in self.line.all(Place.LINE)))
        self._yield_to_heir(now)
        self._come_back(now)
        self._take_office(now)

    def evicted(self, now: Instant) -> None:
        """Its key is gone, and it has not taken it away; or its lease is."""
        self.own, self.moves = None, False
        if self.role in LEADING:
            # Since then somebody else may have led, of whom a wish for an heir would know nothing.
            self._bequest = None
            self._tenure.lapse()
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
        self._twins.forget()
        self._vigil.begin_blind(now.boottime)
        self.evicted(now)

    def judge(self, unfit: str, reason: Reason, now: Instant) -> None:
        """Say why it may not lead; empty where it may."""
        self._obstacles.unfit = unfit
        if unfit and self.role is Role.LEADER:
            self.resign(reason, "was unfit while it led", now)
        self._come_back(now)

    def resign(self, reason: Reason, why: str, now: Instant) -> None:
        """Give up leadership, if it has it, and be unfit for a while where the reason wants it."""
        if self.role is not Role.LEADER:
            return
        self._obstacles.resigned(reason, why, now.boottime)
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
        if now.boottime < self._vigil.until or not self._tenure.may_begin(now.boottime):
            return
        self.role = next_role(next_role(self.role, Trigger.NOMINATED), Trigger.CONFIRMED)
        self.term = own.revision
        self.reason = self.vacancy
        self._heir = None
        self._tenure.begin()

    def _give_up(self, trigger: Trigger, reason: Reason) -> None:
        self.role = next_role(self.role, trigger)
        self.reason, self.vacancy = reason, Reason.LEADER_RESIGNED

    def _saw_gone(self, gone: Gone, raft_term: int, now: Instant) -> None:
        standing = gone.standing
        if standing.boot == self._identity.boot:
            return
        if standing.boot is not None and gone.parting:
            self.partings[standing.boot] = gone.parting
        self._vigil.saw_gone(gone, raft_term, now.boottime)
        # By its own word it did not lead, and it has left in order.
        idle = gone.orderly and standing.entry is not None and standing.entry.role not in LEADING
        if gone.led and not idle:
            self.vacancy = self._ending_of(gone)

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
