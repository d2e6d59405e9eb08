"""A node of a contest: one process, what it was told, and which rules that broke. Private to the package."""

import asyncio
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from les_hooks.backends import Backend, Reports, Seat
from les_hooks.members import NO_MANDATE, Address, Boot, Mandate, Member, View
from les_hooks.testing.backends.rules import broken_by_mandate, broken_by_view

__all__ = ["Memory", "Player"]


# As long as a disk that is not busy takes.
_WRITE_SECONDS = 0.01


@dataclass(slots=True)
class Memory:
    """The disk of a node: a Disk for its backend."""

    note: Callable[[str], None]
    term: int = 0
    _busy: bool = False

    async def save(self, term: int, newest: float) -> None:
        """Remember a term."""
        if self._busy:
            self.note("the disk is called while it still writes")
        self._busy = True
        await asyncio.sleep(_WRITE_SECONDS)
        self._busy, self.term = False, max(self.term, term)

    async def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Remember a vote."""
        await self.save(term, 0.0)


@dataclass(eq=False)
class Player:
    """One process. `on_lead` is called when it begins to lead, after its view was noted.

    `holds_back`: the test says when the hooks of its demotion have ended; without, they end at once. `looks`: it looks
    at its authority whenever it is told something. `lives` until it crashed or has left. Times are boottime seconds.
    """

    number: int
    seat: Seat
    clock: Callable[[], float]
    on_lead: Callable[["Player"], None]
    note: Callable[["Player", str], None]
    backend: Backend = field(init=False)
    disk: Memory = field(init=False)
    views: list[View] = field(default_factory=list)
    told: Mandate = NO_MANDATE
    beats: list[float] = field(default_factory=list)
    release_by: float = -math.inf
    """Until when others must not lead, as long as it has not released; -inf for who never led."""
    unfit: str = ""
    holds_back: bool = False
    looks: bool = False
    lives: bool = True
    ends: float = math.inf
    """When its process was to be gone."""
    _demoting: bool = False
    _thread: int = field(default_factory=threading.get_ident)

    def __post_init__(self) -> None:
        """Give it a disk."""
        self.disk = Memory(note=lambda fault: self.note(self, fault), term=self.seat.term)

    @property
    def reports(self) -> Reports:
        """What its backend is made with."""
        return Reports(
            on_view=self._on_view,
            on_authority=self._on_authority,
            on_beat=self._on_beat,
            on_broken=lambda error: self.note(self, f"it broke: {error!r}"),
        )

    @property
    def address(self) -> Address:
        """Its name among the others."""
        return self.seat.identity.address

    @property
    def view(self) -> View | None:
        """What it was told last."""
        return self.views[-1] if self.views else None

    @property
    def leads(self) -> bool:
        """Whether it leads, by what it was told last."""
        return self.view is not None and self.view.leading

    @property
    def order(self) -> tuple[Address, ...]:
        """Its members, as they are sorted."""
        return tuple(member.address for member in self.view.members) if self.view is not None else ()

    def member(self, other: "Player") -> Member | None:
        """The other one as this one knows it."""
        members = self.view.members if self.view is not None else ()
        return next((member for member in members if member.address == other.address), None)

    def release(self) -> None:
        """The hooks of the demotion have ended, if there is one."""
        if self._demoting and self.lives:
            self._demoting, self.release_by = False, -math.inf
            self.backend.released()

    # -- what the backend tells ----------------------------------------------------------------------------------------

    def _on_view(self, view: View) -> None:
        before = self.view
        self._came("a view")
        for fault in broken_by_view(view, before, self.address, self.told, self.clock()):
            self.note(self, fault)
        self.views.append(view)
        if view.leading and (before is None or not before.leading or view.term > before.term):
            self.on_lead(self)
        if before is not None and before.leading and not view.leading:
            self._demoting = True
            if not self.holds_back:
                asyncio.get_running_loop().call_soon(self.release)
        self._look()

    def _on_authority(self, mandate: Mandate) -> None:
        self._came("a mandate")
        for fault in broken_by_mandate(mandate):
            self.note(self, fault)
        if mandate.act_until > -math.inf:
            self.release_by = mandate.release_by
        self.told = mandate
        self._look()

    def _on_beat(self) -> None:
        self._came("a beat")
        self.beats.append(self.clock())

    def _came(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            self.note(self, f"{what} came from another thread")
        if not self.lives:
            self.note(self, f"{what} came after it was gone")

    def _look(self) -> None:
        if self.looks:
            self.backend.look()
