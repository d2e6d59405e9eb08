"""Backends that do one thing wrong each, made of the one in `examples/les-hooks-filelock`: what checks must catch."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from les_hooks.backends import Backend, Disk, Instant, Reports, Role, Seat
from les_hooks.events import Reason
from les_hooks.members import Address, Departure, Part
from les_hooks.testing.backends import Place, Traits
from les_hooks.testing.backends.player import Memory

# An example is no package of this project: it is imported from where it stands, as it is.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "les-hooks-filelock"))

from les_hooks_filelock import FileLockConfig, FileLockEngine
from les_hooks_filelock.backend import FileLockBackend
from les_hooks_filelock.board import Board, Sheet

__all__ = ["FAULTS", "Engine", "FileArena"]


class Engine(FileLockEngine):
    """Makes this kind of backend; what is wrong may be in the engine itself."""

    kind: type[FileLockBackend] = FileLockBackend

    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        return self.kind(seat, reports, clock, disk)


@dataclass
class FileArena:
    """One folder for all nodes."""

    folder: Path
    engine: FileLockEngine
    traits: ClassVar = Traits(replaced_within=2.0, lost_within=4.0)

    async def place(self, node: int) -> Place:
        return Place(address=Address(f"127.0.0.1:{4001 + node}"), config=FileLockConfig(folder=self.folder, patience=3))

    async def crash(self, node: int, backend: Backend) -> None:
        assert isinstance(backend, FileLockBackend)
        await _die(backend)

    async def cut(self, node: int) -> None:
        raise NotImplementedError

    async def heal(self, node: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass


async def _die(backend: FileLockBackend) -> None:
    if backend._task is not None:
        backend._task.cancel()
        await asyncio.gather(backend._task, return_exceptions=True)
    backend._board.close()


class Timid(FileLockBackend):
    @property
    def _obstacle(self) -> str:
        return "afraid"


class Usurping(FileLockBackend):
    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        if self._number > 1:
            sheet.leader = None
            sheet.entries = [entry for entry in sheet.entries if entry.number != 1]
        return super()._sign(sheet, now)


class Pushing(FileLockBackend):
    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        if self._number == 0:
            self._number = -sheet.next_number()
        return super()._sign(sheet, now)


class Eager(FileLockBackend):
    async def start(self) -> None:
        await super().start()
        with self._board.turn() as sheet:
            self._sign(sheet, self._clock())


class ForgetsTerms(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        return super().make(replace(seat, term=0), reports, clock, disk)


class WritesNothing(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        return super().make(seat, reports, clock, Memory(note=lambda _: None))


class WritesTwice(FileLockBackend):
    async def _take_office(self) -> None:
        await asyncio.gather(super()._take_office(), self._disk.save(self._sheet.term, 0.0))


class NeverRenews(FileLockBackend):
    def _renew(self) -> None:
        if self._mandate.act_until < 0 or self._role is not Role.LEADER:
            super()._renew()


class WithoutBeats(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        return super().make(seat, replace(reports, on_beat=lambda: None), clock, disk)


class BeatsFromAThread(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        def beat() -> None:
            thread = threading.Thread(target=reports.on_beat)
            thread.start()
            thread.join()

        return super().make(seat, replace(reports, on_beat=beat), clock, disk)


class LetsObserversLead(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        return super().make(replace(seat, identity=replace(seat.identity, part=Part.MEMBER)), reports, clock, disk)


class Hasty(FileLockBackend):
    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        if self._role in (Role.DEMOTING, Role.STOPPING):
            sheet.end(self._boot, Reason.LEADER_RESIGNED)
        return super()._sign(sheet, now)


class Clinging(FileLockBackend):
    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        leader = sheet.leader
        nominated = super()._sign(sheet, now)
        sheet.leader = leader if leader == self._boot else sheet.leader
        return nominated


class Unashamed(FileLockBackend):
    def step_down(self, reason: Reason, note: str = "") -> None:
        super().step_down(reason, note)
        self._held_until = float("-inf")


class Returning(FileLockBackend):
    first = 0

    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        nominated = super()._sign(sheet, now)
        self.first = self.first or self._number
        entry = sheet.entry(self._boot)
        assert entry is not None
        entry.number = self.first
        return nominated


class Meek(FileLockBackend):
    def step_down(self, reason: Reason, note: str = "") -> None:
        self._held_until = self._clock().boottime + self._seat.hold
        super().step_down(reason, note)


class GivesToAnybody(FileLockBackend):
    def transfer(self, target: Address) -> None:
        self.step_down(Reason.TRANSFER)


class DeafBeforeJoining(FileLockBackend):
    def set_fitness(self, unfit: str, reason: Reason) -> None:
        if self._task is not None:
            super().set_fitness(unfit, reason)


class Stubborn(FileLockBackend):
    def set_fitness(self, unfit: str, reason: Reason) -> None:
        if self._role is not Role.LEADER:
            super().set_fitness(unfit, reason)


class SaysAnotherReason(FileLockBackend):
    def set_fitness(self, unfit: str, reason: Reason) -> None:
        super().set_fitness(unfit, Reason.OPERATOR)


class LeavesWithoutAWord(FileLockBackend):
    async def leave(self, limit: float) -> None:
        await _die(self)


class LeavesInAHurry(FileLockBackend):
    async def leave(self, limit: float) -> None:
        await super().leave(0.0)


class NeverLeaves(FileLockBackend):
    async def leave(self, limit: float) -> None:
        await super().leave(1000.0)


class LeavesOnlyAfterJoining(FileLockBackend):
    async def leave(self, limit: float) -> None:
        assert self._task is not None
        await super().leave(limit)


class SpeaksAfterwards(FileLockBackend):
    async def leave(self, limit: float) -> None:
        await super().leave(limit)
        asyncio.get_running_loop().call_later(0.02, self._reports.on_beat)


class MournsNobody(FileLockBackend):
    def _departures(self) -> Iterator[Departure]:
        return (replace(each, reason=Reason.GOODBYE) for each in super()._departures())


class Breaks(FileLockBackend):
    def _departures(self) -> Iterator[Departure]:
        for each in super()._departures():
            raise KeyError(each)
        yield from ()


class ForEver(Engine):
    def make(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> FileLockBackend:
        config = FileLockConfig(folder=seat.config.folder, patience=1e9)
        return super().make(replace(seat, config=config), reports, clock, disk)


class ReleasesNobody(Engine):
    async def release(self, seat: Seat) -> None:
        pass


class ReleasesAll(Engine):
    async def release(self, seat: Seat) -> None:
        with Board(seat.config.folder / seat.cluster).turn() as sheet:
            if sheet.leader is not None:
                sheet.strike(sheet.leader, Reason.LEADER_LOST)


class InheritsItsPlace(FileLockBackend):
    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        if self._boot.counter == 2:  # of the one that died
            self._number = -1
        return super()._sign(sheet, now)


class BlindBeforeJoining(FileLockBackend):
    def look(self) -> None:
        assert self._task is not None
        super().look()


class ShowsItsBoot(FileLockBackend):
    def status(self) -> Mapping[str, object]:
        return {**super().status(), "boot": self._boot}


class SaysMuch(FileLockBackend):
    def status(self) -> Mapping[str, object]:
        return {**super().status(), "summary": "one line\nand another"}


class Startled(FileLockBackend):
    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        self.step_down(Reason.RELOAD)


def _with(kind: type[FileLockBackend]) -> FileLockEngine:
    engine = Engine()
    engine.kind = kind
    return engine


_KINDS: Final[tuple[tuple[str, type[Any], str], ...]] = (
    ("one_node_alone_leads", Timid, "a node alone leads"),
    ("several_nodes_have_one_leader", Usurping, "led and has not released it"),
    ("a_newcomer_takes_nothing", Pushing, "a third one is heard of"),
    ("who_has_only_started_is_not_seen", Eager, "who has not joined is not seen"),
    ("a_term_is_above_what_the_disk_remembers", ForgetsTerms, "it leads in the term 1, and 1000 was before"),
    ("a_term_is_written_down", WritesNothing, "the leader's term is on its disk"),
    ("a_term_is_written_down", WritesTwice, "while it still writes"),
    ("authority_is_renewed", NeverRenews, "the leader leads on meanwhile"),
    ("beats_go_on", WithoutBeats, "on_beat of n0 is called"),
    ("beats_go_on", BeatsFromAThread, "from another thread"),
    ("an_observer_never_leads", LetsObserversLead, "it leads, and is an observer"),
    ("the_next_leads_once_it_is_released", Hasty, "led and has not released it"),
    ("the_next_leads_once_it_is_released", Clinging, "another one leads once it is released"),
    ("who_stepped_down_comes_back_most_junior", Unashamed, "unfit for a while"),
    ("who_stepped_down_comes_back_most_junior", Returning, ""),
    ("who_does_not_lead_gives_nothing_up", Meek, "nothing has changed"),
    ("a_transfer_reaches_its_target", GivesToAnybody, "the one leads that was chosen"),
    ("a_transfer_to_nobody_changes_nothing", GivesToAnybody, "leadership stays"),
    ("who_is_unfit_from_the_start_does_not_lead", DeafBeforeJoining, "it leads, and is unfit: in maintenance"),
    ("who_becomes_fit_takes_nothing", Returning, "the last in line"),
    ("an_unfit_leader_is_demoted", Stubborn, "an unfit leader is demoted"),
    ("an_unfit_leader_is_demoted", SaysAnotherReason, "it says for which reason"),
    ("who_leaves_says_goodbye", LeavesWithoutAWord, "it has said goodbye"),
    ("a_leader_that_leaves_is_demoted_first", LeavesInAHurry, "all wait for `released`"),
    ("leave_ends_after_its_limit", NeverLeaves, "has not ended 2.0 s after its limit"),
    ("leave_ends_after_its_limit", LeavesInAHurry, "waits for `released` until its limit"),
    ("leaving_is_possible_at_any_time", LeavesOnlyAfterJoining, ""),
    ("leaving_is_possible_at_any_time", SpeaksAfterwards, "came after it was gone"),
    ("who_crashes_is_lost", MournsNobody, "not that it left"),
    ("who_crashes_is_lost", Breaks, "it broke: KeyError"),
    ("a_leader_that_crashes_is_replaced", ForEver, "the next in line leads"),
    ("a_dead_leader_is_released", ReleasesNobody, "the next one leads at once"),
    ("release_touches_nobody_else", ReleasesAll, "nothing has changed"),
    ("who_starts_again_is_most_junior", InheritsItsPlace, ""),
    ("looking_is_possible_at_any_time", BlindBeforeJoining, ""),
    ("status_is_plain_json", ShowsItsBoot, "plain JSON"),
    ("status_is_plain_json", SaysMuch, "one line"),
    ("seeds_may_be_told_again", Startled, "nothing has changed"),
)

FAULTS: Final[tuple[tuple[str, str, FileLockEngine, str], ...]] = tuple(
    (check, kind.__name__, kind() if issubclass(kind, Engine) else _with(kind), said) for check, kind, said in _KINDS
)
"""The check, the name of the fault that it must catch, the engine that has it, and what the check says of it."""
