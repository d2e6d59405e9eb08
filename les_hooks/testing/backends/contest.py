"""A contest: the nodes of one check, and what holds among all of them. Private to the package."""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import structlog

from les_hooks.backends import Identity, Instant, Seat
from les_hooks.members import Boot, Part
from les_hooks.testing.backends.arena import Arena
from les_hooks.testing.backends.player import Player

__all__ = ["HEARTBEAT_SECONDS", "HOLD_SECONDS", "MOMENT_SECONDS", "Contest", "Nonconformance"]

HOLD_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 0.25

MOMENT_SECONDS: Final = 0.3
"""For so long is looked whether something happens that must not."""

# Others' sockets and threads announce nothing that a test could wait for.
_LOOK_SECONDS: Final = 0.01

_FAREWELL_SECONDS: Final = 5.0

# Unix seconds when boottime was 0, as the nodes have it.
_WALL: Final = time.time() - time.monotonic()


class Nonconformance(AssertionError):  # noqa: N818  (it names what was found, as pytest shows it)
    """The backend does not do what it must; each of `faults` is a sentence."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class Contest:
    """The nodes of one check, in the arena; as a context manager it ends them, and raises what they did wrong."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.traits = arena.traits
        self.players: list[Player] = []
        self._loop = asyncio.get_running_loop()
        self._faults: list[str] = []
        self._terms: dict[int, Player] = {}
        self._cut: set[int] = set()

    # -- the nodes -----------------------------------------------------------------------------------------------------

    async def make(self, number: int, *, part: Part = Part.MEMBER, term: int = 0, counter: int = 1) -> Player:
        """A process of this node, the `counter`th, that has not started; its disk remembers `term`."""
        place = await self.arena.place(number)
        identity = Identity(
            address=place.address,
            name=f"n{number}",
            version="1.0",
            boot=Boot(counter, f"{number}.{counter}.{id(self):x}"),
            part=part,
        )
        seat = Seat(
            identity=identity,
            cluster="conformance",
            hold=HOLD_SECONDS,
            heartbeat=HEARTBEAT_SECONDS,
            config=place.config,
            term=term,
            log=structlog.get_logger().bind(node=number),
        )
        player = Player(number=number, seat=seat, clock=self.now, on_lead=self._leads, note=self._note)
        player.disk.term = term
        player.backend = self.arena.engine.make(seat, player.reports, self._instant, player.disk)
        self.players.append(player)
        return player

    async def enter(self, number: int, *, part: Part = Part.MEMBER, term: int = 0, counter: int = 1) -> Player:
        """The same, and it joins."""
        player = await self.make(number, part=part, term=term, counter=counter)
        await player.backend.start()
        await player.backend.join()
        return player

    async def trio(self, *, counter: int = 1) -> tuple[Player, Player, Player]:
        """Three nodes: the one that leads, the next in line, and the one after that."""
        players = [await self.enter(number, counter=counter) for number in range(3)]
        await self.until(lambda: self.agree(*players), "three nodes name one leader")
        first, second, third = sorted(players, key=lambda player: players[0].order.index(player.address))
        return first, second, third

    async def crash(self, player: Player) -> None:
        """Its process dies."""
        player.lives, player.ends = False, self.now()
        await self.arena.crash(player.number, player.backend)

    async def undo(self, player: Player) -> None:
        """Nothing is left of the process that died, and the engine is told so."""
        player.release_by = -math.inf
        await self.arena.engine.release(player.seat)

    async def cut(self, player: Player) -> None:
        """Nothing reaches it any more."""
        self._cut.add(player.number)
        await self.arena.cut(player.number)

    async def heal(self, player: Player) -> None:
        """It is reached again."""
        await self.arena.heal(player.number)
        self._cut.discard(player.number)

    async def leave(self, player: Player, limit: float) -> None:
        """It leaves, which must end in time."""
        slack = self.traits.replaced_within
        player.ends = self.now() + limit
        try:
            async with asyncio.timeout(limit + slack):
                await player.backend.leave(limit)
        except TimeoutError:
            self._note(player, f"leave({limit}) has not ended {slack} s after its limit")
        except Exception as error:
            self._note(player, f"leave({limit}) raised {error!r}")
        player.lives = False

    # -- what is seen of them ------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Boottime seconds, as the backends know them."""
        return self._loop.time()

    @property
    def living(self) -> list[Player]:
        """Those whose processes run."""
        return [player for player in self.players if player.lives]

    def agree(self, *players: Player) -> bool:
        """Whether these are all that there are, by what each was told, and name one leader, who comes first."""
        views = [player.view for player in players]
        if any(view is None or not view.settled or view.leader is None for view in views):
            return False
        addresses = {player.address for player in players}
        told = {(view.leader, view.term) for view in views if view is not None}
        orders = {player.order for player in players}
        leads = [player for player in players if player.leads]
        if not len(told) == len(orders) == len(leads) == 1:
            return False
        return {*players[0].order} == addresses and players[0].order[0] == leads[0].address

    async def until(self, holds: Callable[[], object], what: str, within: float = 0.0) -> None:
        """Wait until it holds: `within` seconds, or as long as it takes where nobody has to be waited for."""
        within = within or self.traits.replaced_within
        end = self.now() + within
        while not holds():
            if self.now() > end:
                raise Nonconformance((f"within {within:g} s, it has not come about that {what}", *self._story()))
            await asyncio.sleep(_LOOK_SECONDS)

    async def beats_on(self, player: Player) -> None:
        """See that its loop turns."""
        count = len(player.beats)
        # Late by as much again is a busy machine, not a backend that forgets it.
        within = 2 * HEARTBEAT_SECONDS + MOMENT_SECONDS
        await self.until(lambda: len(player.beats) > count, f"on_beat of n{player.number} is called", within)

    async def always(self, holds: Callable[[], object], what: str, seconds: float = MOMENT_SECONDS) -> None:
        """See for a moment that it goes on to hold."""
        end = self.now() + seconds
        while self.now() < end:
            self.expect(holds(), what)
            await asyncio.sleep(_LOOK_SECONDS)

    def expect(self, holds: object, what: str) -> None:
        """It holds now."""
        if not holds:
            raise Nonconformance((f"it does not hold that {what}", *self._story()))

    def _instant(self) -> Instant:
        """Of the loop's clock, so that a test may have its loop's time pass faster."""
        return Instant(boottime=self.now(), wall=_WALL + self.now())

    # -- what holds among them -----------------------------------------------------------------------------------------

    def _leads(self, player: Player) -> None:
        """A leadership begins, or is taken anew in a higher term."""
        view, now = player.view, self.now()
        assert view is not None, "it was told one"
        highest = max((*self._terms, player.seat.term))
        if view.term <= highest:
            self._note(player, f"it leads in the term {view.term}, and {highest} was before")
        self._terms[view.term] = player
        if player.unfit:
            self._note(player, f"it leads, and is unfit: {player.unfit}")
        if player.seat.identity.part is not Part.MEMBER:
            self._note(player, f"it leads, and is an {player.seat.identity.part}")
        for other in self.players:
            if other is not player and self._may_act(other, now):
                self._note(player, f"it leads, and n{other.number} led and has not released it")

    def _may_act(self, other: Player, now: float) -> bool:
        """Whether something of its leadership may be left; a process that is dead cannot say, but its mandate does."""
        if other.release_by <= now:
            return False
        if other.release_by == math.inf:
            return now < other.ends and (self.traits.exclusive or other.number not in self._cut)
        return self.traits.exclusive

    def _note(self, player: Player, fault: str) -> None:
        told = f"n{player.number}: {fault}"
        if told not in self._faults:
            self._faults.append(told)

    def _story(self) -> tuple[str, ...]:
        """What each node was told last."""
        return tuple(f"  n{player.number}: {_words(player)}" for player in self.players)

    # -- the end -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for number in sorted(self._cut):
                await self.arena.heal(number)
            for player in self.living:
                if player.holds_back:
                    player.holds_back = False
                    player.release()
                await self.leave(player, _FAREWELL_SECONDS)
        finally:
            await self.arena.close()
        said = error.faults if isinstance(error, Nonconformance) else ()
        if self._faults and (error is None or said):
            raise Nonconformance((*self._faults, *said)) from None


def _words(player: Player) -> str:
    view = player.view
    if view is None:
        return "was told nothing"
    members = ", ".join(f"{m.name}{'' if m.fit else f' (unfit: {m.unfit})'}" for m in view.members)
    state = "leads" if view.leading else f"accepts {view.leader}"
    return f"{'' if player.lives else 'is gone; '}{state} in term {view.term} ({view.reason}); members: {members}"
