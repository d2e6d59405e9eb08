"""Getting one address for one leadership, and keeping it: look, ask for it, wait, look again. Private to `floating_ip`.

A keeper lives as long as the call of a hook that made it, and so ends with the leadership. What it has found out stays
on the board.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from les_hooks.backoff import Backoff
from les_hooks.events import Event
from les_hooks.hookspecs import Context
from les_plugins.floating_ip.allowance import Purpose
from les_plugins.floating_ip.board import Board
from les_plugins.floating_ip.providers import Holder, Pending, Provider, Standing
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.floating_ip.world import World

__all__ = ["Keeper"]

# The first looks after a take-over come sooner than `refresh`: a leader before that was frozen in the middle of a call
# may go on with it when it wakes up, and the provider cannot tell its call from ours.
_FIRST_REFRESH_SECONDS = 5.0
_SLOWER = 3.0

# How long a change is left alone when no calls are left to ask how far it is.
_BLIND_SECONDS = 10.0

# A provider that takes the address away in several steps needs two.
_MOST_STEPS = 4


class Keeper:
    """Keeps one address for the leadership of `event`."""

    def __init__(self, board: Board, ctx: Context, event: Event, world: World) -> None:
        config: FloatingIpConfig = ctx.config
        self._board = board
        self._ctx = ctx
        self._config = config
        self._world = world
        self._term = event.term
        self._told = ""
        self._takes_over = True
        self._missed: tuple[float, str] | None = None
        self._last = Trouble(Fault.UNREACHABLE, "nobody was asked yet")
        self._provider: Provider = board.provider_for(ctx, world, self._permit, event)

    async def take(self) -> None:
        """See to it that this node holds the address. Raises Trouble when it does not within `patience`."""
        self._last = Trouble(Fault.UNREACHABLE, f"no answer within {self._config.patience:g} s")
        try:
            async with asyncio.timeout(self._config.patience):
                await self._take_in_the_end(asyncio.get_running_loop().time() + self._config.patience)
        except TimeoutError:
            if self._board.error != str(self._last):
                self._board.failed(self._last, self._world.wall())
            raise self._last from None
        self._told = ""

    async def keep(self) -> None:
        """Look again and again, first soon and then every `refresh`, until this call is cancelled."""
        self._takes_over = False
        pause = min(_FIRST_REFRESH_SECONDS, self._config.refresh)
        while True:
            await asyncio.sleep(self._world.jittered(pause))
            pause = min(pause * _SLOWER, self._config.refresh)
            try:
                await self.take()
            except Trouble as trouble:
                # It is on the board. This node goes on leading: that it does not know is no reason to hand over.
                await asyncio.sleep(trouble.retry_after)

    async def _take_in_the_end(self, end: float) -> None:
        """Attempt it again and again; not where the next attempt would come after `end`, on the loop's clock."""
        backoff = Backoff()
        while True:
            try:
                return await self._take()
            except Trouble as trouble:
                self._note(trouble)
                wait = max(self._world.jittered(backoff.after(0.0)), trouble.retry_after)
                if self._board.term != self._term or asyncio.get_running_loop().time() + wait >= end:
                    raise
            await asyncio.sleep(wait)

    # -- one attempt ---------------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        is_in_order = not self._takes_over and self._board.holder.standing is Standing.MINE
        holder = await self._look(Purpose.LOOK if is_in_order else Purpose.TAKE)
        steps = 0
        while holder.standing is not Standing.MINE:
            if self._ctx.dry_run:
                call = await self._provider.describe(holder)
                self._ctx.log.info("address-would-move", address=self._board.address, call=str(call))
                return
            self._missed = self._missed or (self._world.clock(), str(holder))
            more = await self._assign(holder)
            steps += 1
            holder = await self._look()
            if holder.standing is not Standing.MINE and (steps == _MOST_STEPS or not more):
                raise Trouble(Fault.FAILED, f"it was assigned, and yet its holder is {holder}")
        if self._missed is not None:
            # Maybe not by the attempt that asked for it: its answer was lost, or the look after it was too early.
            (began, before), self._missed = self._missed, None
            self._say("assigned", "success", instead_of=before, seconds=round(self._world.clock() - began, 3))

    async def _assign(self, holder: Holder) -> bool:
        """Ask for the address, and wait until that is done. Returns whether it takes another step."""
        await self._lead()
        pending = None
        try:
            with self._spending(Purpose.TAKE):
                pending = await self._provider.assign(holder)
            if pending is None:
                return False
            self._say("accepted", "success", instead_of=str(holder), request=pending.id)
            await self._wait(pending)
        except asyncio.CancelledError:
            # Whether it is carried out is the provider's to know; the next leader looks.
            self._say("abandoned", "failure", request=None if pending is None else pending.id)
            raise
        return pending.more

    async def _wait(self, pending: Pending) -> None:
        self._last = Trouble(Fault.BUSY, f"request {pending.id} was accepted, and is not done yet")
        backoff = Backoff()
        while True:
            await asyncio.sleep(self._world.jittered(self._config.poll))
            await self._lead()
            try:
                with self._spending(Purpose.POLL):
                    if await self._provider.done(pending):
                        return
                backoff = Backoff()
            except Trouble as trouble:
                if trouble.fault is Fault.FAILED:
                    raise
                # What was accepted goes on, whether or not this node hears of it: to ask for it anew helps nobody.
                self._note(trouble)
                if trouble.fault is Fault.SPENT:
                    # The calls that are kept for a take-over are enough to see who has the address in the end.
                    await asyncio.sleep(self._world.jittered(_BLIND_SECONDS))
                    return
                await asyncio.sleep(max(self._world.jittered(backoff.after(0.0)), trouble.retry_after))

    async def _look(self, purpose: Purpose = Purpose.TAKE) -> Holder:
        await self._lead()
        with self._spending(purpose):
            holder = await self._provider.holder()
        self._board.saw(holder, self._world.wall())
        return holder

    def _spending(self, purpose: Purpose) -> AbstractContextManager[None]:
        if not self._takes_over and purpose is not Purpose.LOOK:
            purpose = Purpose.KEEP
        return self._board.allowance.spending(purpose)

    # -- whether it may ------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        """Make sure that this node still leads, and waits while that is being found out. Raises Trouble where not."""
        await self._ctx.confirmed()
        self._permit()

    def _permit(self) -> None:
        if self._board.term != self._term or self._ctx.authority() <= 0.0:
            raise Trouble(Fault.LOST_AUTHORITY, f"this node may not act as the leader of term {self._term} now")

    # -- what is told --------------------------------------------------------------------------------------------------

    def _note(self, trouble: Trouble) -> None:
        self._last = trouble
        self._board.failed(trouble, self._world.wall())
        if str(trouble) != self._told:
            self._told = str(trouble)
            self._ctx.log.warning("address-unsure", **self._names(), fault=trouble.fault, reason=trouble.why)
            action = "lost-authority" if trouble.fault is Fault.LOST_AUTHORITY else "failed"
            self._ctx.audit(action, "failure", **self._names(), fault=trouble.fault.value, reason=trouble.why)

    def _say(self, action: str, outcome: str, **fields: object) -> None:
        level: Callable[..., object] = self._ctx.log.info if outcome == "success" else self._ctx.log.warning
        level(f"address-{action}", **self._names(), **fields)
        self._ctx.audit(action, outcome, **self._names(), **fields)

    def _names(self) -> dict[str, object]:
        return {"address": self._board.address, "provider": self._board.provider, "term": self._term}
