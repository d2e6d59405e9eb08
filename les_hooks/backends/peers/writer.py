"""Writing down what the machine wants on disk, one thing at a time. For this package only."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger

from les_hooks.backends import Disk
from les_hooks.election.messages import Message, Pledged, PledgeFailed, Saved, SaveFailed
from les_hooks.members import Boot

__all__ = ["Writer"]


class Writer:
    """Takes what is to be written at any pace: what waits for a disk that is slower is written at one go.

    Each term that comes from others is written down, and others may name new ones faster than any disk. Terms and
    stamps only rise, so that the highest stands for all; of pledges only the last counts. `spawn` has work done.
    """

    def __init__(
        self,
        disk: Disk,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        report: Callable[[Message], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._disk = disk
        self._spawn = spawn
        self._report = report
        self._log = log
        self._terms: dict[int, float] = {}
        self._pledge: tuple[int, Boot, float] | None = None
        self._is_busy = False

    def save(self, term: int, newest: float) -> None:
        """Have term and newest stamp written, and say Saved or SaveFailed."""
        self._terms[term] = newest
        self._begin()

    def pledge(self, term: int, boot: Boot, lease: float) -> None:
        """Have the promise to this process written, and say Pledged or PledgeFailed."""
        self._pledge = term, boot, lease
        self._begin()

    def _begin(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._terms or self._pledge is not None:
                if self._terms:
                    await self._write_terms()
                if self._pledge is not None:
                    await self._write_pledge(*self._pledge)
        finally:
            self._is_busy = False

    async def _write_terms(self) -> None:
        terms, self._terms = self._terms, {}
        try:
            await self._disk.save(max(terms), max(terms.values()))
        except OSError as error:
            self._log.error("state-unsaved", term=max(terms), reason=str(error))
            for term in terms:
                self._report(SaveFailed(term=term))
        else:
            for term in terms:
                self._report(Saved(term=term))

    async def _write_pledge(self, term: int, boot: Boot, lease: float) -> None:
        self._pledge = None
        try:
            await self._disk.pledge(term, boot, lease)
        except OSError as error:
            self._log.error("vote-unsaved", term=term, reason=str(error))
            self._report(PledgeFailed(term=term, boot=boot))
        else:
            self._report(Pledged(term=term, boot=boot))
