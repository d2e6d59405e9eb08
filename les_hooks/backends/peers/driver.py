"""Driving the election machine: one message at a time, its effects in their order, one timer. For this package only."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from les_hooks.backends import OnAuthority
from les_hooks.election.effects import Effect
from les_hooks.election.frames import State
from les_hooks.election.messages import Instant, Message
from les_hooks.election.reporting import QuorumReport
from les_hooks.members import Mandate

__all__ = ["Driver", "Elector"]


class Elector(Protocol):
    """What is needed of a `Machine`."""

    def receive(self, message: Message, now: Instant) -> list[Effect]:
        """Take in a message."""

    def tick(self, now: Instant) -> list[Effect]:
        """Do what is due."""

    def next_deadline(self) -> float:
        """The boottime at which it wants a tick."""

    @property
    def state(self) -> State:
        """What this node says of itself."""

    @property
    def mandate(self) -> Mandate:
        """How long this node may lead."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should mend."""

    def report_quorum(self, now: Instant) -> QuorumReport | None:
        """What is known of the voters."""

    @property
    def confirming(self) -> bool:
        """Whether a leader waits for answers."""


class Driver:
    """Feeds a machine; `carry_out` does what it wants, and may tell it more meanwhile.

    `on_beat` is called when a tick has been worked off: as long as it is, the election runs.
    `on_broken` is called with an error of ours, after which nothing is told or ticked any more.
    """

    def __init__(
        self,
        machine: Elector,
        *,
        clock: Callable[[], Instant],
        carry_out: Callable[[Effect], None],
        on_authority: OnAuthority,
        on_beat: Callable[[], None] = lambda: None,
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self.machine = machine
        self._clock = clock
        self._carry_out = carry_out
        self._on_authority = on_authority
        self._on_beat = on_beat
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Message] = deque()
        self._busy = False
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf
        self._authority = machine.mandate, machine.confirming
        self._arm(clock().boottime)

    def tell(self, message: Message) -> None:
        """Tell the machine; what is told while its effects are carried out waits until they are."""
        self._inbox.append(message)
        self._work()

    def look(self) -> None:
        """Have the machine look at the clocks now, whether something is due or not."""
        self._work(tick=True)

    def stop(self) -> None:
        """Neither tell nor tick it from now on."""
        self._stopped = True
        self._inbox.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _work(self, *, tick: bool = False) -> None:
        if self._busy or self._stopped:
            return
        self._busy = True
        try:
            now = self._clock()
            if tick:
                self._follow(self.machine.tick(now))
            while self._inbox and not self._stopped:
                now = self._clock()
                self._follow(self.machine.receive(self._inbox.popleft(), now))
            if tick:
                self._on_beat()
        except Exception as error:
            # Whoever told it (a link, a timer, a request) could only go on with a machine in an unknown state.
            self.stop()
            self._on_broken(error)
        finally:
            self._busy = False
            self._arm(now.boottime)

    def _follow(self, effects: list[Effect]) -> None:
        # Before the effects: who acts on a view must know until when it may.
        authority = self.machine.mandate, self.machine.confirming
        if authority != self._authority:
            self._authority = authority
            self._on_authority(self.machine.mandate)
        for effect in effects:
            self._carry_out(effect)

    def _arm(self, now: float) -> None:
        """Have the timer ring at the next deadline; one that rings too early is left alone, and looks again."""
        deadline = self.machine.next_deadline()
        if self._stopped or deadline >= self._armed_for or deadline == math.inf:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = deadline
        # The loop's clock stands still while the host sleeps. The machine is told the real time and copes.
        self._timer = self._loop.call_later(max(0.0, deadline - now), self._ring)

    def _ring(self) -> None:
        self._timer, self._armed_for = None, math.inf
        self._work(tick=True)
