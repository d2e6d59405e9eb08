"""What comes in from the network and what it does to the books: links, frames, polled originals. Rules 1 to 4 and 9."""

import math
from dataclasses import dataclass, field

from les_hooks.election.contacts import Contacts
from les_hooks.election.effects import Dial, Drop, Effect, Send
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    State,
    Tell,
)
from les_hooks.election.identity import Identity
from les_hooks.election.membership import Link, Roster
from les_hooks.election.messages import (
    DialFailed,
    Instant,
    Introduced,
    LinkDown,
    LinkUp,
    OriginalAnswered,
    OriginalFailed,
    Report,
    SeedIsSelf,
    SeedsKnown,
    Undone,
)
from les_hooks.election.originals import state_of
from les_hooks.election.pulse import Pulse
from les_hooks.election.standing import Standing
from les_hooks.election.telling import Teller, beat
from les_hooks.election.viewing import Viewer
from les_hooks.events import Reason
from les_hooks.members import Address, Boot

__all__ = ["Intake"]

# How many others are asked about a silent member.
_WITNESSES = 3


@dataclass(slots=True)
class Intake:
    """Keeps the books of the machine; what is to be done about it is appended to `effects`."""

    identity: Identity
    roster: Roster
    contacts: Contacts
    standing: Standing
    pulse: Pulse
    teller: Teller
    viewer: Viewer
    effects: list[Effect] = field(default_factory=list)

    def take_in(self, report: Report, now: Instant) -> None:
        """Take in what the shell reports of the network."""
        match report:
            case SeedsKnown():
                self.effects += self.contacts.set_seeds(
                    report.addresses, report.unresolved, configured=report.configured
                )
            case SeedIsSelf(address=address):
                self.effects += self.contacts.is_self(address)
            case Introduced(address=address):
                self.effects += self.contacts.hear_of(address)
            case LinkUp():
                self._link_up(report, now)
            case LinkDown(address=address):
                self.roster.links.pop(address, None)
            case DialFailed(address=address, refused=refused):
                self._dial_failed(address, refused, now)
            case OriginalAnswered():
                self._original_answered(report, now)
            case OriginalFailed():
                self._original_failed(report.address, report.refused, now)
            case _:
                self._bury_undone(report, now)

    def bury_the_lost(self, now: Instant) -> bool:
        """Remove the members whose time is up; returns whether there were any."""
        lost = self.roster.lost(now.boottime)
        for address in lost:
            peer = self.roster.remove(address)
            self.viewer.depart(peer, Reason.TIMEOUT)
            self.pulse.awaited.pop(address, None)
            self.effects += self.contacts.lost(address, now.boottime, met=peer.met)
        return bool(lost)

    def doubt_the_silent(self, now: Instant) -> bool:
        """Ask up to three others about every member that has gone silent, and wait no longer for the late ones.

        Returns whether one is newly suspected, or nobody is waited for any more.
        """
        suspected = self.roster.suspect(now.boottime)
        for address in self.roster.to_ask_about(now.boottime):
            question = Ask(address=address, boot=self.roster.peers[address].state.boot)
            self.effects += [Send(address=other, frame=question) for other in self._witnesses(address)]
        for address in self.roster.hung(now.boottime):
            self.roster.unlink(address)
            self.effects += self.contacts.redial(address)
        return self.pulse.give_up(now.boottime) or suspected

    def _witnesses(self, silent: Address) -> list[Address]:
        """Whom to ask about a silent member: those that said last that they hear it come first."""
        able = [other for other in self.roster.heard_directly() if other in self.roster.links]
        return sorted(able, key=lambda other: silent not in self.roster.peers[other].state.links)[:_WITNESSES]

    # -- frames ----------------------------------------------------------------------------------------------------

    def hear(self, sender: Address, frame: Tell | Beat | Ask | Answer | Bye, now: Instant) -> bool:
        """Take in a frame; returns whether anything changed that an election could hang on."""
        link = self.roster.links.get(sender)
        if link is None:
            return False  # a link that was replaced or closed meanwhile
        known = self.roster.peers.get(sender)
        if known is not None and known.state.boot.counter > link.boot.counter and not known.original:
            return False  # others know the next process there: what comes of this one is late
        match frame:
            case Beat():
                return self._hear_beat(sender, link, frame, now)
            case Tell():
                return self._hear_tell(sender, link, frame, now)
            case Ask():
                self._answer(sender, frame, now)
                return False
            case Answer():
                return self._hear_answer(frame, now)
            case _:
                return frame.boot == link.boot and self._bury(sender, Reason.GOODBYE, now)

    def _hear_beat(self, sender: Address, link: Link, frame: Beat, now: Instant) -> bool:
        if frame.prompt:
            self.effects.append(beat(sender, link, now.boottime))
        return self._hear_life(sender, link, frame, now)

    def _hear_life(self, sender: Address, link: Link, frame: Beat | Tell, now: Instant) -> bool:
        recovered = self.roster.hear(sender, frame.seq, frame.ack, now.boottime)
        return self.pulse.answered(sender, link.acked) or recovered

    def _hear_tell(self, sender: Address, link: Link, tell: Tell, now: Instant) -> bool:
        if tell.state.address != sender or tell.state.boot != link.boot:
            return False  # its hello said otherwise
        self._supersede(sender, tell.state.boot, now)
        self.roster.meet(tell.state, now.boottime)
        self._hear_life(sender, link, tell, now)
        self._learn(tell.state, now)
        for relayed in tell.relayed:
            known = Address(relayed.state.address)
            if known != self.identity.address and not self._hears(known):
                self._supersede_older(known, relayed.state.boot, now)
                self.roster.overhear(relayed, sender, now.boottime)
                self._learn(relayed.state, now)
        return True

    def _hears(self, address: Address) -> bool:
        """Whether what others tell of the member is not needed: its own link speaks for it, or is about to."""
        peer = self.roster.peers.get(address)
        return address in self.roster.links and (peer is None or not peer.suspected)

    def _answer(self, sender: Address, question: Ask, now: Instant) -> None:
        peer = self.roster.peers.get(Address(question.address))
        age = None
        if peer is not None and peer.state.boot == question.boot and peer.directly > -math.inf:
            age = max(0.0, now.boottime - peer.directly)
        answer = Answer(address=question.address, boot=question.boot, age=age)
        self.effects.append(Send(address=sender, frame=answer))

    def _hear_answer(self, answer: Answer, now: Instant) -> bool:
        peer = self.roster.peers.get(Address(answer.address))
        if peer is not None and answer.age is not None and peer.state.boot == answer.boot:
            peer.others = max(peer.others, now.boottime - answer.age)
        return False

    # -- links -----------------------------------------------------------------------------------------------------

    def _link_up(self, up: LinkUp, now: Instant) -> None:
        address, boot = Address(up.hello.address), up.hello.boot
        self.effects += self.contacts.want(address)
        for reached in (up.dialed, address):
            if reached is not None:
                self.contacts.answered(reached)
        if address == self.identity.address:
            self.effects.append(Drop(address=address))  # another node that was given our address
            return
        known = self.roster.peers.get(address)
        if known is not None and not known.original and boot.counter < known.state.boot.counter:
            # Not the process that is known to live there: reach for whoever really listens.
            self.roster.links.pop(address, None)
            self.effects += [Drop(address=address), Dial(address=address)]
            return
        self._supersede(address, boot, now)
        self.roster.disown(address)
        self.roster.links[address] = Link(boot, since=now.boottime)
        self.effects.append(self.teller.introduce(address, now.boottime))
        self.pulse.relinked(address, self.roster.links[address].sent)

    def _supersede(self, address: Address, boot: Boot, now: Instant) -> None:
        """Another process than the one that is known answers at this address: the known one is gone."""
        known = self.roster.peers.get(address)
        if known is not None and known.state.boot != boot:
            link = self.roster.links.get(address)
            self._bury(address, Reason.RESTARTED, now)
            if link is not None:
                self.roster.links[address] = link

    def _supersede_older(self, address: Address, boot: Boot, now: Instant) -> None:
        """Others tell of the process `boot`; what they tell of older ones is late news."""
        known = self.roster.peers.get(address)
        if known is not None and known.state.boot.counter < boot.counter:
            self._supersede(address, boot, now)

    def _dial_failed(self, address: Address, refused: bool, now: Instant) -> None:
        self.contacts.tried(address)
        if address in self.roster.links:
            return  # the other end dialed us
        peer = self.roster.peers.get(address)
        if peer is None:
            self.effects += self.contacts.unwant(address)
        elif refused and not peer.doubted:
            self._bury(address, Reason.REFUSED, now)

    def _bury(self, address: Address, reason: Reason, now: Instant) -> bool:
        if address not in self.roster.peers:
            return False
        self.viewer.depart(self.roster.bury(address, now.boottime), reason)
        self.pulse.awaited.pop(address, None)
        return True

    def _bury_undone(self, undone: Undone, now: Instant) -> None:
        peer = self.roster.peers.get(undone.address)
        if peer is not None and peer.state.boot == undone.boot:
            self._bury(undone.address, Reason.REFUSED, now)

    # -- originals -------------------------------------------------------------------------------------------------

    def _original_answered(self, answer: OriginalAnswered, now: Instant) -> None:
        address = answer.address
        if address == self.identity.address:
            return
        self.effects += self.contacts.want(address)
        self.contacts.answered(address)
        known = self.roster.peers.get(address)
        state = state_of(answer, known.state if known is not None else None)
        self._supersede(address, state.boot, now)
        self.roster.meet(state, now.boottime, original=True)
        self._learn(state, now)

    def _original_failed(self, address: Address, refused: bool, now: Instant) -> None:
        self.contacts.tried(address)
        peer = self.roster.peers.get(address)
        if peer is None:
            self.effects += self.contacts.unwant(address)
        elif not peer.doubted:
            self._bury(address, Reason.REFUSED if refused else Reason.TIMEOUT, now)

    # -- what is learned on the way --------------------------------------------------------------------------------

    def _learn(self, state: State, now: Instant) -> None:
        self.contacts.heard_at = min(self.contacts.heard_at, now.boottime)
        self.standing.learn(state, now.wall)
        for address in map(Address, (state.address, *state.members)):
            known = address in self.roster.peers or address in self.roster.links
            self.effects += self.contacts.want(address) if known else self.contacts.hear_of(address)
