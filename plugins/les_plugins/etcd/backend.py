"""The backend as the daemon sees it: candidate, lease, key and watch, put together. Private to `etcd`."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from les_hooks.backends import Disk, Instant, Reports, Role, Seat
from les_hooks.events import Reason
from les_hooks.members import Address, Mandate
from les_hooks.wire import phrase
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.health import Health
from les_plugins.etcd.hold import wait_of
from les_plugins.etcd.keeper import Keeper
from les_plugins.etcd.line import Line
from les_plugins.etcd.pacing import Alarm
from les_plugins.etcd.report import report
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Store, StoreError
from les_plugins.etcd.tls import check_files
from les_plugins.etcd.viewing import Viewer
from les_plugins.etcd.watcher import Asker, Watcher

__all__ = ["EtcdBackend"]

# What cannot be said in this time runs out by itself.
_FAREWELL_SECONDS = 2.0


class EtcdBackend:
    """One process of one node, and its key in etcd. Make it in a running loop, and let it `leave`."""

    def __init__(self, seat: Seat, store: Store, reports: Reports, clock: Callable[[], Instant], disk: Disk) -> None:
        config: EtcdConfig = seat.config
        self._seat = seat
        self._store = store
        self._reports = reports
        self._clock = clock
        self._disk = disk
        self._health = Health(seat.log)
        keys = Keys(config.prefix, seat.cluster)
        line = Line(keys)
        self._candidate = Candidate(
            seat.identity, line, ttl=int(config.ttl), hold=seat.hold, floor=seat.term, now=clock()
        )
        self._viewer = Viewer(self._candidate, seat.identity.address, grace=seat.heartbeat)
        self._keeper = Keeper(
            store,
            keys,
            self._candidate,
            health=self._health,
            clock=clock,
            changed=self._changed,
            compared=lambda found, known, count: self._watcher.compare(found, known, count),
            # What took the key away may have been a backup, and then the line is another one.
            dropped=lambda: self._watcher.again(),
        )
        self._watcher = Watcher(
            store,
            keys,
            self._candidate,
            health=self._health,
            clock=clock,
            changed=self._changed,
            rewound=self._rewound,
            log=seat.log,
        )
        self._asker = Asker(store, self._candidate, clock=clock, changed=self._changed)
        self._alarm = Alarm()
        self._tasks: list[asyncio.Task[None]] = []
        self._gone = asyncio.Event()
        self._told: tuple[Mandate, bool] = (self.mandate, False)
        self._saved = seat.term
        self._writing = asyncio.Lock()
        self._beat = math.inf
        self._moments = math.inf, math.inf
        self._telling = self._again = False

    # -- what the daemon calls -----------------------------------------------------------------------------------------

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader."""
        return self._candidate.mandate

    @property
    def confirming(self) -> bool:
        """Whether a leader must wait before its next side effect, until etcd has answered."""
        return self._candidate.confirming

    def look(self) -> None:
        """Notice what the clocks say now."""
        self._changed()

    async def start(self) -> None:
        """See that the files can be used; etcd itself need not be there yet. Raises StartError."""
        config: EtcdConfig = self._seat.config
        if config.has_files:
            await asyncio.to_thread(check_files, config)

    async def join(self) -> None:
        """Take part as soon as etcd answers."""
        self._beat = self._clock().boottime
        for work in (self._tick(), self._keeper.keep(), self._keeper.place(), self._watcher.run(), self._asker.run()):
            self._spawn(work)

    def released(self) -> None:
        """The hooks of the demotion have ended."""
        self._candidate.released(self._clock())
        self._changed()

    def step_down(self, reason: Reason, note: str = "") -> None:
        """Give up leadership, and stay unfit for a while; nothing happens on a node that does not lead."""
        self._candidate.resign(reason, phrase(note) or "stepped down", self._clock())
        self._changed()

    def transfer(self, target: Address) -> None:
        """Give up leadership, and have that member take it; nothing happens on a node that does not lead."""
        self._candidate.transfer(target)
        self._changed()

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """Say why this node may not lead from now on; an empty `unfit` means that it may. A leader is demoted."""
        self._candidate.judge(phrase(unfit), reason, self._clock())
        self._changed()

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Nothing: the nodes meet in etcd."""

    async def leave(self, limit: float) -> None:
        """Say goodbye and close; a leader is demoted first, by a view, and this waits for `released`."""
        if self._tasks:
            if self._candidate.role is not Role.GONE:
                self._candidate.leave()
                self._changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._gone.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()
            if self._candidate.role is Role.GONE:
                with contextlib.suppress(TimeoutError, StoreError):
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await self._keeper.say_farewell()
        await self._store.close()

    def status(self) -> Mapping[str, object]:
        """The endpoints, the lease and the key, as plain JSON values."""
        asked = int(self._seat.config.ttl)
        return report(self._candidate, self._store, self._health, self._keeper.lease, self._clock(), asked=asked)

    # -- what happens --------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Something may be otherwise: tell the daemon, and have done what follows."""
        if self._telling:
            self._again = True
            return
        self._telling = self._again = True
        try:
            while self._again:
                self._again = False
                self._tell()
        finally:
            self._telling = False

    def _tell(self) -> None:
        now, candidate = self._clock(), self._candidate
        candidate.look(now, slept=now.boottime - self._beat > self._seat.heartbeat)
        mandate, confirming = candidate.mandate, candidate.confirming
        if (mandate, confirming) != self._told:
            self._told = mandate, confirming
            self._reports.on_authority(mandate)
        # What was known longer ago than a lease lasts may be otherwise by now.
        in_touch = now.boottime - self._health.answered < wait_of(candidate.hold.ttl)
        view = self._viewer.look(now.boottime, in_touch=in_touch)
        if view is not None:
            self._save(view.term)
            self._reports.on_view(view)
        if candidate.role is Role.GONE:
            self._gone.set()
        self._keeper.wake()
        self._asker.wake()
        moments = candidate.next_moment, self._viewer.leaderless_at
        if moments != self._moments:
            self._moments = moments
            self._alarm.ring()

    def _rewound(self) -> None:
        """etcd is at an older revision than it was: it is another one, or was restored from a backup."""
        self._candidate.rewound(self._saved, self._clock())
        self._keeper.drop()
        self._changed()

    async def _tick(self) -> None:
        while True:
            self._changed()
            now = self._clock().boottime
            if now >= self._beat:
                self._beat = now + self._seat.heartbeat
                self._reports.on_beat()
            moments = (self._beat, self._candidate.next_moment, self._viewer.leaderless_at)
            await self._alarm.wait(min(moment for moment in moments if moment > now) - now)

    def _save(self, term: int) -> None:
        if term > self._saved:
            self._saved = term
            self._spawn(self._write(term))

    async def _write(self, term: int) -> None:
        try:
            async with self._writing:
                await self._disk.save(term, 0.0)
        except OSError as error:
            # etcd itself counts the terms; what is lost is the warning of one that was restored from a backup.
            self._seat.log.warning("term-unsaved", term=term, reason=str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks:
            self._tasks.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._reports.on_broken(error)
