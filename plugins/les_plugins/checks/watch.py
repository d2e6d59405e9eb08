"""All checks of one node: each again and again, side by side, and what they say together. Private to `checks`."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from les_hooks import Context
from les_hooks.text import printable
from les_plugins.checks.probes import Probe, probe_of
from les_plugins.checks.settings import Check, ChecksConfig, Kind
from les_plugins.checks.track import State, Track
from les_plugins.programs import Found, Verdict, look

__all__ = ["MOST_SCRIPTS", "Result", "Watch", "Watched"]

MOST_SCRIPTS = 64
"""As many scripts as are run; more than these in the folder make the node unfit."""

# What one check may say: all of them share the 256 characters that other nodes hear.
_MOST_WORDS = 160

# Enough for checks to hang without holding the others up, and few enough not to start all processes at once.
_MOST_AT_ONCE = 16


@dataclass(slots=True, kw_only=True, eq=False)
class Watched:
    """One check that is kept: `busy` is held while it runs, so that it never overlaps itself."""

    check: Check
    probe: Probe
    track: Track
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: "asyncio.Task[None] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one run: `why` it failed, empty if it did not, after how many seconds."""

    why: str
    seconds: float


class Watch:
    """Keeps the checks of a context running, and calls `report` with what is wrong whenever that changes.

    `jitter` gives numbers from 0 to 1: by these parts of their intervals the second runs are brought forward, so that
    checks that begin together do not stay together.
    """

    def __init__(
        self,
        ctx: Context,
        report: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        probes: Callable[[Check, Context], Probe] = probe_of,
    ) -> None:
        self.watched: dict[str, Watched] = {}
        self.refused: dict[str, str] = {}
        """What in the folder makes the node unfit without having been run, and why."""
        self._ctx = ctx
        self._config: ChecksConfig = ctx.config
        self._report = report
        self._clock = clock
        self._wall = wall
        self._jitter = jitter
        self._probe_of = probes
        self._reported: str | None = None
        self._skipped: dict[str, str] = {}
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(self) -> None:
        """Watch until this call is cancelled; all that runs has ended then."""
        async with asyncio.TaskGroup() as group:
            for check in self._config.check:
                self._keep(check, group)
            while True:
                # In a thread: the folder may be on a disk that hangs.
                self._follow(await asyncio.to_thread(look, self._config.dir, os.geteuid()), group)
                self._say()
                await asyncio.sleep(self._config.scripts.interval)

    async def run_now(self, name: str) -> Mapping[str, Result]:
        """Run the checks of that name or target at once; it counts for nothing. Empty where there is none."""
        found = [each for each in self.watched.values() if name in (each.check.label, each.check.target)]
        return {each.check.label: await self._once(each) for each in found}

    # -- which there are -----------------------------------------------------------------------------------------------

    def _follow(self, found: list[Found], group: asyncio.TaskGroup) -> None:
        """Have exactly the scripts of the folder running, beside what the configuration names."""
        configured = {check.script for check in self._config.check}
        scripts = [each for each in found if each.path.name not in configured]
        pace = msgspec.structs.asdict(self._config.scripts)
        wanted = {
            (check := Check(script=each.path.name, **pace)).label: check
            for each in scripts
            if each.verdict is Verdict.RUNS
        }
        self._refuse({_label(each): _short(each) for each in scripts if each.verdict is Verdict.REFUSED}, len(wanted))
        self._skip({str(each.path): each.reason for each in scripts if each.verdict is Verdict.SKIPPED})
        for label in [name for name, each in self.watched.items() if each.check not in self._config.check]:
            if label not in wanted and (task := self.watched.pop(label).task) is not None:
                task.cancel()
        for label, check in list(wanted.items())[:MOST_SCRIPTS]:
            if label not in self.watched:
                self._keep(check, group)

    def _refuse(self, refused: dict[str, str], scripts: int) -> None:
        if scripts > MOST_SCRIPTS:
            refused[str(self._config.dir)] = f"holds more than {MOST_SCRIPTS} scripts"
        refused = {printable(name): printable(reason) for name, reason in refused.items()}
        for name, reason in refused.items():
            if self.refused.get(name) != reason:
                self._ctx.log.warning("check-refused", check=name, reason=reason)
                self._ctx.audit("refused", "unstarted", check=name, reason=reason)
        self.refused = refused

    def _skip(self, skipped: dict[str, str]) -> None:
        for path, reason in skipped.items():
            if self._skipped.get(path) != reason:
                self._ctx.log.warning("check-skipped", path=printable(path), reason=printable(reason))
        self._skipped = skipped

    # -- one of them ---------------------------------------------------------------------------------------------------

    def _keep(self, check: Check, group: asyncio.TaskGroup) -> None:
        each = Watched(
            check=check, probe=self._probe_of(check, self._ctx), track=Track(rise=check.rise, fall=check.fall)
        )
        self.watched[check.label] = each
        each.task = group.create_task(self._repeat(each), name=f"check-{check.label}")

    async def _repeat(self, each: Watched) -> None:
        pause = each.check.interval * (1.0 - self._jitter())
        while True:
            began = self._clock()
            result = await self._once(each)
            if each.track.note(result.why, at=self._wall(), took=result.seconds):
                self._turned(each)
            self._say()
            await asyncio.sleep(max(0.0, pause - (self._clock() - began)))
            pause = each.check.interval

    async def _once(self, each: Watched) -> Result:
        async with each.busy, self._room:
            began = self._clock()
            why = printable(await each.probe())[:_MOST_WORDS]
            return Result(why=why, seconds=round(self._clock() - began, 4))

    def _turned(self, each: Watched) -> None:
        label, track = each.check.label, each.track
        if track.state is State.UNFIT:
            self._ctx.log.warning("check-unfit", check=label, reason=track.why)
            self._ctx.audit("unfit", "failure", check=label, reason=track.why, runs=track.runs)
        else:
            self._ctx.log.info("check-fit", check=label)
            self._ctx.audit("fit", "success", check=label, runs=track.runs)

    # -- all of them ---------------------------------------------------------------------------------------------------

    def _say(self) -> None:
        verdict = self._verdict()
        if verdict is not None and verdict != self._reported:
            self._reported = verdict
            self._report(verdict)

    def _verdict(self) -> str | None:
        """What is wrong, empty where nothing is, and None as long as that is not known."""
        unfit = [each for each in self.watched.values() if each.track.state is State.UNFIT]
        wrong = [f"{name}: {reason}" for name, reason in self.refused.items()]
        wrong += [f"{each.check.label}: {each.track.why}" for each in unfit]
        if wrong:
            return "; ".join(wrong)
        return None if any(each.track.state is State.UNKNOWN for each in self.watched.values()) else ""


def _label(found: Found) -> str:
    return f"{Kind.SCRIPT} {found.path.name}"


def _short(found: Found) -> str:
    """Why it is refused, without the path where the label says it already."""
    return found.reason.removeprefix(f"{found.path} ").removeprefix(f"{found.path}: ")
