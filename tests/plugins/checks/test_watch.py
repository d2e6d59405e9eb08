"""All checks of a node together: what they report, when they run, and what they leave behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest

from les_hooks.hookspecs import Context
from les_plugins.checks.probes import Probe, probe_of
from les_plugins.checks.settings import Check, Pace
from les_plugins.checks.track import State
from les_plugins.checks.watch import MOST_SCRIPTS, Watch
from tests.fake_context import FakeContext
from tests.plugins.checks.conftest import ChecksDir, Configured
from tests.virtual import virtual


class Probes:
    """Probes by target: each takes so long and answers in turn, and all remember who runs when."""

    def __init__(self, **answers: Iterator[str]) -> None:
        self.answers = answers
        self.seconds = 0.0
        self.began: dict[str, list[float]] = {}
        self.running: list[str] = []
        self.most = 0

    def __call__(self, check: Check, ctx: Context) -> Probe:
        async def probe() -> str:
            assert check.target not in self.running, "it overlaps itself"
            self.running.append(check.target)
            self.most = max(self.most, len(self.running))
            self.began.setdefault(check.target, []).append(asyncio.get_running_loop().time())
            try:
                await asyncio.sleep(self.seconds)
                return next(self.answers[check.target])
            finally:
                self.running.remove(check.target)

        return probe


@asynccontextmanager
async def watching(
    ctx: FakeContext, probes: Callable[[Check, Context], Probe] = probe_of, jitter: float = 0.0
) -> AsyncIterator[tuple[Watch, list[str]]]:
    """A watch that runs until the end of the block, and what it reports."""
    reported: list[str] = []
    loop = asyncio.get_running_loop()
    watch = Watch(ctx, reported.append, clock=loop.time, jitter=lambda: jitter, probes=probes)
    task = asyncio.create_task(watch.run())
    try:
        yield watch, reported
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()


def units(*names: str, **keys: Any) -> tuple[Check, ...]:
    return tuple(Check(unit=name, **keys) for name in names)


@virtual(0.01)
async def test_nothing_is_reported_until_all_have_said_something_unless_one_is_bad(configured: Configured) -> None:
    probes = Probes(a=cycle([""]), b=cycle([""]))
    probes.seconds = 0.5
    async with watching(configured(check=units("a", "b")), probes) as (_, reported):
        await asyncio.sleep(0.4)
        assert reported == []
        await asyncio.sleep(0.2)
        assert reported == [""]
        await asyncio.sleep(60)
        assert reported == [""]


@virtual(0.01)
async def test_without_checks_the_node_is_fit(configured: Configured) -> None:
    async with watching(configured()) as (_, reported):
        await asyncio.sleep(1)
        assert reported == [""]


@virtual(0.01)
async def test_all_that_is_bad_is_reported_and_only_when_it_changes(configured: Configured) -> None:
    probes = Probes(a=cycle(["no", "no", "no again", "", ""]), b=cycle([""]))
    ctx = configured(check=units("a", "b", interval=1.0))
    async with watching(ctx, probes) as (watch, reported):
        await asyncio.sleep(2.5)
        assert reported == ["unit a: no"]
        await asyncio.sleep(2)
        assert reported == ["unit a: no", ""]
        assert watch.watched["unit b"].track.state is State.FIT
    assert [(r["action"], r["outcome"], r["check"], r.get("reason")) for r in ctx.audited] == [
        ("unfit", "failure", "unit a", "no"),
        ("fit", "success", "unit b", None),
        ("fit", "success", "unit a", None),
    ]


@virtual(0.01)
async def test_a_check_that_flaps_does_not_move_the_node(configured: Configured) -> None:
    probes = Probes(a=cycle(["", "no", "no"]))
    async with watching(configured(check=units("a")), probes) as (watch, reported):
        await asyncio.sleep(300)
        assert reported == [""]
        assert watch.watched["unit a"].track.failures > 80


@virtual(0.01)
async def test_runs_are_an_interval_apart_and_the_second_ones_are_spread(configured: Configured) -> None:
    probes = Probes(a=cycle([""]))
    async with watching(configured(check=units("a", interval=2.0)), probes, jitter=0.25):
        await asyncio.sleep(8)
    times = probes.began["a"]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([1.5, 2.0, 2.0, 2.0], abs=0.2)


@virtual(0.01)
async def test_a_check_slower_than_its_interval_never_overlaps_itself(configured: Configured) -> None:
    probes = Probes(a=cycle([""]))
    probes.seconds = 5.0
    async with watching(configured(check=units("a", interval=1.0, timeout=10.0)), probes) as (watch, _):
        await asyncio.sleep(3)
        assert (await watch.run_now("unit a"))["unit a"].why == ""
        assert list(await watch.run_now("a")) == ["unit a"]
        assert await watch.run_now("b") == {}
        await asyncio.sleep(20)


@virtual(0.01)
async def test_many_checks_run_side_by_side_but_not_all_at_once(configured: Configured) -> None:
    names = [f"u{n}" for n in range(60)]
    probes = Probes(**{name: cycle([""]) for name in names})
    probes.seconds = 1.0
    async with watching(configured(check=units(*names)), probes) as (_, reported):
        await asyncio.sleep(3.5)
        assert reported == []
        await asyncio.sleep(1)
        assert reported == [""]
    assert probes.most == 16


# -- scripts -----------------------------------------------------------------------------------------------------------

QUICK = Pace(interval=0.1, timeout=5.0, rise=1, fall=1)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_script_that_begins_to_fail_makes_the_node_unfit_until_it_does_not(
    configured: Configured, folder: ChecksDir, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    folder.add("disk", f"[ ! -e {flag} ] || {{ echo /var is full; exit 1; }}")
    async with watching(configured(scripts=QUICK)) as (_, reported):
        await until(lambda: reported)
        flag.touch()
        await until(lambda: len(reported) == 2)
        flag.unlink()
        await until(lambda: len(reported) == 3)
    assert reported == ["", "script disk: exited with 1: /var is full", ""]


async def test_scripts_come_and_go_with_the_folder(configured: Configured, folder: ChecksDir) -> None:
    async with watching(configured(scripts=QUICK)) as (watch, reported):
        await until(lambda: reported == [""])
        bad = folder.add("bad", "exit 1")
        await until(lambda: reported[-1] == "script bad: exited with 1")
        bad.unlink()
        await until(lambda: reported[-1] == "")
        assert watch.watched == {}


async def test_a_script_of_the_list_runs_once_and_at_its_own_pace(configured: Configured, folder: ChecksDir) -> None:
    folder.add("slow", "echo run >>$OUT")
    check = Check(name="mine", script="slow", interval=60.0)
    async with watching(configured(scripts=QUICK, check=(check,))) as (watch, reported):
        await until(lambda: reported == [""])
        await asyncio.sleep(0.3)
        assert list(watch.watched) == ["mine"]
        assert folder.noted() == ["run"]


async def test_left_overs_are_skipped_and_said_once(configured: Configured, folder: ChecksDir) -> None:
    folder.add("x~", "exit 1")
    folder.add("plain", mode=0o644)
    folder.add("README", "exit 1")
    ctx = configured(scripts=QUICK)
    async with watching(ctx) as (_, reported):
        await until(lambda: reported == [""])
        await asyncio.sleep(0.3)
    assert [(entry["event"], Path(entry["path"]).name) for entry in ctx.logged] == [
        ("check-skipped", "plain"),
        ("check-skipped", "x~"),
    ]


async def test_a_script_that_others_could_write_makes_the_node_unfit_without_being_run(
    configured: Configured, folder: ChecksDir
) -> None:
    path = folder.add("open", "echo run >>$OUT", mode=0o777)
    async with watching(configured(scripts=QUICK)) as (watch, reported):
        await until(lambda: reported)
        assert reported[0].startswith(f"script open: (mode 0777, owner {os.getuid()}): others could write it")
        assert list(watch.refused) == ["script open"]
        path.chmod(0o755)
        await until(lambda: reported[-1] == "")
    assert folder.noted()


async def test_more_scripts_than_are_run_make_the_node_unfit(configured: Configured, folder: ChecksDir) -> None:
    for number in range(MOST_SCRIPTS + 1):
        folder.add(f"s{number}")
    async with watching(configured(scripts=Pace(interval=60.0))) as (watch, reported):
        await until(lambda: reported)
        assert reported == [f"{folder.path}: holds more than {MOST_SCRIPTS} scripts"]
        assert len(watch.watched) == MOST_SCRIPTS


async def test_a_script_that_runs_when_the_watch_ends_is_ended_with_its_group(
    configured: Configured, folder: ChecksDir
) -> None:
    folder.add("forks", "sleep 60 & echo $! >>$OUT; echo $$ >>$OUT; wait")
    async with watching(configured(scripts=Pace(timeout=50.0))):
        await until(lambda: len(folder.noted()) == 2)
    for pid in folder.noted():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().split()[2] == "Z"
