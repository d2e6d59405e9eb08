"""How the machine's knowledge becomes the view that the rest of the program acts on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from les_hooks.election.effects import Changed, Effect
from les_hooks.election.frames import State
from les_hooks.election.identity import Timing
from les_hooks.election.membership import Peer, Roster
from les_hooks.election.roles import Role
from les_hooks.election.seniority import is_eligible, seniority
from les_hooks.events import Reason
from les_hooks.members import Address, Departure, Member, MemberKind, Part, View

__all__ = ["Viewer"]


# What a leader that is accepted no more does instead; all else is a resignation.
_ENDINGS: Mapping[str, Reason] = MappingProxyType({Role.LEADER: Reason.CONFLICT, Role.STOPPING: Reason.LEADER_LEFT})


@dataclass(slots=True)
class Viewer:
    """Builds views and remembers the last; `grace` is how many seconds without a leader go by before that is news,
    `patience` after how many of silence a leader is lost.

    `vacancy` is how the last leadership ended, and so the reason of the next; `reason` that of the present state.
    An original's leadership has no term; the view keeps the last one. `minded` is the leader whose silence matters to
    this node, because it may be the next. `vacated_at` is the boottime at which the last leadership ended, as far as
    this node saw, and `blind_until` the last one up to which it slept, and saw nothing, for longer than `patience`.
    """

    me: Address
    grace: float
    patience: float
    view: View = field(init=False)
    vacancy: Reason = Reason.FIRST
    reason: Reason = Reason.STARTUP
    leaderless_at: float = math.inf
    minded: Address | None = None
    vacated_at: float = -math.inf
    blind_until: float = -math.inf
    vacant: float | None = None
    departed: list[Departure] = field(default_factory=list)

    def begin(self, own: State) -> None:
        """Start from the view of a node that has seen nobody."""
        self.view = View(
            leading=False,
            leader=None,
            leaderless=False,
            term=own.term,
            members=_members(own, Roster(Timing())),
            departed=(),
            settled=False,
            reason=Reason.STARTUP,
        )

    def depart(self, peer: Peer, reason: Reason) -> None:
        """A member is gone."""
        state = peer.state
        if state.address == self.view.leader:
            self.vacated_at = peer.sign
        self.departed.append(Departure(address=Address(state.address), name=state.name, reason=reason))

    def slept(self, seconds: float, now: float) -> None:
        """This node did not run for that long; in less than `patience` it has missed no leadership."""
        if seconds > self.patience:
            self.blind_until = now

    def resigned(self, reason: Reason) -> None:
        """This node led until now."""
        self.reason, self.vacancy = reason, Reason.LEADER_RESIGNED

    def look(self, own: State, roster: Roster, accepted: State | None, now: float) -> list[Effect]:
        """Compare what is with the last view. `accepted` is the sitting leader that this node accepts."""
        leader = Address(accepted.address) if accepted is not None else None
        if leader != self.view.leader:
            self._turn(leader, roster, now)
        leaderless = leader is None and now >= self.leaderless_at
        if leaderless and not self.view.leaderless and not self.view.leading:
            self.reason = Reason.NO_LEADER
        self.minded = leader if leader != self.me and _may_be_next(own) else None
        view = View(
            leading=leader == self.me,
            leader=leader,
            leaderless=leaderless,
            term=(accepted.led_term if accepted is not None else 0) or self.view.term,
            members=_members(own, roster),
            departed=tuple(self.departed),
            settled=self.view.settled or own.role != Role.JOINING or leader is not None,
            reason=self.reason,
            leader_silent=self._is_silent(roster, now),
            vacant=self.vacant,
        )
        if view == self.view:
            return []
        self.departed.clear()
        self.view = view
        return [Changed(view=view)]

    def is_outdated(self, roster: Roster, now: float) -> bool:
        """Whether the leader has fallen silent, or is heard again, since the last look."""
        return self._is_silent(roster, now) != self.view.leader_silent

    def next_silence(self, roster: Roster) -> float:
        """The boottime at which the leader counts as silent; infinite where that does not matter, or is told."""
        return math.inf if self.minded is None or self.view.leader_silent else roster.silent_at(self.minded)

    def _is_silent(self, roster: Roster, now: float) -> bool:
        return self.minded is not None and now >= roster.silent_at(self.minded)

    def next_news(self, now: float) -> float:
        """The boottime at which the absence of a leader has to be told; infinite where there is no such moment."""
        return math.inf if self.view.leaderless or self.leaderless_at <= now else self.leaderless_at

    def _turn(self, leader: Address | None, roster: Roster, now: float) -> None:
        """The accepted leader changes."""
        before = self.view.leader
        if before is not None and before != self.me:
            self.vacancy = self._ending_of(before, roster)
        if before is not None and before not in {departure.address for departure in self.departed}:
            # It gave up, and said so at once. Where this node gave up because it slept, it had ceased to lead before.
            slept = before == self.me and self.reason is Reason.SLEPT
            self.vacated_at = -math.inf if slept else now
        if leader is None:
            self.leaderless_at, self.vacant = now + self.grace, None
        else:
            self.leaderless_at = math.inf
            self.reason = self.vacancy
            self.vacant = now - self.vacated_at if self.vacated_at > self.blind_until else None

    def _ending_of(self, leader: Address, roster: Roster) -> Reason:
        for departure in self.departed:
            if departure.address == leader:
                return Reason.LEADER_LEFT if departure.reason is Reason.GOODBYE else Reason.LEADER_LOST
        still = roster.peers.get(leader)
        role = still.state.role if still is not None else ""
        return _ENDINGS.get(role, Reason.LEADER_RESIGNED)


def _may_be_next(own: State) -> bool:
    """Whether this node may lead when the leader does no more. Who still joins may not."""
    return is_eligible(own) and own.role != Role.JOINING


def _members(own: State, roster: Roster) -> tuple[Member, ...]:
    direct = frozenset(roster.heard_directly())
    originals = roster.originals()
    return tuple(
        Member(
            address=Address(state.address),
            name=state.name,
            kind=MemberKind.ORIGINAL if state.address in originals else MemberKind.LES,
            boot=state.boot,
            start_time=state.start_time,
            part=Part(state.part),
            role=state.role,
            fit=state.fit,
            unfit=state.unfit,
            direct=state is own or state.address in direct,
            version=state.version,
        )
        for state in sorted([own, *roster.states()], key=seniority)
    )
