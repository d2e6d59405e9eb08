"""The election machine: what a node is, whom it accepts, and what it must tell and do about it.

It may be imported by backends and tests. The parts that it is made of: `intake` keeps the books (`membership` knows who
is alive, `contacts` whom to dial), `seniority` says who should lead and a `quorum` whether the others agree, `roles`
what may follow what, and `office` what this node becomes; `terms` counts, `pulse` watches the clocks, `telling` says it
to the others and `viewing` to this node.
"""

import math

from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Effect
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Electorate,
    Offer,
    State,
    Tell,
)
from les_hooks.election.identity import Identity, Memory, Timing
from les_hooks.election.intake import Intake
from les_hooks.election.majority import Majority, make_majority
from les_hooks.election.membership import Roster
from les_hooks.election.messages import (
    Fitness,
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
    StepDown,
    Transfer,
    Undone,
)
from les_hooks.election.office import Office
from les_hooks.election.pulse import Pulse
from les_hooks.election.quorum import Quorum
from les_hooks.election.reporting import QuorumReport, report_majority, warnings
from les_hooks.election.roles import Role, Trigger
from les_hooks.election.standing import Standing
from les_hooks.election.telling import Teller
from les_hooks.election.terms import Terms
from les_hooks.election.unanimity import Unanimity
from les_hooks.election.viewing import Viewer
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Mandate, Part, View

__all__ = ["Machine"]


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
        self._effects: list[Effect] = []
        self._roster = Roster(timing)
        self._pulse = Pulse(
            timing, due=now.boottime + timing.heartbeat, timely=now.boottime, offset=now.wall - now.boottime
        )
        self._contacts = Contacts(me=identity.address, alone_at=now.boottime + timing.alone_after)
        self._standing = Standing(
            term=memory.term, newest=memory.newest, kept=memory.kept, stands=identity.part is Part.MEMBER
        )
        self._terms = Terms(self._standing, self._effects, remembered=(memory.term, UNSTAMPED))
        self._quorum = self._make_quorum(electorate, memory, now.boottime)
        self._viewer = Viewer(me=identity.address, grace=timing.settle, patience=timing.failure)
        self._office = Office(
            identity=identity,
            timing=timing,
            roster=self._roster,
            contacts=self._contacts,
            standing=self._standing,
            terms=self._terms,
            pulse=self._pulse,
            quorum=self._quorum,
            viewer=self._viewer,
            effects=self._effects,
        )
        self._teller = Teller(self._roster, self._office.draft(now))
        self._viewer.begin(self.state)
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
        self._decide_at = math.inf

    def _make_quorum(self, electorate: Electorate | None, memory: Memory, now: float) -> Quorum:
        if electorate is None:
            return Unanimity(self.identity, self._roster, self._pulse, self._effects)
        return make_majority(
            identity=self.identity,
            electorate=electorate,
            roster=self._roster,
            standing=self._standing,
            effects=self._effects,
            memory=memory,
            now=now,
        )

    # -- what the shell calls ------------------------------------------------------------------------------------------

    def receive(self, message: Message, now: Instant) -> list[Effect]:
        """Take in a message; afterwards carry out the effects in order and arm the timer at `next_deadline`."""
        if self.role is not Role.GONE:
            changed = self._catch_up(now)
            if self._take_in(message, now) or changed or self._viewer.is_outdated(self._roster, now.boottime):
                self._decide(now)
        return self._flush()

    def tick(self, now: Instant) -> list[Effect]:
        """Do what is due; afterwards as for `receive`. An early call does nothing."""
        if self.role is not Role.GONE:
            changed = self._catch_up(now)
            changed = self._intake.bury_the_lost(now) or changed or now.boottime >= self._decide_at
            if changed or self._viewer.is_outdated(self._roster, now.boottime):
                self._decide(now)
        return self._flush()

    def next_deadline(self) -> float:
        """The boottime at which `tick` has something to do; infinite once this node is gone."""
        if self.role is Role.GONE:
            return math.inf
        silence = self._viewer.next_silence(self._roster)
        moments = [self._pulse.due, self._decide_at, self._roster.next_loss(), silence]
        if self.role is Role.LEADER:
            moments.append(self._quorum.act_until)
        return min(moments)

    @property
    def role(self) -> Role:
        """What this node is."""
        return self._office.role

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
        return self._office.mandate

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
        jumped = self._pulse.has_jumped(now)
        lateness = self._pulse.lateness(now.boottime)
        slept = lateness is not None and lateness > self.timing.heartbeat
        if lateness is not None and slept:
            self._roster.forgive(lateness)
            self._pulse.forgive(lateness)
            self._viewer.slept(lateness, now.boottime)
        self._office.look(now.boottime)
        if self.role is Role.LEADER and now.boottime >= self._quorum.act_until:
            voted = self._quorum.electorate is not None and not slept
            self._office.give_up(Trigger.EXPIRED, Reason.NO_MAJORITY if voted else Reason.SLEPT, now)
            self._decide(now)
        if jumped:
            self._quorum.doubt(self.role, self._terms.led, now.boottime)
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
        """Returns whether an election could hang on it."""
        match message:
            case Heard():  # by far the most frequent
                return self._hear(message, now)
            case Saved(term=term):
                self._terms.saved(term)
            case SaveFailed(term=term):
                self._terms.unsaved()
                if term == self._terms.proposal:
                    self._office.resign(Reason.UNSAVED, "could not save its term", now)
            case Pledged() | PledgeFailed():
                self._quorum.written(message)
            case Released():
                self._office.release(now)
            case StepDown(reason=reason, note=note):
                if self.role is Role.LEADER:
                    self._office.resign(reason, note or "stepped down", now)
            case Fitness():
                self._office.judge(message, now)
            case Transfer(target=target):
                self._office.transfer(target, now)
            case Leave():
                self._office.leave(now)
            case Undone(address=address, boot=boot):
                self._quorum.undone(address, boot)
                self._intake.take_in(message, now)
            case LinkUp(hello=hello):
                self._quorum.unlinked(Address(hello.address))
                self._intake.take_in(message, now)
            case LinkDown(address=address):
                self._quorum.unlinked(address)
                self._intake.take_in(message, now)
            case _:
                self._intake.take_in(message, now)
        return True

    def _hear(self, heard: Heard, now: Instant) -> bool:
        sender, frame = heard.sender, heard.frame
        match frame:
            case Beat() | Tell() | Ask() | Answer():
                return self._intake.hear(sender, frame, now)
            case _ if sender not in self._roster.links:
                return False  # a link that was replaced or closed meanwhile
            case Bye(boot=boot):
                if boot == self._roster.links[sender].boot:
                    self._quorum.undone(sender, boot)
                return self._intake.hear(sender, frame, now)
            case Offer():
                return self._office.take_offer(sender, frame, now)
            case _:
                self._quorum.hear(sender, frame)
                mine = self._quorum.vote(self._office.nominee, self.role, now.boottime)
                return mine or self.role is Role.CANDIDATE

    def _decide(self, now: Instant) -> None:
        """Find out who should lead, become what follows from it, and say so."""
        if self.role is Role.GONE:
            return
        accepted = self._office.decide(now)
        self._effects += self._teller.publish(self._office.draft(now, accepted), now.boottime)
        self._terms.remember()
        engaged = self._roster.peers.keys() | self._roster.links.keys()
        self._effects += self._contacts.tidy(frozenset(engaged), now.boottime)
        sitting = accepted if accepted is not None and accepted.role == Role.LEADER else None
        self._effects += self._viewer.look(self.state, self._roster, sitting, now.boottime)
        self._decide_at = min(self._office.next_decision(now.boottime), self._viewer.next_news(now.boottime))

    def _flush(self) -> list[Effect]:
        done = self._effects.copy()
        self._effects.clear()
        return done
