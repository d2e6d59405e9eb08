"""The backend as the daemon sees it: the machine, the port, the links and the seeds, put together."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import structlog
from aiohttp.web import WebSocketResponse
from structlog.typing import FilteringBoundLogger

from les_hooks import wire
from les_hooks.backends import Disk, OnAuthority, OnView
from les_hooks.backends.peers.dialer import Dialer
from les_hooks.backends.peers.driver import Driver, Elector
from les_hooks.backends.peers.greeting import Greeter
from les_hooks.backends.peers.links import Links
from les_hooks.backends.peers.seeds import Seeds
from les_hooks.backends.peers.server import Server
from les_hooks.backends.peers.settings import Settings
from les_hooks.backends.peers.tasks import Tasks
from les_hooks.backends.peers.writer import Writer
from les_hooks.election import effects
from les_hooks.election.frames import State, Tell
from les_hooks.election.identity import Memory
from les_hooks.election.machine import Machine
from les_hooks.election.messages import (
    Fitness,
    Heard,
    Instant,
    Introduced,
    Leave,
    Message,
    OriginalAnswered,
    Released,
    StepDown,
    Transfer,
)
from les_hooks.errors import StartError
from les_hooks.events import Reason
from les_hooks.failures import report_failure
from les_hooks.members import NO_MANDATE, Address, Mandate, View
from les_hooks.security import Credentials, Tls

__all__ = ["PeersBackend"]

# How often the files of the credentials are looked at. Each look has a thread, which at every heartbeat would cost a
# node at rest half as much again as all that it does.
_BEATS_PER_LOOK = 4


def _report(error: BaseException) -> None:
    report_failure("the election", error)


class PeersBackend:
    """The backend `peers`: an election among the nodes themselves. Make it in a running loop, and let it `leave`.

    `memory` is what `disk` wrote in the life before. `clock` tells boottime and wall clock. `credentials` are looked at
    again with each fourth heartbeat. `on_beat`
    is called once a heartbeat, by the election itself, and `on_broken` with an error of ours: leave this backend then.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        memory: Memory,
        clock: Callable[[], Instant],
        credentials: Credentials,
        on_view: OnView,
        on_authority: OnAuthority,
        disk: Disk,
        on_beat: Callable[[], None] = lambda: None,
        on_broken: Callable[[BaseException], None] = _report,
        log: FilteringBoundLogger | None = None,
        elector: Callable[..., Elector] = Machine,
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._clock = clock
        self._credentials = credentials
        self._on_view = on_view
        self._on_authority = on_authority
        self._elector = elector
        self._on_beat = on_beat
        self._on_broken = on_broken
        self._log: FilteringBoundLogger = structlog.get_logger() if log is None else log
        self._driver: Driver | None = None
        self._fitness: Fitness | None = None
        self._warned: tuple[str, ...] = ()
        greeter = self._greeter = Greeter(settings.hello, credentials)
        self._links = Links(
            settings.hello,
            greeter,
            report=self._tell,
            changed=self._links_changed,
            now=self._now,
            wall=lambda: clock().wall,
            log=self._log,
        )
        self._dialer = Dialer(
            settings, self._links, greeter, report=self._tell, now=self._now, log=self._log, on_broken=on_broken
        )
        self._seeds = Seeds(settings, self._links, report=self._tell, log=self._log)
        self._server = Server(settings, self, self._log)
        self._tasks = Tasks(on_broken)
        self._writer = Writer(disk, spawn=self._tasks.spawn, report=self._tell, log=self._log)
        self._refreshing: asyncio.Task[None] | None = None
        self._beats = 0
        self._left = asyncio.Event()
        self._heard: dict[Address, State | OriginalAnswered] = {}

    # -- what the daemon calls -----------------------------------------------------------------------------------------

    @property
    def mandate(self) -> Mandate:
        """How long this node may act as a leader."""
        return self._driver.machine.mandate if self._driver is not None else NO_MANDATE

    @property
    def confirming(self) -> bool:
        """Whether a leader must wait before its next side effect, until the others have answered."""
        return self._driver is not None and self._driver.machine.confirming

    def look(self) -> None:
        """Notice a pause, or a jump of the wall clock, before authority is relied on."""
        if self._driver is not None:
            self._driver.look()

    async def start(self) -> None:
        """Take the port, and answer nobody yet; raises StartError."""
        await self._server.bind()
        self._dialer.open()
        try:
            await self._claim_address()
        except StartError:
            await self.leave(0.0)
            raise

    async def join(self) -> None:
        """Answer, look for the seeds, and take part; raises StartError."""
        settings = self._settings
        machine = self._elector(
            identity=settings.identity,
            timing=settings.timing,
            electorate=settings.electorate,
            memory=self._memory,
            now=self._clock(),
        )
        self._driver = Driver(
            machine,
            clock=self._clock,
            carry_out=self._carry_out,
            on_authority=self._on_authority,
            on_beat=self._beat,
            on_broken=self._on_broken,
        )
        if self._fitness is not None:
            self._tell(self._fitness)
        self._server.listen()
        self._tasks.spawn(self._seeds.run())

    async def _claim_address(self) -> None:
        """Raise StartError where others who mean this node reach another: both would be taken for one voter.

        Before this node answers itself, so whoever does is another.
        """
        other = await self._dialer.who_is_here()
        if other is not None:
            raise StartError(
                f"advertise address {other.address}",
                f"leads to another process, of the node {other.name}",
                "give each node an advertise address of its own, and end what should not run",
            )

    def set_seeds(self, seeds: tuple[str, ...]) -> None:
        """Look for these seeds from now on, each `host:port`, instead of those that were configured."""
        self._seeds.replace(seeds)

    def released(self) -> None:
        """The hooks of the demotion have ended."""
        self._tell(Released())

    def step_down(self, reason: Reason, note: str = "") -> None:
        """Give up leadership, and stay unfit for a while; nothing happens on a node that does not lead."""
        self._tell(StepDown(reason=reason, note=wire.phrase(note)))

    def transfer(self, target: Address) -> None:
        """Give up leadership, and have that member take it; nothing happens on a node that does not lead."""
        self._tell(Transfer(target=target))

    def set_fitness(self, unfit: str, reason: Reason) -> None:
        """Say why this node may not lead from now on; an empty `unfit` means that it may. A leader is demoted."""
        self._fitness = Fitness(unfit=wire.phrase(unfit), reason=reason)
        self._tell(self._fitness)

    async def leave(self, limit: float) -> None:
        """Say goodbye and close; a leader is demoted first, by a view, and this waits for `released`."""
        if self._driver is not None:
            self._tell(Leave())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._left.wait()
            self._driver.stop()
        # The port first: whoever dials because its link broke must be refused.
        self._server.stop_listening()
        await self._tasks.cancel()
        await self._dialer.stop()
        await self._links.close()
        await self._dialer.close()
        await self._server.close()

    def status(self) -> Mapping[str, object]:
        """The links and what is dialed, as plain JSON values."""
        now = self._now()
        links = [
            {
                "address": link.address,
                "name": link.hello.name,
                "age": now - link.since,
                "rtt": link.rtt,
                "dialed": link.dialed,
            }
            for link in self._links.all()
        ]
        report = self._driver.machine.report_quorum(self._clock()) if self._driver is not None else None
        return {
            "address": self._settings.identity.address,
            "links": links,
            "dialed": list(self._dialer.dialed),
            "quorum": {"mode": "members"} if report is None else {"mode": "majority", **asdict(report)},
            "warnings": [*self._driver.machine.warnings, *self._dialer.warnings] if self._driver is not None else [],
        }

    # -- what the server asks ------------------------------------------------------------------------------------------

    def state(self) -> State:
        """What this node says of itself now."""
        assert self._driver is not None, "nobody is answered before join"
        return self._driver.machine.state

    def heard(self) -> Mapping[Address, State | OriginalAnswered]:
        """What each other member said of itself last."""
        return self._heard

    @property
    def protocols(self) -> tuple[str, ...]:
        """The subprotocols that a link must have."""
        return self._greeter.protocols

    @property
    def tls(self) -> Tls | None:
        """What this node listens with."""
        return self._greeter.tls

    def introduce(self, address: Address) -> None:
        """Somebody says that a node answers at this address."""
        self._tell(Introduced(address=address))

    async def link(self, ws: WebSocketResponse[Any], remote: str, proven: Callable[[], None]) -> None:
        """Serve the link that another node made from the host `remote`; `proven` is called once it is a member's."""
        await self._links.accept(ws, remote, self._settings.timing.failure, proven)

    # -- between the machine and the rest ------------------------------------------------------------------------------

    def _tell(self, message: Message) -> None:
        """Tell the machine. Before this node joins there is none, and nothing of the network to tell."""
        if self._driver is None:
            return
        match message:
            case Heard(sender=sender, frame=Tell(state=state)):
                self._heard[sender] = state
            case OriginalAnswered(address=address):
                self._heard[address] = message
        self._driver.tell(message)

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send(address=address, frame=frame):
                self._links.send(address, frame)
            case effects.Pledge(term=term, boot=boot, lease=lease):
                self._writer.pledge(term, boot, lease)
            case effects.Changed(view=view):
                self._show(view)
            case effects.Dial(address=address):
                self._dialer.dial(address)
            case effects.Drop(address=address):
                self._dialer.drop(address)
                self._links.drop(address)
            case effects.Save(term=term, newest=newest):
                self._writer.save(term, newest)
            case effects.Left():
                self._left.set()

    def _show(self, view: View) -> None:
        self._warn()
        members = {member.address for member in view.members}
        self._heard = {address: state for address, state in self._heard.items() if address in members}
        self._on_view(view)

    def _warn(self) -> None:
        """Log what an operator should mend, once for as long as it lasts."""
        assert self._driver is not None, "views come from its machine"
        warnings = self._driver.machine.warnings
        for warning in warnings:
            if warning not in self._warned:
                self._log.warning("cluster-doubtful", what=warning)
        self._warned = warnings

    def _beat(self) -> None:
        self._beats += 1
        due = self._credentials.has_files and self._beats % _BEATS_PER_LOOK == 0
        if due and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = self._tasks.spawn(self._refresh())
        self._on_beat()

    async def _refresh(self) -> None:
        """Look at the files of the credentials; in a thread, as one on a disk that hangs must hold up no heartbeat."""
        if await asyncio.to_thread(self._credentials.refresh):
            self._links.review(self._credentials)

    def _links_changed(self) -> None:
        self._dialer.wake()

    def _now(self) -> float:
        return self._clock().boottime
