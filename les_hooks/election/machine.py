"""The election machine: what a node is, whom it accepts, and what it must tell and do about it.

It may be imported by backends and tests. The parts that it is made of: `intake` keeps the books (`membership` knows who
is alive, `contacts` whom to dial), `seniority` says who should lead and a `quorum` whether the others agree, `roles`
what may follow what, `terms` counts, `pulse` watches the clocks, `handover` bequeaths, `telling` says it to the others
and `viewing` to this node.
"""

import math

from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Effect, Left, Send
from les_hooks.election.handover import Bequest, may_take
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.intake import Intake
from les_hooks.election.majority import Majority, make_majority
from les_hooks.election.membership import Roster
from les_hooks.election.messages import (
    Beat,
    Bye,
    Electorate,
    Fitness,
    Grant,
    Heard,
    Instant,
    Leave,
    Message,
    Offer,
    Pledged,
    PledgeFailed,
    Refusal,
    Release,
    Released,
    Request,
    Saved,
    SaveFailed,
    State,
    StepDown,
    Transfer,
    Undone,
)
from les_hooks.election.pulse import Pulse
from les_hooks.election.quorum import Quorum
from les_hooks.election.reporting import QuorumReport, report_majority, warnings
from les_hooks.election.roles import Role, Trigger, next_role
from les_hooks.election.seniority import leadership, most_senior, seniority, sitting_leaders
from les_hooks.election.standing import Standing
from les_hooks.election.telling import Teller
from les_hooks.election.terms import Terms
from les_hooks.election.unanimity import Unanimity
from les_hooks.election.viewing import Viewer, first_view
from les_hooks.events import Reason
from les_hooks.members import NO_MANDATE, UNSTAMPED, Address, Mandate, Part, View

__all__ = ["Machine"]

# Losing leadership for these reasons costs seniority; yielding to a senior, healing and leaving do not. After those of
# `_HELD` a node stays unfit for `hold`: what made it resign is not over because the hooks have ended, and a check that
# comes and goes must not move leadership each time.
_HELD = frozenset({Reason.OPERATOR, Reason.CRITICAL, Reason.UNSAVED, Reason.UNFIT})
_COSTLY = _HELD | {Reason.SLEPT, Reason.NO_MAJORITY, Reason.MAINTENANCE, Reason.TRANSFER}

_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})
_LEAVING = frozenset({Role.DEMOTING, Role.STOPPING})


class Machine:
    """One node's part in the election. Feed it messages and ticks, carry out what it returns, and arm one timer.

    `role`, `state` (what it says of itself), `view`, `mandate` (how long it may act as a leader) and `confirming` (it
    may not act until the others have answered) may be read at any time.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        timing: Timing,
        memory: Memory,
        now: Instant,
        electorate: Electorate | None = None,
    ) -> None:
        """Start a node that knows nobody yet. Without an `electorate` every live member has a say."""
        self.identity = identity
        self.timing = timing
        self.role = Role.JOINING
        self._standing = Standing(
            term=memory.term, newest=memory.newest, kept=memory.kept, stands=identity.part is Part.MEMBER
        )
        self._pulse = Pulse(
            timing, due=now.boottime + timing.heartbeat, timely=now.boottime, offset=now.wall - now.boottime
        )
        self._roster = Roster(timing)
        self._contacts = Contacts(me=identity.address, alone_at=now.boottime + timing.alone_after)
        self._effects: list[Effect] = []
        self._terms = Terms(self._standing, self._effects, remembered=(memory.term, UNSTAMPED))
        self._conflict = False
        self._costly = False
        self._has_followed = False
        self._bequest: Bequest | None = None
        self._nominee: State | None = None
        self._decide_at = math.inf
        self._quorum = self._make_quorum(electorate, memory, now.boottime)
        self._teller = Teller(self._roster, self._draft(now))
        self._viewer = Viewer(me=identity.address, grace=timing.settle, view=first_view(self.state))
        self._intake = Intake(
            identity=identity,
            roster=self._roster,
            contacts=self._contacts,
            standing=self._standing,
            pulse=self._pulse,
            teller=self._teller,
            viewer=self._viewer,
            effects=self._effects,
        )

    # -- what the shell calls ------------------------------------------------------------------------------------------

    def receive(self, message: Message, now: Instant) -> list[Effect]:
        """Take in a message; afterwards carry out the effects in order and arm the timer at `next_deadline`."""
        if self.role is not Role.GONE:
            changed = self._catch_up(now)
            if self._take_in(message, now) or changed:
                self._decide(now)
        return self._flush()

    def tick(self, now: Instant) -> list[Effect]:
        """Do what is due; afterwards as for `receive`. An early call does nothing."""
        if self.role is not Role.GONE:
            changed = self._catch_up(now)
            if self._intake.bury_the_lost(now) or changed or now.boottime >= self._decide_at:
                self._decide(now)
        return self._flush()

    def next_deadline(self) -> float:
        """The boottime at which `tick` has something to do; infinite once this node is gone."""
        if self.role is Role.GONE:
            return math.inf
        moments = [self._pulse.due, self._decide_at, self._roster.next_loss()]
        if self.role is Role.LEADER:
            moments.append(self._quorum.act_until)
        return min(moments)

    @property
    def state(self) -> State:
        """What this node says of itself at present."""
        return self._teller.state

    @property
    def view(self) -> View:
        """The last view that was returned in a Changed."""
        return self._viewer.view

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader."""
        match self.role:
            case Role.LEADER:
                return Mandate(act_until=self._quorum.act_until, release_by=self._quorum.release_by)
            case Role.DEMOTING | Role.STOPPING:
                return Mandate(act_until=-math.inf, release_by=self._quorum.release_by)
            case _:
                return NO_MANDATE

    @property
    def confirming(self) -> bool:
        """Whether a leader must wait for the others' answers before its next side effect."""
        return self.role is Role.LEADER and self._quorum.in_doubt

    def report_quorum(self, now: Instant) -> QuorumReport | None:
        """What is known of the voters; None where there are none."""
        if not isinstance(self._quorum, Majority):
            return None
        return report_majority(self._quorum, self.identity.name, now.boottime)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should mend, a sentence each."""
        return warnings(self._quorum.electorate, self._roster, self._standing)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _catch_up(self, now: Instant) -> bool:
        """Look at the clocks before anything else, and beat if it is time: a node that slept demotes first.

        Returns whether anything changed that an election could hang on.
        """
        if self._pulse.has_jumped(now):
            self._quorum.doubt(self.role, self._terms.led, now.boottime)
        lateness = self._pulse.lateness(now.boottime)
        slept = lateness is not None and lateness > self.timing.heartbeat
        if lateness is not None and slept:
            self._roster.forgive(lateness)
            self._pulse.forgive(lateness)
        if self.role is Role.LEADER and now.boottime >= self._quorum.act_until:
            voted = self._quorum.electorate is not None and not slept
            self._give_up(Trigger.EXPIRED, Reason.NO_MAJORITY if voted else Reason.SLEPT, now)
            self._decide(now)
        if lateness is None:
            return False
        self._pulse.beat(now.boottime, lateness)
        self._roster.forget_graves(now.boottime)
        self._effects += self._teller.pulse(now.boottime)
        self._quorum.beat(self.role, self._terms.led, now.boottime)
        self._terms.retry()
        return self._intake.doubt_the_silent(now)

    # -- what this node is told ----------------------------------------------------------------------------------------

    def _take_in(self, message: Message, now: Instant) -> bool:
        match message:
            case Heard():  # by far the most frequent
                return self._hear(message, now)
            case Saved(term=term):
                self._terms.saved(term)
            case SaveFailed(term=term):
                self._terms.unsaved()
                if term == self._terms.proposal:
                    self._resign(Reason.UNSAVED, "could not save its term", now)
            case Pledged() | PledgeFailed():
                self._quorum.written(message)
            case Released():
                self._release(now)
            case StepDown(reason=reason, note=note):
                if self.role is Role.LEADER:
                    self._resign(reason, note or "stepped down", now)
            case Fitness():
                self._judge(message, now)
            case Transfer(target=target):
                self._transfer(target, now)
            case Leave():
                self._leave(now)
            case _:
                if isinstance(message, Undone):
                    self._quorum.undone(message.boot)
                self._intake.take_in(message, now)
        return True

    def _hear(self, heard: Heard, now: Instant) -> bool:
        match heard.frame:
            case Beat():
                return self._intake.hear(heard, now)
            case _ if heard.sender not in self._roster.links:
                return False  # a link that was replaced or closed meanwhile
            case Request() | Release() | Grant() | Refusal():
                self._quorum.hear(heard.sender, heard.frame)
                mine = self._quorum.vote(self._nominee, now.boottime)
                return mine or self.role is Role.CANDIDATE
            case Offer():
                return self._take_offer(heard.sender, heard.frame)
            case Bye(boot=boot):
                self._quorum.undone(boot)
        return self._intake.hear(heard, now)

    def _judge(self, fitness: Fitness, now: Instant) -> None:
        self._standing.judge(fitness.unfit, now.wall)
        if fitness.unfit and self.role is Role.LEADER:
            self._resign(fitness.reason, "was unfit while it led", now)

    def _resign(self, reason: Reason, why: str, now: Instant) -> None:
        if self.role is Role.LEADER:
            self._give_up(Trigger.RESIGNED, reason, now)
        else:
            self._standing.restamp(now.wall)
        self._terms.withdraw()
        if reason in _HELD:
            self._standing.hold(why, now.boottime + self.timing.hold)

    def _leave(self, now: Instant) -> None:
        if self.role is Role.LEADER:
            self._give_up(Trigger.LEAVES, Reason.LEAVING, now)
        elif self.role is not Role.STOPPING:
            self.role = next_role(self.role, Trigger.LEAVES)
            if self._bequest is not None and self._bequest.is_offered:
                self._retire(now)  # its hooks have ended
                return
        self._say_goodbye()

    # -- giving up -----------------------------------------------------------------------------------------------------

    def _give_up(self, trigger: Trigger, reason: Reason, now: Instant) -> None:
        """Lead no more. The shell sees it in the view, ends the work of the leadership, and reports Released."""
        self.role = next_role(self.role, trigger)
        self._viewer.resigned(reason)
        self._conflict = False
        self._terms.withdraw()
        self._costly = reason in _COSTLY
        if self._costly:
            self._standing.restamp(now.wall)

    def _transfer(self, target: Address, now: Instant) -> None:
        peer = self._roster.peers.get(target)
        if self.role is Role.LEADER and peer is not None and self._quorum.may_lead(peer.state):
            self._bequest = Bequest(address=target, heir=peer.state.boot, stamp=self._standing.stamp)
            self._give_up(Trigger.RESIGNED, Reason.TRANSFER, now)

    def _take_offer(self, sender: Address, offer: Offer) -> bool:
        giver = self._roster.peers.get(sender)
        if not may_take(offer, self.state, giver.state if giver is not None else None):
            return False
        self._standing.stamp = offer.start_time
        return True

    def _release(self, now: Instant) -> None:
        """The hooks of the demotion have ended: others may lead, the heir first."""
        if self._bequest is not None and self.role is Role.DEMOTING:
            self._bequest = self._bequest.offered(now.boottime + self.timing.heartbeat)
            self._effects.append(Send(address=self._bequest.address, frame=self._bequest.offer))
        else:
            self._retire(now)

    def _retire(self, now: Instant) -> None:
        self.role = next_role(self.role, Trigger.RELEASED)
        self._terms.led = 0
        self._bequest = None
        self._quorum.give_back()
        if self._costly:
            self._standing.restamp(now.wall)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        if self.role is Role.GONE:
            self._quorum.give_back()
            goodbye = Bye(boot=self.identity.boot)
            self._effects += [Send(address=address, frame=goodbye) for address in sorted(self._roster.links)]
            self._effects.append(Left())

    # -- roles ---------------------------------------------------------------------------------------------------------

    def _decide(self, now: Instant) -> None:
        """Find out who should lead, become what follows from it, and say so."""
        if self.role is Role.GONE:
            return
        self._take_stamp(now)
        self._standing.recover(now)
        if self.role is Role.JOINING and now.boottime >= self._contacts.settled_at(self.timing.settle):
            self.role = next_role(self.role, Trigger.SETTLED)
        if self._bequest is not None and self._bequest.is_settled(self._roster.states(), now.boottime):
            self._retire(now)
        self._take_role(now)
        if self._quorum.vote(self._nominee, now.boottime):
            self._take_role(now)
        accepted = self._accepted(now)
        self._effects += self._teller.publish(self._draft(now, accepted), now.boottime)
        self._terms.remember()
        engaged = self._roster.peers.keys() | self._roster.links.keys()
        self._effects += self._contacts.tidy(frozenset(engaged), now.boottime)
        sitting = accepted if accepted is not None and accepted.role == Role.LEADER else None
        # `settle` is there to hear the leader. Who has heard it may confirm the next one, though not yet stand itself;
        # otherwise a leader that dies while somebody joins would be missed for all of `settle`.
        self._has_followed = self._has_followed or sitting is not None
        self._effects += self._viewer.look(self.state, self._roster, sitting, now.boottime)
        self._decide_at = self._next_decision(now.boottime)

    def _take_stamp(self, now: Instant) -> None:
        """Take the first stamp on first contact, and a fresh one that a newcomer owes to a sitting leader."""
        if not self._standing.stamped:
            if self._contacts.alone or self._roster.peers or self.role is not Role.JOINING:
                self._standing.restamp(now.wall)
            else:
                return
        if self.role in _LEADING:
            return
        leaders = sitting_leaders(self._roster.states())
        if leaders and seniority(leaders[-1]) > (self._standing.stamp, self.identity.address):
            self._standing.restamp(now.wall, beyond=leaders[-1].start_time)

    def _choose(self, now: Instant) -> State | None:
        """Who should lead."""
        able = [state for state in (self._draft(now), *self._roster.states()) if self._quorum.may_lead(state)]
        return most_senior(able, self._roster.originals())

    def _take_role(self, now: Instant) -> None:
        """Become what follows from who should lead, who is then the `_nominee`."""
        nominee = self._choose(now)
        mine = nominee is not None and nominee.address == self.identity.address
        if self.role is Role.LEADER:
            if self._quorum.is_lost(nominee):
                rival = nominee is not None and nominee.role == Role.LEADER
                self._give_up(Trigger.OUTRANKED, Reason.CONFLICT if rival else Reason.OUTRANKED, now)
            elif self._quorum.electorate is None:
                self._mend()
        elif self.role is Role.FOLLOWER and mine:
            self.role = next_role(self.role, Trigger.NOMINATED)
        elif self.role is Role.CANDIDATE and not mine:
            self.role = next_role(self.role, Trigger.OUTRANKED)
            self._quorum.give_back()
        if self.role is Role.CANDIDATE and self._may_lead(now):
            self.role = next_role(self.role, Trigger.CONFIRMED)
            self._terms.begin()
        self._nominee = self._choose(now)

    def _mend(self) -> None:
        """A leader that met another takes a new term once the other has ended its demotion, or is gone."""
        if any(state.led_term or state.role == Role.LEADER for state in self._roster.states()):
            self._conflict = True
        elif self._conflict and self._terms.are_ready():
            self._conflict = False
            self._viewer.reason = Reason.CONFLICT
            self._terms.begin()

    def _may_lead(self, now: Instant) -> bool:
        """Whether its term is on disk, and the others agree to it.

        After a jump of the wall clock, what the others agreed to may be long past: they answer first.
        """
        won = self._terms.are_ready() and self._quorum.is_won(self._terms.proposal, now.boottime)
        return won and not self._quorum.in_doubt

    # -- what this node says -------------------------------------------------------------------------------------------

    def _accepted(self, now: Instant) -> State | None:
        """Whom this node accepts: itself as the leader, a sitting leader, or a candidate that it confirms."""
        if self.role is Role.LEADER:
            return self._draft(now)
        if self.role in _LEAVING:
            return None
        return self._quorum.accepted(self._nominee, self.role, has_followed=self._has_followed)

    def _obstacle(self, now: float) -> str:
        """Why this node may not lead at present; empty where it may."""
        if self.role in _LEAVING:
            return self._standing.obstacle(now) or "still ends what it did as the leader"
        if self._quorum.electorate is None or self.role is Role.LEADER:
            return self._standing.obstacle(now)
        joining = "has not seen enough of the cluster yet" if self.role is Role.JOINING else ""
        return self._standing.obstacle(now) or joining or self._quorum.obstacle()

    def _draft(self, now: Instant, accepted: State | None = None) -> State:
        """What this node has to say; the teller numbers it."""
        states = self._roster.states()
        unfit = self._obstacle(now.boottime)
        return State(
            address=self.identity.address,
            name=self.identity.name,
            version=self.identity.version,
            boot=self.identity.boot,
            serial=0,
            start_time=self._standing.stamp,
            newest=self._standing.newest,
            term=self._standing.term,
            leader=accepted.address if accepted is not None else None,
            leader_boot=accepted.boot if accepted is not None else None,
            role=self.role,
            led_term=self._terms.led,
            sitting=tuple(leadership(state) for state in sitting_leaders(states)),
            fit=not unfit,
            unfit=unfit,
            part=self.identity.part,
            electorate=self._quorum.electorate,
            links=self._roster.heard_directly(),
            members=tuple(sorted([self.identity.address, *self._roster.peers])),
        )

    def _next_decision(self, now: float) -> float:
        """When time alone changes something: settling, the end of `hold`, an absent leader that becomes news."""
        moments = [self._standing.held_until, self._viewer.next_news(), *self._quorum.next_moment()]
        if self.role is Role.JOINING:
            moments.append(self._contacts.settled_at(self.timing.settle))
        if self.role is Role.CANDIDATE and now >= self._pulse.authority_end:
            moments.append(self._pulse.due)
        if self._bequest is not None:
            moments.append(self._bequest.until)
        return min((moment for moment in moments if moment > now), default=math.inf)

    def _make_quorum(self, electorate: Electorate | None, memory: Memory, now: float) -> Quorum:
        if electorate is not None:
            return make_majority(
                identity=self.identity,
                electorate=electorate,
                roster=self._roster,
                standing=self._standing,
                effects=self._effects,
                memory=memory,
                now=now,
            )
        return Unanimity(self.identity, self._roster, self._pulse, self._effects)

    def _flush(self) -> list[Effect]:
        done = self._effects.copy()
        self._effects.clear()
        return done
