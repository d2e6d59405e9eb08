"""Programs of a leader and of its demotion are gone by the time that others may lead."""

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from les_hooks.processes import Command, Ending, Finished, Runner, time_to_run
from les_hooks.processes.child import Child

from .conftest import Script

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
STUBBORN = "trap 'date +%s.%N > {0}/term' TERM; echo > {0}/ready; while :; do sleep 0.01; done"


def until(moment: float) -> Callable[[], float]:
    """The seconds until then, none after it."""
    return lambda: max(0.0, moment - time.monotonic())


async def is_there(path: Path) -> None:
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.005)


async def undo(runner: Runner, path: str, **options: float) -> Finished:
    return await runner.run(Command(argv=(path,), env=ENVIRONMENT, releases=True, **options))  # type: ignore[arg-type]  # its fields


async def test_a_program_that_undoes_gets_term_with_a_quarter_left_and_is_gone_when_others_may_lead(
    script: Script, tmp_path: Path
) -> None:
    release_by = time.monotonic() + 1.2
    finished = await undo(Runner(None, release_left=until(release_by)), script(STUBBORN.format(tmp_path)))
    assert 0.0 < release_by - time.monotonic() < 0.2
    assert finished.ending is Ending.TIMEOUT
    term = float((tmp_path / "term").read_text(encoding="utf-8")) + time.monotonic() - time.time()
    assert release_by - term == pytest.approx(0.3, abs=0.15)


async def test_a_program_of_a_leader_has_a_quarter_of_what_is_left_between_term_and_kill(
    script: Script, tmp_path: Path
) -> None:
    moment = [math.inf]
    runner = Runner(None, release_left=lambda: moment[0] - time.monotonic())
    command = Command(
        argv=(script(STUBBORN.format(tmp_path)),), env=ENVIRONMENT, timeout=None, ends_with_authority=True
    )
    running = asyncio.create_task(runner.run(command))
    await is_there(tmp_path / "ready")
    begun = time.monotonic()
    moment[0] = begun + 1.2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert 0.25 < time.monotonic() - begun < 0.5


async def test_what_undoes_too_late_has_its_own_limit(script: Script) -> None:
    finished = await undo(Runner(None, release_left=lambda: 0.0), script("sleep 0.2"))
    assert finished.ending is Ending.SUCCESS


async def test_a_moment_that_moves_on_ends_nothing(script: Script) -> None:
    """Who goes on leading has time to undo what a plugin did that is switched off."""
    moved = time.monotonic() + 0.2

    def release_left() -> float:
        return 0.3 if time.monotonic() < moved else 60.0

    finished = await undo(Runner(None, release_left=release_left), script("sleep 0.6"))
    assert finished.ending is Ending.SUCCESS


async def test_its_own_limit_holds_where_that_is_less(script: Script) -> None:
    begun = time.monotonic()
    finished = await undo(Runner(None, release_left=until(begun + 60)), script("sleep 1000"), timeout=0.2)
    assert finished.ending is Ending.TIMEOUT
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("left", "run"), [(0.0, 0.0), (1.0, 0.75), (20.0, 15.0), (60.0, 55.0)])
def test_a_quarter_of_the_time_five_seconds_at_most_is_for_the_end(left: float, run: float) -> None:
    assert time_to_run(left) == pytest.approx(run)


def test_without_an_end_there_is_no_limit() -> None:
    assert time_to_run(math.inf) == math.inf


@pytest.mark.parametrize("tied", [{"ends_with_authority": True}, {"releases": True}, {}])
async def test_what_nothing_ends_remains_where_a_leader_or_its_demotion_began_it(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: dict[str, bool]
) -> None:
    """A dead disk holds up even who was killed; here nobody sends it the signal."""
    monkeypatch.setattr("les_hooks.processes.runner._KILL_SECONDS", 0.05)
    monkeypatch.setattr(Child, "signal", lambda child, number: None)
    runner = Runner(None)
    path = script(STUBBORN.format(tmp_path))
    finished = await runner.run(Command(argv=(path,), env=ENVIRONMENT, timeout=0.2, grace=0.05, **tied))  # type: ignore[arg-type]  # its fields
    group = int(finished.error.split()[2])
    try:
        assert finished.error.endswith("is still there after KILL")
        assert runner.remains == ((group,) if tied else ())
    finally:
        os.killpg(group, signal.SIGKILL)
    async with asyncio.timeout(10):
        while runner.remains or Path("/proc", str(group)).exists():  # until it is reaped, which comes last
            await asyncio.sleep(0.005)
