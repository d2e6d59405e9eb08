"""From what a candidate knows to the view that the daemon acts on. Pure; private to `etcd`."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from les_hooks.backends import Role
from les_hooks.events import Reason
from les_hooks.members import UNSTAMPED, Address, Departure, Member, MemberKind, Part, View
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Entry, Parting, Place
from les_plugins.etcd.line import Standing

__all__ = ["Viewer"]

_DEPARTURES: Final[Mapping[Parting, Reason]] = {
    Parting.GOODBYE: Reason.GOODBYE,
    Parting.CRASHED: Reason.CRASHED,
}


@dataclass(slots=True)
class Viewer:
    """Builds views and remembers the last; `grace` is how many seconds without a leader go by before that is news.

    `leaderless_at` and `vacated_at` are boottime: when the absence of a leader is news, and when the last one ended.
    """

    candidate: Candidate
    me: Address
    grace: float
    view: View = field(init=False)
    leaderless_at: float = math.inf
    vacated_at: float = -math.inf
    _members: dict[Address, Standing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nobody."""
        self.view = View(
            leading=False,
            leader=None,
            leaderless=False,
            term=0,
            members=(),
            departed=(),
            settled=False,
            reason=Reason.STARTUP,
        )

    def look(self, now: float, *, in_touch: bool) -> View | None:
        """Returns a view where it is another than the last. `in_touch`: what is known of the others is not too old."""
        candidate, before = self.candidate, self.view
        if candidate.role in (Role.JOINING, Role.GONE) and not before.settled:
            return None
        leader, term = self._leader(in_touch=in_touch)
        view = replace(before, leading=candidate.role is Role.LEADER, leader=leader, term=term or before.term)
        if leader != before.leader:
            view = self._turn(view, now)
        view = replace(view, leaderless=leader is None and now >= self.leaderless_at, settled=True)
        if before.leading and not view.leading:
            view = replace(view, reason=candidate.reason)
        elif view.leaderless and not before.leaderless:
            view = replace(view, reason=Reason.NO_LEADER)
        view = replace(view, departed=(), leader_silent=candidate.leader_is_late)
        if candidate.line.revision:
            standings = {s.entry.address: s for s in candidate.line.members() if s.entry is not None}
            departed = tuple(self._departed(standings))
            candidate.partings.clear()
            view = replace(view, members=tuple(self._listed(standings, in_touch=in_touch)), departed=departed)
            self._members = standings
        if view == replace(before, departed=()):
            return None
        self.view = view
        return view

    def _leader(self, *, in_touch: bool) -> tuple[Address | None, int]:
        candidate = self.candidate
        if candidate.role is Role.LEADER:
            return self.me, candidate.term
        leader = candidate.line.leader
        if leader is None or leader.entry is None or leader.entry.address == self.me or not in_touch:
            return None, 0
        return leader.entry.address, leader.revision

    def _turn(self, view: View, now: float) -> View:
        """The accepted leader is another one."""
        if self.view.leader is not None:
            self.vacated_at = now if self._gave_up(self.view.leader) else -math.inf
        if view.leader is None:
            self.leaderless_at = now + self.grace
            return replace(view, vacant=None)
        self.leaderless_at = math.inf
        vacant = now - self.vacated_at if self.vacated_at > -math.inf else None
        return replace(view, vacant=vacant, reason=self.candidate.vacancy)

    def _gave_up(self, leader: Address) -> bool:
        """Whether it has just ceased to lead. Of one that was lost nobody knows when; nor does a node that slept."""
        candidate = self.candidate
        if leader == self.me:
            return candidate.reason is not Reason.SLEPT
        for first in candidate.line.all(Place.LINE)[:1]:
            if first.entry is not None and first.entry.address == leader:
                return first.entry.role is not Role.LEADER
        return candidate.vacancy is not Reason.LEADER_LOST

    def _departed(self, now: Mapping[Address, Standing]) -> list[Departure]:
        """Who is gone since the last view; one at whose address another process stands is, too."""
        found = []
        for address, standing in self._members.items():
            present = now.get(address)
            if address == self.me or standing.entry is None or (present and present.boot == standing.boot):
                continue
            parting = self.candidate.partings.get(standing.entry.boot, standing.entry.parting)
            reason = Reason.RESTARTED if present else _DEPARTURES.get(parting, Reason.TIMEOUT)
            found.append(Departure(address=address, name=standing.entry.name, reason=reason))
        return found

    def _listed(self, standings: Mapping[Address, Standing], *, in_touch: bool) -> Iterator[Member]:
        """The members. This node is one though its key is gone, and comes back behind the others."""
        for standing in standings.values():
            assert standing.entry is not None, "only those that can be read are members"
            entry = standing.entry
            if not in_touch and entry.role is Role.LEADER:
                entry = msgspec.structs.replace(entry, role=Role.FOLLOWER)  # nobody knows whether it still is
            yield self._member(entry, stands=standing.place is Place.LINE)
        if self.me not in standings:
            entry = self.candidate.farewell.entry
            unfit = entry.unfit or "has no key in etcd at present"
            yield self._member(msgspec.structs.replace(entry, unfit=unfit), stands=False)

    def _member(self, entry: Entry, *, stands: bool) -> Member:
        return Member(
            address=entry.address,
            name=entry.name,
            kind=MemberKind.LES,
            boot=entry.boot,
            start_time=entry.since if stands else UNSTAMPED,
            part=entry.part,
            role=entry.role if entry.address != self.me else self.candidate.role,
            fit=not entry.unfit and (stands or entry.part is not Part.MEMBER),
            unfit=entry.unfit,
            direct=True,
            version=entry.version,
        )
