"""What plugins' checks and maintenance make of a node: closed until all have spoken, told when it changes."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from les_hooks.audit import Audit
from les_hooks.daemon.fitness import MOST_WORDS, RELOAD_PATIENCE_SECONDS, Fitness
from les_hooks.events import Reason
from les_hooks.hookspecs import Context
from tests.dispatch.stage import Stage, plugin, staged
from tests.virtual import virtual

Report = Callable[[str], None]


class Checker:
    """A plugin whose check does what the test says: `say`, or `fail`, or end."""

    def __init__(self) -> None:
        self.calls = 0
        self.running = 0
        self.report: Report | None = None
        self.stubborn = False
        self._end: asyncio.Future[None] | None = None

    async def check(self, ctx: Context, report: Report) -> None:
        self.calls += 1
        self.running += 1
        self.report = report
        self._end = asyncio.get_running_loop().create_future()
        try:
            await self._end
        except asyncio.CancelledError:
            if self.stubborn:
                report("said while it was ended")
                await asyncio.sleep(3)
            raise
        finally:
            self.running -= 1

    def say(self, unfit: Any) -> None:
        assert self.report is not None
        self.report(unfit)

    async def fail(self, error: Exception | None = None) -> None:
        assert self._end is not None
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)
        for _ in range(5):
            await asyncio.sleep(0)

    def hooks(self) -> object:
        return plugin(check=self.check)


@dataclass
class Scene:
    """A fitness over a real dispatcher, and all that it told."""

    stage: Stage
    fitness: Fitness
    path: Path
    told: list[tuple[str, Reason]] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [words for words, _ in self.told]

    def watch(self, *names: str, contexts: int = 0, patience: float = 0.0) -> None:
        """Another number of `contexts` is another configuration."""
        self.fitness.watch({name: sys.intern(f"{name}{contexts}") for name in names}, patience)

    def trail(self) -> list[tuple[str, str | None]]:
        records = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [(r["action"], r["reason"]) for r in records if r["action"].startswith("node.")]


@asynccontextmanager
async def scene(folder: Path, *checkers: Checker) -> AsyncIterator[Scene]:
    async with staged(*(checker.hooks() for checker in checkers)) as stage:
        capture = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), [capture])
        audit = Audit(folder / "audit.jsonl", node="a", cluster="c", boot=1, wall=lambda: 0.0, log=log)
        found: Scene
        fitness = Fitness(
            stage.dispatcher,
            tell=lambda words, reason: found.told.append((words, reason)),
            audit=audit,
            log=log,
            on_broken=lambda error: found.broken.append(error),
        )
        found = Scene(stage, fitness, folder / "audit.jsonl")
        try:
            yield found
        finally:
            await fitness.close()
            audit.close()
        assert not found.broken
        assert not [checker for checker in checkers if checker.running]


async def begun(*checkers: Checker, calls: int = 1) -> None:
    """Let them be called; nothing here takes time."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert [checker.calls for checker in checkers] == [calls] * len(checkers)


@virtual()
async def test_a_node_without_checks_is_fit_and_nothing_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.watch()
        await asyncio.sleep(60)
        assert s.told == []


@virtual()
async def test_a_node_is_unfit_until_every_check_has_spoken_and_says_who_has_not(tmp_path: Path) -> None:
    a, b = Checker(), Checker()
    async with scene(tmp_path, a, b) as s:
        s.watch("a", "b")
        assert s.told == [("plugin a has not said yet; plugin b has not said yet", Reason.UNFIT)]
        await begun(a, b)
        await asyncio.sleep(1)
        a.say("")
        assert s.words[-1] == "plugin b has not said yet"
        await asyncio.sleep(1)
        b.say("")
        assert s.told[-1] == ("", Reason.UNFIT)
        assert s.trail() == [
            ("node.unfit", "plugin a has not said yet; plugin b has not said yet"),
            ("node.unfit", "plugin b has not said yet"),
            ("node.fit", None),
        ]


@virtual()
async def test_what_a_check_says_is_told_once_on_one_line_that_a_frame_has_room_for(tmp_path: Path) -> None:
    a = Checker()
    async with scene(tmp_path, a) as s:
        s.watch("a")
        await begun(a)
        for words, told in (
            ("disk full", "a: disk full"),
            ("disk full", "a: disk full"),
            ("two\nlines \x1b[31m", "a: two\\nlines \\x1b[31m"),
            ("   ", "a: gives no reason"),
        ):
            a.say(words)
            await asyncio.sleep(1)
            assert s.words[-1] == told
        a.say("x" * 10**6)
        await asyncio.sleep(1)
        assert len(s.words[-1]) == MOST_WORDS
        assert s.words[-1].endswith("x…")
        assert len(s.words) == len(set(s.words))


@virtual()
async def test_all_that_is_wrong_is_told_in_the_order_of_the_plugins(tmp_path: Path) -> None:
    a, b = Checker(), Checker()
    async with scene(tmp_path, a, b) as s:
        s.watch("a", "b")
        await begun(a, b)
        b.say("no route")
        a.say("disk full")
        s.fitness.maintained("maintenance until tea")
        await asyncio.sleep(1)
        assert s.told[-1] == ("maintenance until tea; a: disk full; b: no route", Reason.MAINTENANCE)
        s.fitness.maintained("")
        a.say("")
        await asyncio.sleep(1)
        assert s.told[-1] == ("b: no route", Reason.UNFIT)


@virtual()
async def test_bad_news_goes_out_at_once_and_a_flood_of_news_twice_a_second(tmp_path: Path) -> None:
    a = Checker()
    async with scene(tmp_path, a) as s:
        s.watch("a")
        await begun(a)
        await asyncio.sleep(1)
        a.say("")
        a.say("down")
        assert s.words[-2:] == ["", "a: down"]
        before = len(s.told)
        for number in range(1000):
            a.say(f"lag {number}")
            await asyncio.sleep(0.01)
        assert 18 <= len(s.told) - before <= 21
        await asyncio.sleep(1)
        assert s.words[-1] == "a: lag 999"


@virtual()
async def test_who_takes_it_back_before_it_was_told_has_said_nothing(tmp_path: Path) -> None:
    a = Checker()
    async with scene(tmp_path, a) as s:
        s.watch("a")
        await begun(a)
        await asyncio.sleep(1)
        a.say("down")
        a.say("")
        a.say("down")
        before = list(s.told)
        await asyncio.sleep(1)
        assert s.told == before


@pytest.mark.parametrize(
    ("error", "words"),
    [(ValueError("no"), "a: its check is broken: ValueError: no"), (None, "a: its check has ended by itself")],
)
def test_a_check_that_ends_makes_the_node_unfit_until_it_speaks_again(
    tmp_path: Path, error: Exception | None, words: str
) -> None:
    @virtual()
    async def story() -> None:
        a = Checker()
        async with scene(tmp_path, a) as s:
            s.watch("a")
            await begun(a)
            a.say("")
            await asyncio.sleep(1)
            late = a.report
            await a.fail(error)
            assert s.words[-1] == words
            assert late is not None
            late("")  # from a call that has ended
            await asyncio.sleep(1.1)
            await begun(a, calls=2)
            assert s.words[-1] == words
            a.say("")
            await asyncio.sleep(1)
            assert s.words[-1] == ""

    story()


@virtual()
async def test_a_broken_check_is_begun_again_with_back_off(tmp_path: Path) -> None:
    a = Checker()
    async with scene(tmp_path, a) as s:
        s.watch("a")
        for calls, seconds in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)):
            await begun(a, calls=calls)
            await a.fail(OSError("gone"))
            await asyncio.sleep(seconds - 0.1)
            assert a.calls == calls
            await asyncio.sleep(0.2)


@virtual()
async def test_a_report_of_another_kind_breaks_the_check(tmp_path: Path) -> None:
    async def check(report: Report) -> None:
        report(True)  # type: ignore[arg-type]  # that is what is tested

    checker = Checker()
    checker.check = check  # type: ignore[assignment,method-assign]  # and here
    async with scene(tmp_path, checker) as s:
        s.watch("a")
        await asyncio.sleep(0.6)
        assert s.words[-1].startswith("a: its check is broken: TypeError: report takes a str")


@virtual()
async def test_a_plugin_that_a_reload_drops_has_no_say_any_more(tmp_path: Path) -> None:
    a, b = Checker(), Checker()
    async with scene(tmp_path, a, b) as s:
        s.watch("a", "b")
        await begun(a, b)
        a.say("")
        b.say("down")
        await asyncio.sleep(1)
        s.watch("a", patience=RELOAD_PATIENCE_SECONDS)
        await asyncio.sleep(1)
        assert s.words[-1] == ""
        assert (a.running, b.running) == (1, 0)
        b.say("down")
        await asyncio.sleep(1)
        assert s.words[-1] == ""


@virtual()
async def test_a_new_configuration_begins_the_check_anew_and_its_verdict_stands_until_it_speaks(tmp_path: Path) -> None:
    a = Checker()
    async with scene(tmp_path, a) as s:
        s.watch("a")
        await begun(a)
        a.say("")
        a.stubborn = True
        before = a.report
        s.watch("a", contexts=1, patience=RELOAD_PATIENCE_SECONDS)
        await asyncio.sleep(2)
        assert (a.calls, a.running) == (1, 1)  # one after the other, never both
        await asyncio.sleep(2)
        assert (a.calls, a.running) == (2, 1)
        assert before is not None
        before("from the old configuration")
        assert s.words[-1] == ""
        a.say("down")
        assert s.words[-1] == "a: down"
        a.stubborn = False


@virtual()
async def test_a_check_that_a_reload_brings_may_be_silent_for_a_while_but_not_for_ever(tmp_path: Path) -> None:
    a, b = Checker(), Checker()
    async with scene(tmp_path, a, b) as s:
        s.watch("a")
        await begun(a)
        a.say("")
        await asyncio.sleep(1)
        told = len(s.told)
        s.watch("a", "b", patience=RELOAD_PATIENCE_SECONDS)
        await asyncio.sleep(RELOAD_PATIENCE_SECONDS - 0.1)
        assert len(s.told) == told
        await asyncio.sleep(0.2)
        assert s.words[-1] == "plugin b has not said yet"
        b.say("")
        await asyncio.sleep(1)
        assert s.words[-1] == ""


async def test_an_error_of_ours_is_reported_and_not_swallowed(tmp_path: Path) -> None:
    class Broken:
        async def ask(self, *_: object, **__: object) -> None:
            raise AssertionError("a bug")

    async with scene(tmp_path) as s:
        broken: list[BaseException] = []
        fitness = Fitness(
            Broken(), tell=lambda *_: None, audit=s.fitness._audit, log=s.fitness._log, on_broken=broken.append
        )
        fitness.watch({"a": 1})
        await asyncio.sleep(0.01)
        assert [str(error) for error in broken] == ["a bug"]
        await fitness.close()
