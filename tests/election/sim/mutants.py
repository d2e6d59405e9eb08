"""Bugs planted one at a time, to know that the simulator would see them. Nothing of this is in the shipped code.

Each takes one rule of the design away by replacing a function of the machine's parts for a while.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from les_hooks.election import (
    ballot,
    contacts,
    intake,
    machine,
    majority,
    membership,
    office,
    roles,
    seniority,
    standing,
    voter,
)
from les_hooks.election.frames import Electorate
from les_hooks.election.messages import Instant
from les_hooks.election.roles import Role
from les_hooks.members import Address, Boot
from tests.election.sim.storms import Mode, Storm
from tests.election.sim.violation import Violation

__all__ = ["MUTANTS", "Catch", "Mutant", "hunt"]

Patch = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug by `name`, what it does in one `sentence`, and how it is planted: what is replaced by what.

    `within` so many storms it must be found.
    """

    name: str
    sentence: str
    mode: Mode
    within: int
    plant: Callable[[], list[Patch]]

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Have the bug for a while."""
        patches = self.plant()
        before = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
        for owner, name, wrong in patches:
            setattr(owner, name, wrong)
        try:
            yield
        finally:
            for owner, name, right in before:
                setattr(owner, name, right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """How a mutant was found: after how many seeds, in how many steps, by which invariant."""

    mutant: str
    seeds: int
    steps: int
    invariant: str


def hunt(mutant: Mutant, most_seeds: int, *, first: int = 0) -> Catch | None:
    """Run storms until one finds the bug; None where none of so many does."""
    steps = 0
    with mutant.planted():
        for count in range(1, most_seeds + 1):
            storm = Storm(first + count - 1, mutant.mode)
            try:
                storm.run()
            except Violation as found:
                return Catch(
                    mutant=mutant.name, seeds=count, steps=steps + storm.world.steps, invariant=found.invariant
                )
            steps += storm.world.steps
    return None


# -- the voter ---------------------------------------------------------------------------------------------------------


def _no_restart_wait() -> list[Patch]:
    def is_bound(self: voter.Voter, address: Address, boot: Boot, now: float) -> bool:
        return self.vote is not None and now < self.vote.until and self.vote.boot != boot

    return [(voter.Voter, "is_bound", is_bound)]


def _release_without_number() -> list[Patch]:
    right = voter.Voter.release

    def release(self: voter.Voter, sender: Address, boot: Boot, number: int) -> None:
        right(self, sender, boot, number)
        if self.vote is not None and self.vote.boot == boot:
            self.vote = None

    return [(voter.Voter, "release", release)]


def _grant_to_two() -> list[Patch]:
    def is_bound(self: voter.Voter, address: Address, boot: Boot, now: float) -> bool:
        return now < self.quiet_until

    return [(voter.Voter, "is_bound", is_bound)]


def _term_not_persisted() -> list[Patch]:
    def is_pledged(self: voter.Voter, wish: voter.Wish) -> bool:
        self.term, self.boot = max(self.term, wish.term), wish.boot
        return True

    return [(voter.Voter, "_is_pledged", is_pledged)]


def _shorter_lease() -> list[Patch]:
    right = majority.Majority.vote

    def vote(self: majority.Majority, nominee: Any, role: Role, now: float) -> bool:
        before = self.voter.vote if self.voter is not None else None
        mine = right(self, nominee, role, now)
        mutated = self.voter if self.identity.address == "b" else None
        if mutated is not None and mutated.vote is not None and mutated.vote is not before:
            mutated.vote = replace(mutated.vote, until=now + self.electorate.lease / 4)
        return mine

    return [(majority.Majority, "vote", vote)]


# -- the leader --------------------------------------------------------------------------------------------------------


def _count_from_receipt() -> list[Patch]:
    present = [0.0]
    right, receive = ballot.Ballot.granted, machine.Machine.receive

    def granted(self: ballot.Ballot, voter: Address, number: int) -> None:
        if number in self.sent:
            self.sent[number] = present[0]
        right(self, voter, number)

    def received(self: machine.Machine, message: Any, now: Instant) -> Any:
        present[0] = now.boottime
        return receive(self, message, now)

    return [(ballot.Ballot, "granted", granted), (machine.Machine, "receive", received)]


def _no_drift_guard() -> list[Patch]:
    return [(ballot.Ballot, "counted", property(lambda self: self.electorate.lease))]


def _answers_without_number() -> list[Patch]:
    right = ballot.Ballot.granted

    def granted(self: ballot.Ballot, voter: Address, number: int) -> None:
        right(self, voter, self.number)

    return [(ballot.Ballot, "granted", granted)]


def _late_grant_after_release() -> list[Patch]:
    right = ballot.Ballot.granted

    def granted(self: ballot.Ballot, voter: Address, number: int) -> None:
        floor, self.floor = self.floor, 0
        right(self, voter, number)
        self.floor = floor

    def void(self: ballot.Ballot) -> None:
        # What came before the release and what comes after it is the same mistake.
        self.floor = self.number

    return [(ballot.Ballot, "granted", granted), (ballot.Ballot, "void", void)]


def _visible_majority() -> list[Patch]:
    right = majority.make_majority
    rosters: dict[int, Any] = {}
    keep: list[Any] = []

    def make_majority(**arguments: Any) -> majority.Majority:
        made = right(**arguments)
        rosters[id(made.electorate)] = made.roster
        made.electorate = Electorate(made.electorate.voters, made.electorate.lease)
        made.ballot.electorate = made.electorate
        rosters[id(made.electorate)] = made.roster
        keep.append(made.electorate)
        return made

    def visible(self: Electorate) -> int:
        roster = rosters.get(id(self))
        seen = len(self.voters) if roster is None else 1 + sum(voter in roster.peers for voter in self.voters)
        return seen // 2 + 1

    return [(machine, "make_majority", make_majority), (Electorate, "majority", property(visible))]


def _release_before_demoted() -> list[Patch]:
    right = office.Office.give_up

    def give_up(self: office.Office, *arguments: Any) -> None:
        right(self, *arguments)
        if isinstance(self.quorum, majority.Majority):
            counted = self.quorum.ballot
            end, proven, since, floor = counted.end, counted.proven, dict(counted.since), counted.floor
            self.quorum.give_back()
            counted.end, counted.proven, counted.since, counted.floor = end, proven, since, floor

    return [(office.Office, "give_up", give_up)]


def _expiry_not_noticed() -> list[Patch]:
    right = office.Office.give_up

    def give_up(self: office.Office, trigger: Any, *arguments: Any) -> None:
        if trigger is not roles.Trigger.EXPIRED:
            right(self, trigger, *arguments)

    return [(office.Office, "give_up", give_up)]


def _lapse_forgotten() -> list[Patch]:
    return [(office.Office, "look", lambda self, now: None)]


def _kept_beyond_votes() -> list[Patch]:
    def hold_until(self: majority.Majority) -> float:
        return self.ballot.end + self.electorate.lease / 2

    return [(majority.Majority, "hold_until", property(hold_until))]


# -- who is there ------------------------------------------------------------------------------------------------------


def _pause_not_noticed() -> list[Patch]:
    return [(membership.Roster, "forgive", lambda self, seconds: None)]


def _boots_not_ordered() -> list[Patch]:
    def supersede_older(self: intake.Intake, address: Address, boot: Boot, now: Instant) -> None:
        known = self.roster.peers.get(address)
        if known is not None and known.state.boot != boot:
            self._supersede(address, boot, now)

    def bury(self: membership.Roster, address: Address, now: float) -> membership.Peer:
        return self.remove(address)

    return [(intake.Intake, "_supersede_older", supersede_older), (membership.Roster, "bury", bury)]


def _late_frames_unseat() -> list[Patch]:
    return [(seniority, "_knows", lambda senior, leader: True)]


def _no_settle() -> list[Patch]:
    return [(contacts.Contacts, "settled_at", lambda self, settle: -math.inf)]


def _newcomer_preempts() -> list[Patch]:
    right = office.Office._take_stamp

    def take_stamp(self: office.Office, now: Instant) -> None:
        if not self.standing.stamped:
            right(self, now)

    return [
        (standing, "fresh_stamp", lambda wall, newest: wall),
        (office.Office, "_take_stamp", take_stamp),
        (seniority, "_knows", lambda senior, leader: True),
    ]


def _mutant(
    name: str, sentence: str, plant: Callable[[], list[Patch]], mode: Mode = Mode.MAJORITY, *, within: int = 100
) -> Mutant:
    return Mutant(name=name, sentence=sentence, mode=mode, within=within, plant=plant)


MUTANTS = (
    _mutant("no restart wait", "a voter that has just started grants at once", _no_restart_wait),
    _mutant("count from receipt", "a grant counts from when it came", _count_from_receipt),
    _mutant("no drift guard", "a grant counts for all of the lease", _no_drift_guard),
    _mutant("answers without number", "a grant counts for the latest request", _answers_without_number),
    _mutant("release without number", "a late release frees a newer vote", _release_without_number, within=1200),
    _mutant("late grant after release", "grants count on that were given back", _late_grant_after_release, within=300),
    _mutant("visible majority", "a majority is of the voters that are heard", _visible_majority),
    _mutant("grant to two", "a voter grants whoever asks", _grant_to_two),
    _mutant("release before demote ends", "grants go when demotion begins", _release_before_demoted),
    _mutant("term not persisted by voters", "a voter writes nothing down", _term_not_persisted),
    _mutant("unordered boots", "late news of a dead process count", _boots_not_ordered, Mode.MEMBERS, within=200),
    _mutant("late frames unseat leaders", "what is told of a senior counts at once", _late_frames_unseat, Mode.MEMBERS),
    _mutant("pause not noticed", "a node that slept accuses the others", _pause_not_noticed, Mode.MEMBERS, within=800),
    _mutant("end of authority not noticed", "a leader leads on without grants", _expiry_not_noticed),
    _mutant("lapse forgotten", "a node that slept as leader takes hold again", _lapse_forgotten, Mode.MEMBERS),
    _mutant("kept beyond the votes", "what a leader took outlasts its grants", _kept_beyond_votes, within=300),
    _mutant("no settle", "a node elects before it has looked for others", _no_settle, Mode.MEMBERS),
    _mutant("newcomer preempts", "the lowest clock leads", _newcomer_preempts, Mode.MEMBERS),
    _mutant("one voter with a shorter lease", "a voter's promise ends earlier than the leader counts", _shorter_lease),
)  # fmt: skip
