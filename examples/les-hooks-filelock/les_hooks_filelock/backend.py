"""One process of one node: it looks at the board several times in each heartbeat, and tells its daemon what it sees."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from les_hooks import ControlError, Reason, StartError
from les_hooks.backends import Disk, Instant, Reports, Role, Seat, Trigger, next_role
from les_hooks.members import NO_MANDATE, Address, Departure, Mandate, Member, MemberKind, Part, View
from les_hooks_filelock.board import Board, Entry, Sheet

_LOOKS_PER_HEARTBEAT = 5
# A leader that has not seen the board for so long is frozen; the guard ends its programs then.
_HEARTBEATS_TO_ACT = 4
_HEARTBEATS_TO_BE_LEADERLESS = 2
_LEADING = frozenset({Role.LEADER, Role.DEMOTING, Role.STOPPING})


class FileLockBackend:
    """Implements `les_hooks.backends.Backend`."""

    def __init__(self, seat: Seat, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> None:
        self._seat = seat
        self._boot = seat.identity.boot
        self._reports = reports
        self._clock = clock
        self._disk = disk
        self._board = Board(seat.config.folder / seat.cluster)
        self._sheet = Sheet()
        self._known: dict[Address, Entry] = {}
        self._view: View | None = None
        self._role = Role.JOINING
        self._reason = Reason.STARTUP
        self._mandate = NO_MANDATE
        self._number = 0  # none yet
        self._since = 0.0
        self._unfit = ""
        self._held_until = -math.inf
        self._leader_seen = math.inf
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()

    # -- what the daemon calls -----------------------------------------------------------------------------------------

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader: nobody takes its place while its process is alive."""
        return self._mandate

    @property
    def confirming(self) -> bool:
        """Never: the kernel's locks do not depend on a clock."""
        return False

    def look(self) -> None:
        """Notice that this process did not run for a while."""
        if self._role is Role.LEADER and self._clock().boottime >= self._mandate.act_until:
            self._give_up(Trigger.EXPIRED, Reason.SLEPT)

    async def start(self) -> None:
        """Be alive, and on the board not yet."""
        try:
            self._board.come_alive(self._boot)
        except OSError as error:
            why = error.strerror or str(error)
            folder = self._seat.config.folder
            raise StartError(f"folder {folder}", why, "make it, writable for this user", exit_code=77) from error

    async def join(self) -> None:
        """Take part from now on."""
        self._leader_seen = self._clock().boottime
        self._task = asyncio.create_task(self._run())

    def released(self) -> None:
        """The hooks of the demotion have ended: others may lead."""
        self._role = next_role(self._role, Trigger.RELEASED)
        self._number = 0
        self._have(NO_MANDATE)
        if self._role is Role.GONE:
            self._gone.set()
        else:
            self._turn()

    def step_down(self, reason: Reason, note: str = "") -> None:
        """Give up leadership, and stay unfit for a while."""
        if self._role is Role.LEADER:
            self._held_until = self._clock().boottime + self._seat.hold
            self._give_up(Trigger.RESIGNED, reason)

    def transfer(self, target: Address) -> None:
        """Say that there is no such thing."""
        raise ControlError("the backend filelock cannot choose who leads next; step-down has the next in line lead")

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """Say why this node may not lead; who may again is the last in line."""
        if self._unfit and not unfit:
            self._number = 0
        self._unfit = unfit
        if unfit and self._role is Role.LEADER:
            self._give_up(Trigger.RESIGNED, reason)
        elif unfit and self._role is Role.CANDIDATE:
            self._role = next_role(self._role, Trigger.OUTRANKED)

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Nothing: the nodes meet at the board."""

    async def leave(self, limit: float) -> None:
        """Say goodbye; a leader is demoted first."""
        if self._task is not None:
            self._depart()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._gone.wait()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            if self._role is Role.GONE:
                # Where somebody else has the board at this moment, they find this process dead instead.
                with contextlib.suppress(OSError), self._board.turn() as sheet:
                    sheet.strike(self._boot, Reason.LEADER_LEFT, goodbye=True)
        self._board.close()

    def status(self) -> Mapping[str, object]:
        """The board as this node saw it last."""
        return {
            "summary": f"the board in {self._seat.config.folder} has {len(self._sheet.entries)} nodes",
            "number": self._number,
            "warnings": [f"the board cannot be used: {self._trouble}"] if self._trouble else [],
        }

    # -- how -----------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                self._turn()
                if self._role is Role.CANDIDATE:
                    await self._take_office()
                self._reports.on_beat()
                await asyncio.sleep(self._seat.heartbeat / _LOOKS_PER_HEARTBEAT)
        except Exception as error:  # whatever it is, another one should lead
            self._reports.on_broken(error)

    def _turn(self) -> None:
        """Look at the board, and write on it. Small files of this host, so that the loop may wait for them."""
        self.look()
        now = self._clock()
        try:
            with self._board.turn() as sheet:
                self._board.bury(sheet, now.boottime, self._seat.config.patience)
                nominated = self._sign(sheet, now)
        except BlockingIOError:
            return
        except OSError as error:
            self._trouble = str(error)
            return
        self._sheet, self._trouble = sheet, ""
        if self._role is Role.JOINING:
            self._role = next_role(self._role, Trigger.SETTLED)
        if nominated:
            self._role = next_role(self._role, Trigger.NOMINATED)
        if self._role is Role.LEADER and sheet.leader != self._boot:
            self._give_up(Trigger.EXPIRED, Reason.LEASE_LOST)
        self._renew()
        self._show()

    def _sign(self, sheet: Sheet, now: Instant) -> bool:
        """Write down what this node is; returns whether it is the one to lead."""
        if self._held_until <= now.boottime and self._held_until > -math.inf:
            self._held_until, self._number = -math.inf, 0
        if self._role in (Role.FOLLOWER, Role.GONE):
            sheet.end(self._boot, Reason.LEADER_RESIGNED)
        if not self._number:
            self._number, self._since = sheet.next_number(), now.wall
        me = self._seat.identity
        entry = Entry(
            address=me.address,
            name=me.name,
            version=me.version,
            boot=self._boot,
            part=me.part,
            number=self._number,
            since=self._since,
            role=Role.FOLLOWER if self._role is Role.JOINING else self._role,
            unfit=self._obstacle,
        )
        sheet.entries = [*(other for other in sheet.entries if other.boot != self._boot), entry]
        may_lead = self._role is Role.FOLLOWER and me.part is Part.MEMBER and not self._obstacle
        if not may_lead or sheet.leader is not None or sheet.sorted()[0] is not entry:
            return False
        sheet.leader, sheet.term = self._boot, max(sheet.term, self._seat.term) + 1
        return True

    @property
    def _obstacle(self) -> str:
        """Why it may not lead."""
        if self._unfit or self._held_until > -math.inf:
            return self._unfit or "stepped down"
        return "still ends what it did as the leader" if self._role in _LEADING - {Role.LEADER} else ""

    async def _take_office(self) -> None:
        """Lead, once the term is on the disk."""
        try:
            await self._disk.save(self._sheet.term, 0.0)
        except OSError as error:
            self._held_until = self._clock().boottime + self._seat.hold
            self._seat.log.warning("term-unsaved", term=self._sheet.term, reason=str(error))
            self._role = next_role(self._role, Trigger.OUTRANKED)
            return
        if self._role is Role.CANDIDATE:  # and has not become unfit, or left, meanwhile
            self._role = next_role(self._role, Trigger.CONFIRMED)
            self._renew()
            self._show()

    def _give_up(self, trigger: Trigger, reason: Reason) -> None:
        self._role, self._reason = next_role(self._role, trigger), reason
        self._renew()
        self._show()

    def _depart(self) -> None:
        if self._role is Role.LEADER:
            self._give_up(Trigger.LEAVES, Reason.LEAVING)
        elif self._role not in (Role.STOPPING, Role.GONE):
            self._role = next_role(self._role, Trigger.LEAVES)
        if self._role is Role.GONE:
            self._gone.set()

    def _renew(self) -> None:
        """What it took may stay with it until it is released, and it may act until it must look again."""
        if self._role in _LEADING:
            until = self._clock().boottime + _HEARTBEATS_TO_ACT * self._seat.heartbeat
            acts = until if self._role is Role.LEADER else -math.inf
            self._have(Mandate(act_until=acts, release_by=math.inf, hold_until=until))

    def _have(self, mandate: Mandate) -> None:
        if mandate != self._mandate:
            self._mandate = mandate
            self._reports.on_authority(mandate)

    # -- what it tells -------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Tell what it sees, if that is new."""
        now, sheet, before = self._clock().boottime, self._sheet, self._view
        sitting = sheet.entry(sheet.leader)
        leader = sitting.address if sitting is not None and sitting.role is Role.LEADER else None
        if sheet.leader == self._boot:
            leader = self._seat.identity.address if self._role is Role.LEADER else None
        self._leader_seen = now if leader is not None else self._leader_seen
        leaderless = now - self._leader_seen > _HEARTBEATS_TO_BE_LEADERLESS * self._seat.heartbeat
        if leader is not None and (before is None or before.leader != leader):
            self._reason = sheet.ending
        elif leaderless and before is not None and not before.leaderless:
            self._reason = Reason.NO_LEADER
        view = View(
            leading=self._role is Role.LEADER,
            leader=leader,
            leaderless=leaderless,
            term=sheet.term if leader is not None or before is None else before.term,
            members=tuple(_member(entry) for entry in sheet.sorted()),
            departed=tuple(self._departures()),
            settled=True,
            reason=self._reason,
        )
        self._known = {entry.address: entry for entry in sheet.entries}
        if before is None or view != replace(before, departed=()):
            self._view = view
            self._reports.on_view(view)

    def _departures(self) -> Iterator[Departure]:
        present = {entry.address: entry.boot for entry in self._sheet.entries}
        for address, entry in self._known.items():
            if present.get(address) != entry.boot and address != self._seat.identity.address:
                restarted = Reason.RESTARTED if address in present else Reason.CRASHED
                reason = Reason.GOODBYE if entry.boot in self._sheet.goodbyes else restarted
                yield Departure(address=address, name=entry.name, reason=reason)


def _member(entry: Entry) -> Member:
    return Member(
        address=entry.address,
        name=entry.name,
        kind=MemberKind.LES,
        boot=entry.boot,
        start_time=entry.since,
        part=entry.part,
        role=entry.role,
        fit=not entry.unfit,
        unfit=entry.unfit,
        direct=True,
        version=entry.version,
    )
