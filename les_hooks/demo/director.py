"""Plays the acts on the daemons, follows what they say, and measures. Imported by `cli`."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from les_hooks.demo.acts import Act, Deed
from les_hooks.demo.fleet import Fleet
from les_hooks.demo.notes import Happened, Said, Trouble, read_note
from les_hooks.demo.ports import free_ports
from les_hooks.demo.report import Report, Row
from les_hooks.demo.scenery import TAKE_OVER
from les_hooks.demo.stage import Stage
from les_hooks.demo.timeline import Timeline
from les_hooks.errors import StartError

__all__ = ["Director"]

_NODES: Final = ("a", "b", "c")
_MOST_ATTEMPTS: Final = 3
"""To find ports that nobody takes before the nodes do."""
_GATHER_SECONDS: Final = 30.0
_RESTART_SECONDS: Final = 4.0


class Director:
    """One performance in `folder`. `close` must be awaited in the end, whatever happens."""

    def __init__(
        self,
        folder: Path,
        timeline: Timeline,
        *,
        pace: float = 1.0,
        patience: float = 10.0,
        choose_ports: Callable[[int], list[int]] = free_ports,
    ) -> None:
        """`pace` stretches the time that is left for watching; `patience` is what a take-over may last, in seconds."""
        self.fleet = Fleet(folder, _NODES, on_line=self._on_line, on_exit=self._on_exit, choose_ports=choose_ports)
        self._patience = patience
        self.stage = Stage({})
        self._timeline = timeline
        self._pace = pace
        self._began = time.monotonic()
        self._rows: list[Row] = []
        self._left: deque[str] = deque()
        self._heard = asyncio.Event()
        self._trouble: deque[str] = deque(maxlen=5)
        self._awaited: _TakeOver | None = None
        self._closing = False

    async def play(self, acts: Sequence[Act]) -> Report:
        """Play all acts, or up to the first that does not come out as it should.

        Raises StartError where the nodes do not even start.
        """
        for act in acts:
            row = await self._start(act) if act.deed is Deed.START else await self._perform(act)
            self._rows.append(row)
            if not row.succeeded:
                break
            await asyncio.sleep(act.watch * self._pace)
        return Report(addresses=self.fleet.addresses, rows=tuple(self._rows), seconds=self._ms() / 1000)

    async def go_on(self) -> None:
        """Keep the cluster running, for ever: who ends is started again after a while, as a service manager would."""
        while True:
            while not self._left:
                self._heard.clear()
                await self._heard.wait()
            await asyncio.sleep(_RESTART_SECONDS)
            node = self._left.popleft()
            self._timeline.deed(self._ms(), f"start {node} again", self.stage)
            self.stage.enter(node)
            self.fleet.start(node)

    async def close(self) -> None:
        """End all that runs; nothing more is told."""
        self._closing = True
        await self.fleet.close()

    async def _start(self, act: Act) -> Row:
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                self.fleet.find_room()
            except OSError as error:
                raise StartError("the demo", str(error), "stop what listens there") from error
            self.stage = Stage(self.fleet.addresses)
            if attempt == 1:
                self._timeline.head(self.stage)
            at = self._ms()
            self._timeline.deed(at, act.says.format(node=", ".join(_NODES)), self.stage)
            for node in _NODES:
                self.fleet.start(node)
            await self._until(lambda: self.stage.agreed or bool(self._left), _GATHER_SECONDS)
            if self.stage.agreed:
                return self._row(act.deed, ", ".join(_NODES), at, None, None)
            taken = [node for node in self._left if not self.fleet.has_room(node)]
            if not taken:
                break
            self._timeline.outcome(self._ms(), f"the port of {taken[0]} was taken; again", self.stage, good=False)
            await self.fleet.close()
            self._left.clear()
        raise StartError(
            f"node {self._left[0] if self._left else _NODES[0]}",
            " / ".join(self._trouble) or f"was not part of a cluster of {len(_NODES)} within {_GATHER_SECONDS:g} s",
            "start one with `les run` in a folder of its own to see more of it",
        )

    async def _perform(self, act: Act) -> Row:
        before = self.stage.leader
        node = self._left[-1] if act.deed is Deed.RETURN else before
        if node is None:
            raise StartError("the cluster", "has no leader", "run the demo again")
        at = self._ms()
        self._timeline.deed(at, act.says.format(node=node), self.stage)
        if act.deed is Deed.RETURN:
            self._left.pop()
            self.stage.enter(node)
            self.fleet.start(node)
            await self._until(lambda: self.stage.agreed, _GATHER_SECONDS)
            return self._row(act.deed, node, at, before, None)
        took = await self._remove(node, signal.SIGKILL if act.deed is Deed.KILL else signal.SIGTERM)
        return self._row(act.deed, node, at, before, took)

    async def _remove(self, node: str, number: signal.Signals) -> float | None:
        """Send the signal; returns the milliseconds of the take-over."""
        self._awaited = awaited = _TakeOver(self._ms(), node)
        self.fleet.signal(node, number)
        await self._until(lambda: awaited.ms is not None, self._patience)
        self._awaited = None
        good = awaited.ms is not None
        text = f"{awaited.successor} took over in {awaited.ms:.0f} ms" if good else "nobody took over in time"
        self._timeline.outcome(self._ms(), text, self.stage, good=good)
        await self._until(lambda: node in self._left and self.stage.agreed, self._patience)
        return awaited.ms

    def _row(self, deed: Deed, node: str, at: float, before: str | None, took: float | None) -> Row:
        return Row(
            deed=deed,
            node=node,
            at_ms=round(at, 1),
            leader_before=before,
            leader_after=self.stage.leader if self.stage.agreed else None,
            takeover_ms=None if took is None else round(took, 1),
        )

    async def _until(self, holds: Callable[[], bool], limit: float) -> None:
        """Wait until it holds, or the limit has passed."""
        try:
            async with asyncio.timeout(limit):
                while not holds():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            return

    def _ms(self) -> float:
        return (time.monotonic() - self._began) * 1000

    def _on_line(self, node: str, line: str) -> None:
        note = read_note(line)
        if note is None or self._closing:
            return
        ms = self._ms()
        match note:
            case Happened():
                self.stage.hear(node, note)
            case Said(script=script) if script == TAKE_OVER and self._awaited:
                self._awaited.hear(node, ms)
            case Trouble():
                self._trouble.append(note.text)
            case _:
                pass
        self._timeline.note(ms, node, note, self.stage)
        self._heard.set()

    def _on_exit(self, node: str) -> None:
        self._left.append(node)
        self.stage.exit(node)
        self._heard.set()


class _TakeOver:
    """One that is waited for: since when, and after whom."""

    def __init__(self, since_ms: float, predecessor: str) -> None:
        self._since_ms = since_ms
        self._predecessor = predecessor
        self.successor = ""
        self.ms: float | None = None

    def hear(self, node: str, at_ms: float) -> None:
        """The script has spoken on this node."""
        if self.ms is None and node != self._predecessor:
            self.successor, self.ms = node, at_ms - self._since_ms
