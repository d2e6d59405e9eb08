"""The election machine: what a node is, whom it accepts, and what it must tell and do about it.

It may be imported by backends and tests. The parts that it is made of: `intake` keeps the books (`membership` knows who
is alive, `contacts` whom to dial), `seniority` says who should lead and `consent` whether all agree, `roles` what may
follow what, `terms` counts, `pulse` watches the clocks, `telling` says it to the others and `viewing` to this node.
"""

import math

from les_hooks.election.consent import is_confirmed, others_are_led
from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Effect, Left, Send
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.intake import Intake
from les_hooks.election.membership import Roster
from les_hooks.election.messages import (
    Bye,
    Fitness,
    Heard,
    Instant,
    Leave,
    Message,
    Pledged,
    PledgeFailed,
    Released,
    Saved,
    SaveFailed,
    State,
    StepDown,
    Transfer,
)
from les_hooks.election.pulse import Pulse
from les_hooks.election.roles import Role, Trigger, next_role
from les_hooks.election.seniority import leadership, most_senior, seniority, sitting_leaders
from les_hooks.election.standing import Standing
from les_hooks.election.telling import Teller
from les_hooks.election.terms import Terms
from les_hooks.election.viewing import Viewer, first_view
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Mandate, View

__all__ = ["Machine"]

# Losing leadership for these reasons costs seniority; yielding to a senior, healing and leaving do not. After those of
# `_HELD` a node stays unfit for `hold`: what made it resign is not over because the hooks have ended.
_HELD = frozenset({Reason.OPERATOR, Reason.CRITICAL, Reason.UNSAVED})
_COSTLY = _HELD | {Reason.SLEPT}

_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})
_LEAVING = frozenset({Role.DEMOTING, Role.STOPPING})
_ACCEPTING = frozenset({Role.JOINING, Role.FOLLOWER})


class Machine:
    """One node's part in the election. Feed it messages and ticks, carry out what it returns, and arm one timer.

    `role`, `state` (what it says of itself), `view`, `mandate` (how long it may act as a leader) and
    `confirming` (it may not act until the others have answered) may be read at any time.
    """

    def __init__(self, *, identity: Identity, timing: Timing, memory: Memory, now: Instant) -> None:
        """Start a node that knows nobody yet."""
        self.identity = identity
        self.timing = timing
        self.role = Role.JOINING
        self._standing = Standing(term=memory.term, newest=memory.newest)
        self._pulse = Pulse(
            timing, due=now.boottime + timing.heartbeat, timely=now.boottime, offset=now.wall - now.boottime
        )
        self._roster = Roster(timing)
        self._contacts = Contacts(me=identity.address)
        self._effects: list[Effect] = []
        self._terms = Terms(self._standing, self._effects, remembered=(memory.term, UNSTAMPED))
        self._conflict = False
        self._costly = False
        self._has_followed = False
        self._decide_at = math.inf
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
        return min(self._pulse.due, self._decide_at, self._roster.next_loss())

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
        act_until = self._pulse.authority_end if self.role is Role.LEADER else -math.inf
        return Mandate(act_until=act_until, release_by=math.inf)

    @property
    def confirming(self) -> bool:
        """Whether a leader must wait for the others' answers before its next side effect."""
        return self.role is Role.LEADER and bool(self._pulse.awaited)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _catch_up(self, now: Instant) -> bool:
        """Look at the clocks before anything else, and beat if it is time: a node that slept demotes first.

        Returns whether anything changed that an election could hang on.
        """
        if self._pulse.has_jumped(now):
            self._ask_for_confirmation(now)
        lateness = self._pulse.lateness(now.boottime)
        if lateness is None:
            return False
        if lateness > self.timing.heartbeat:
            self._roster.forgive(lateness)
            self._pulse.forgive(lateness)
        if self.role is Role.LEADER and now.boottime >= self._pulse.authority_end:
            self._give_up(Trigger.SLEPT, Reason.SLEPT, now)
            self._decide(now)
        self._pulse.beat(now.boottime, lateness)
        self._roster.forget_graves(now.boottime)
        self._effects += self._teller.pulse(now.boottime)
        self._terms.retry()
        return self._intake.doubt_the_silent(now)

    def _ask_for_confirmation(self, now: Instant) -> None:
        """The machine may have stood still, and the others may have elected another: let each of them answer first."""
        for address in self._roster.heard_lately(now.boottime):
            link = self._roster.links.get(address)
            if link is not None:
                self._effects.append(self._teller.beat(address, link, now.boottime, prompt=True))
            # Where the link broke meanwhile, any answer over the next one will do.
            self._pulse.ask(address, link.sent if link is not None else 1, now.boottime)

    # -- what this node is told about itself ---------------------------------------------------------------------------

    def _take_in(self, message: Message, now: Instant) -> bool:
        match message:
            case Heard():  # by far the most frequent
                return self._intake.hear(message, now)
            case Saved(term=term):
                self._terms.saved(term)
            case SaveFailed(term=term):
                self._terms.unsaved()
                if term == self._terms.proposal:
                    self._resign(Reason.UNSAVED, now)
            case StepDown(reason=reason):
                if self.role is Role.LEADER:
                    self._resign(reason, now)
            case Released():
                self._release(now)
            case Leave():
                self._leave(now)
            case Pledged() | PledgeFailed() | Fitness() | Transfer():
                pass
            case _:
                self._intake.take_in(message, now)
        return True

    def _resign(self, reason: Reason, now: Instant) -> None:
        if self.role is Role.LEADER:
            self._give_up(Trigger.RESIGNED, reason, now)
        else:
            self._standing.restamp(now.wall)
        self._terms.withdraw()
        self._standing.unfit_until = now.boottime + self.timing.hold

    def _leave(self, now: Instant) -> None:
        if self.role is Role.LEADER:
            self._give_up(Trigger.LEAVES, Reason.LEAVING, now)
        elif self.role is not Role.STOPPING:
            self.role = next_role(self.role, Trigger.LEAVES)
        self._say_goodbye()

    def _release(self, now: Instant) -> None:
        self.role = next_role(self.role, Trigger.RELEASED)
        self._terms.led = 0
        if self._costly:
            self._standing.restamp(now.wall)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        if self.role is Role.GONE:
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
        nominee = self._nominee(now)
        self._take_role(nominee, now)
        accepted = self._accepted(self._nominee(now), now)
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
            if self._contacts.alone or self._roster.peers:
                self._standing.restamp(now.wall)
            else:
                return
        if self.role in _LEADING:
            return
        leaders = sitting_leaders(self._roster.states())
        if leaders and seniority(leaders[-1]) > (self._standing.stamp, self.identity.address):
            self._standing.restamp(now.wall, beyond=leaders[-1].start_time)

    def _nominee(self, now: Instant) -> State | None:
        return most_senior([self._draft(now), *self._roster.states()], self._roster.originals())

    def _take_role(self, nominee: State | None, now: Instant) -> None:
        mine = nominee is not None and nominee.address == self.identity.address
        if self.role is Role.LEADER:
            if mine:
                self._mend()
            else:
                rival = nominee is not None and nominee.role == Role.LEADER
                self._give_up(Trigger.OUTRANKED, Reason.CONFLICT if rival else Reason.OUTRANKED, now)
        elif self.role is Role.FOLLOWER and mine:
            self.role = next_role(self.role, Trigger.NOMINATED)
        elif self.role is Role.CANDIDATE and not mine:
            self.role = next_role(self.role, Trigger.OUTRANKED)
        if self.role is Role.CANDIDATE and self._may_lead(now):
            self.role = next_role(self.role, Trigger.CONFIRMED)
            self._terms.begin()

    def _mend(self) -> None:
        """A leader that met another takes a new term once the other has ended its demotion, or is gone."""
        if any(state.led_term or state.role == Role.LEADER for state in self._roster.states()):
            self._conflict = True
        elif self._conflict and self._terms.are_ready():
            self._conflict = False
            self._viewer.reason = Reason.CONFLICT
            self._terms.begin()

    def _may_lead(self, now: Instant) -> bool:
        """Whether its term is on disk, all agree, and it has authority: who slept beats in time before it leads.

        After a jump of the wall clock, what the others agreed to may be long past: they answer first.
        """
        ready = self._terms.are_ready() and not self._pulse.awaited
        return ready and is_confirmed(self.identity, self._roster) and now.boottime < self._pulse.authority_end

    def _give_up(self, trigger: Trigger, reason: Reason, now: Instant) -> None:
        """Lead no more. The shell sees it in the view, ends the work of the leadership, and reports Released."""
        self.role = next_role(self.role, trigger)
        self._viewer.resigned(reason)
        self._conflict = False
        self._terms.withdraw()
        self._costly = reason in _COSTLY
        if self._costly:
            self._standing.restamp(now.wall)

    # -- what this node says -------------------------------------------------------------------------------------------

    def _accepted(self, nominee: State | None, now: Instant) -> State | None:
        """Whom this node accepts: itself as the leader, a sitting leader, or a candidate once it may elect."""
        if self.role is Role.LEADER:
            return self._draft(now)
        if nominee is None or nominee.address == self.identity.address:
            return None
        if nominee.role == Role.LEADER:
            return nominee if self.role in _ACCEPTING else None
        elects = self.role is Role.FOLLOWER or (self.role is Role.JOINING and self._has_followed)
        return nominee if elects and not others_are_led(self.identity, self._roster, nominee) else None

    def _draft(self, now: Instant, accepted: State | None = None) -> State:
        """What this node has to say; the teller numbers it."""
        states = self._roster.states()
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
            fit=self._standing.is_fit(now.boottime) and self.role not in _LEAVING,
            links=self._roster.heard_directly(),
            members=tuple(sorted([self.identity.address, *self._roster.peers])),
        )

    def _next_decision(self, now: float) -> float:
        """When time alone changes something: settling, the end of `hold`, an absent leader that becomes news."""
        moments = [self._standing.unfit_until, self._viewer.next_news()]
        if self.role is Role.JOINING:
            moments.append(self._contacts.settled_at(self.timing.settle))
        if now >= self._pulse.authority_end:
            moments.append(self._pulse.due)
        return min((moment for moment in moments if moment > now), default=math.inf)

    def _flush(self) -> list[Effect]:
        done = self._effects.copy()
        self._effects.clear()
        return done
