"""The role of this node: how it comes to lead, and how it gives up. What follows what is the table in `roles`.

For the machine only, which tells it when to look and says afterwards to the others what it has become. Pure.
"""

import math
from dataclasses import dataclass

from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Effect, Left, Send
from les_hooks.election.frames import MOST_SITTING, Bye, Offer, State
from les_hooks.election.handover import Bequest, bequeath, may_take
from les_hooks.election.identity import Identity, Timing
from les_hooks.election.membership import Roster
from les_hooks.election.messages import Fitness, Instant
from les_hooks.election.pulse import Pulse
from les_hooks.election.quorum import Quorum
from les_hooks.election.roles import Role, Trigger, next_role
from les_hooks.election.seniority import leadership, most_senior, seniority, sitting_leaders
from les_hooks.election.standing import Standing
from les_hooks.election.terms import Terms
from les_hooks.election.viewing import Viewer
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, Address, Mandate

__all__ = ["Office"]

# Losing leadership for these reasons costs seniority; yielding to a senior, healing and leaving do not. After those of
# `_HELD` a node stays unfit for `hold`: what made it resign is not over because the hooks have ended, and a check that
# comes and goes must not move leadership each time.
_HELD = frozenset({Reason.OPERATOR, Reason.CRITICAL, Reason.UNSAVED, Reason.UNFIT})
_COSTLY = _HELD | {Reason.SLEPT, Reason.NO_MAJORITY, Reason.MAINTENANCE, Reason.TRANSFER}

_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})
_LEAVING = frozenset({Role.DEMOTING, Role.STOPPING})


@dataclass(slots=True)
class Office:
    """`role` is what this node is, and `nominee` who is to lead as far as it knows.

    `has_followed`: it has accepted a leader since it started. `costly`: the leadership that ended costs seniority.
    `conflict`: this leader has met another. `lapsed`: what this leadership took must be gone, as its time was over
    once. `bequest` is who is to have the stamp of a leader that gives up.
    """

    identity: Identity
    timing: Timing
    roster: Roster
    contacts: Contacts
    standing: Standing
    terms: Terms
    pulse: Pulse
    quorum: Quorum
    viewer: Viewer
    effects: list[Effect]
    role: Role = Role.JOINING
    nominee: State | None = None
    has_followed: bool = False
    costly: bool = False
    conflict: bool = False
    lapsed: bool = False
    bequest: Bequest | None = None

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader."""
        if self.role not in _LEADING:
            return NO_MANDATE
        return Mandate(
            act_until=self.quorum.act_until if self.role is Role.LEADER else -math.inf,
            release_by=self.quorum.release_by,
            hold_until=self._hold_until,
        )

    @property
    def _hold_until(self) -> float:
        """Until when it may keep what it took. One whose hooks have ended has nothing left."""
        is_undone = self.bequest is not None and self.bequest.is_offered
        return -math.inf if self.lapsed or is_undone or self.quorum.in_doubt else self.quorum.hold_until

    def look(self, now: float) -> None:
        """Notice that the time of what it took is over: what is known too late, a grant say, brings it back no more."""
        if self.role in _LEADING and now >= self.quorum.hold_until:
            self.lapsed = True

    # -- coming to lead --------------------------------------------------------------------------------------------

    def decide(self, now: Instant) -> State | None:
        """Become what follows from what is known; returns whom this node accepts, itself included."""
        if self.role is Role.JOINING and now.boottime >= self.contacts.settled_at(self.timing.settle):
            self.role = next_role(self.role, Trigger.SETTLED)
            self.standing.kept = True
        # Before the stamp that is owed to a sitting leader: where this clock is behind, a fresh one may be older.
        self.standing.recover(now)
        self._take_stamp(now)
        if self.bequest is not None and self.bequest.is_settled(self.roster.states(), now.boottime):
            self._retire(now)
        self._take_role(now)
        if self.quorum.vote(self.nominee, self.role, now.boottime):
            self._take_role(now)
        accepted = self._accepted(now)
        # `settle` is there to hear the leader. Who has heard it may confirm the next one, though not yet stand itself;
        # otherwise a leader that dies while somebody joins would be missed for all of `settle`.
        self.has_followed = self.has_followed or (accepted is not None and accepted.role == Role.LEADER)
        return accepted

    def _take_stamp(self, now: Instant) -> None:
        """Take the first stamp on first contact, and a fresh one that a newcomer owes to a sitting leader."""
        if not self.standing.stamped:
            if self.contacts.alone or self.roster.peers or self.role is not Role.JOINING:
                self.standing.restamp(now.wall)
            else:
                return
        if self.role in _LEADING:
            return
        leaders = sitting_leaders(self.roster.states())
        if leaders and seniority(leaders[-1]) > (self.standing.stamp, self.identity.address):
            self.standing.restamp(now.wall, beyond=leaders[-1].start_time)

    def _choose(self, now: Instant) -> State | None:
        """Who is to lead."""
        able = [state for state in (self.draft(now), *self.roster.states()) if self.quorum.may_lead(state)]
        return most_senior(able, self.roster.originals())

    def _take_role(self, now: Instant) -> None:
        """Become what follows from who is to lead."""
        before = self.role
        self.nominee = self._choose(now)
        mine = self.nominee is not None and self.nominee.address == self.identity.address
        if self.role is Role.LEADER:
            self._go_on(now)
        elif self.role is Role.FOLLOWER and mine:
            self.role = next_role(self.role, Trigger.NOMINATED)
        elif self.role is Role.CANDIDATE and not mine:
            self.role = next_role(self.role, Trigger.OUTRANKED)
            self.quorum.give_back()
        if self.role is Role.CANDIDATE and self._may_lead(now):
            self.role = next_role(self.role, Trigger.CONFIRMED)
            self.lapsed = False
            self.terms.begin()
        if self.role is not before:
            self.nominee = self._choose(now)

    def _go_on(self, now: Instant) -> None:
        """Lead on, unless another is to."""
        if self.quorum.is_lost(self.nominee):
            rival = self.nominee is not None and self.nominee.role == Role.LEADER
            conflict = rival or self.quorum.electorate is not None
            self.give_up(Trigger.OUTRANKED, Reason.CONFLICT if conflict else Reason.OUTRANKED, now)
        elif self.quorum.electorate is None:
            self._mend()

    def _mend(self) -> None:
        """A leader that met another takes a new term once the other has ended its demotion, or is gone."""
        if any(state.led_term or state.role == Role.LEADER for state in self.roster.states()):
            self.conflict = True
        elif self.conflict and self.terms.are_ready():
            self.conflict = False
            self.viewer.reason = Reason.CONFLICT
            self.terms.begin()

    def _may_lead(self, now: Instant) -> bool:
        """Whether its term is on disk, and the others agree to it.

        After a jump of the wall clock, what the others agreed to may be long past: they answer first.
        """
        won = self.terms.are_ready() and self.quorum.is_won(self.terms.proposal, now.boottime)
        return won and not self.quorum.in_doubt

    # -- giving up -------------------------------------------------------------------------------------------------

    def give_up(self, trigger: Trigger, reason: Reason, now: Instant) -> None:
        """Lead no more. The shell sees it in the view, ends the work of the leadership, and reports Released."""
        self.role = next_role(self.role, trigger)
        self.viewer.resigned(reason)
        self.conflict = False
        if reason is Reason.CONFLICT:
            self.lapsed = True  # another leads already, and has taken the same
        self.terms.withdraw()
        self.costly = reason in _COSTLY
        if self.costly:
            self.standing.restamp(now.wall)

    def resign(self, reason: Reason, why: str, now: Instant) -> None:
        """Give up what leadership there is, and where the reason wants it, be unfit for a while: `why`, in words."""
        if self.role is Role.LEADER:
            self.give_up(Trigger.RESIGNED, reason, now)
        else:
            self.standing.restamp(now.wall)
        self.terms.withdraw()
        if reason in _HELD:
            self.standing.hold(why, now.boottime + self.timing.hold)

    def judge(self, fitness: Fitness, now: Instant) -> None:
        """Take what checks and operator say of this node."""
        self.standing.judge(fitness.unfit, now.wall)
        if fitness.unfit and self.role is Role.LEADER:
            self.resign(fitness.reason, "was unfit while it led", now)

    def transfer(self, target: Address, now: Instant) -> None:
        """Give up leadership in favour of this member, if it may lead."""
        peer = self.roster.peers.get(target)
        if self.role is Role.LEADER and peer is not None and self.quorum.may_lead(peer.state):
            self.bequest = bequeath(self.draft(now), peer.state, self.roster.states())
            self.give_up(Trigger.RESIGNED, Reason.TRANSFER, now)

    def take_offer(self, sender: Address, offer: Offer, now: Instant) -> bool:
        """Take the stamp of a leader that gives up; returns whether this node does."""
        giver = self.roster.peers.get(sender)
        if not may_take(offer, self.draft(now), giver.state if giver is not None else None):
            return False
        self.standing.stamp = offer.start_time
        return True

    def release(self, now: Instant) -> None:
        """The hooks of the demotion have ended: others may lead, the heir first."""
        if self.bequest is not None and self.role is Role.DEMOTING:
            self.bequest = self.bequest.offered(now.boottime + self.timing.heartbeat)
            self.effects.append(Send(address=self.bequest.address, frame=self.bequest.offer))
        else:
            self._retire(now)

    def leave(self, now: Instant) -> None:
        """Leave the cluster; a leader when its hooks have ended."""
        if self.role is Role.LEADER:
            self.give_up(Trigger.LEAVES, Reason.LEAVING, now)
        elif self.role is not Role.STOPPING:
            offered = self.bequest is not None and self.bequest.is_offered
            self.role = next_role(self.role, Trigger.LEAVES)
            if offered:
                self._retire(now)  # its hooks have ended
            else:
                self._say_goodbye()

    def _retire(self, now: Instant) -> None:
        self.role = next_role(self.role, Trigger.RELEASED)
        self.terms.led = 0
        self.bequest = None
        self.quorum.give_back()
        if self.costly:
            self.standing.restamp(now.wall)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        if self.role is Role.GONE:
            self.quorum.give_back()
            goodbye = Bye(boot=self.identity.boot)
            self.effects += [Send(address=address, frame=goodbye) for address in sorted(self.roster.links)]
            self.effects.append(Left())

    # -- what this node says ---------------------------------------------------------------------------------------

    def _accepted(self, now: Instant) -> State | None:
        """Whom this node accepts: itself as the leader, a sitting leader, or a candidate that it confirms."""
        if self.role is Role.LEADER:
            return self.draft(now)
        if self.role in _LEAVING:
            return None
        return self.quorum.accepted(self.nominee, self.role, has_followed=self.has_followed)

    def _obstacle(self, now: float) -> str:
        """Why this node may not lead at present; empty where it may."""
        own = self.standing.obstacle(now)
        if self.role in _LEAVING:
            return own or "still ends what it did as the leader"
        return own or self.quorum.obstacle(self.role)

    def draft(self, now: Instant, accepted: State | None = None) -> State:
        """What this node has to say; the teller numbers it."""
        unfit = self._obstacle(now.boottime)
        return State(
            address=self.identity.address,
            name=self.identity.name,
            version=self.identity.version,
            boot=self.identity.boot,
            serial=0,
            start_time=self.standing.stamp,
            newest=self.standing.newest,
            term=self.standing.term,
            leader=accepted.address if accepted is not None else None,
            leader_boot=accepted.boot if accepted is not None else None,
            role=self.role,
            led_term=self.terms.led,
            sitting=tuple(leadership(state) for state in sitting_leaders(self.roster.states())[:MOST_SITTING]),
            fit=not unfit,
            unfit=unfit,
            part=self.identity.part,
            electorate=self.quorum.electorate,
            links=self.roster.heard_directly(),
            members=tuple(sorted([self.identity.address, *self.roster.peers])),
        )

    def next_decision(self, now: float) -> float:
        """When time alone changes something: settling, the end of `hold`, a vote that comes free; boottime."""
        moments = [self.standing.held_until, *self.quorum.next_moment()]
        if self.role is Role.JOINING:
            moments.append(self.contacts.settled_at(self.timing.settle))
        if self.role is Role.CANDIDATE and now >= self.pulse.authority_end:
            moments.append(self.pulse.due)
        if self.bequest is not None:
            moments.append(self.bequest.until)
        return min((moment for moment in moments if moment > now), default=math.inf)
