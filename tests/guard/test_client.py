"""The guard as a daemon uses it: whatever becomes of the daemon, or of the guard, no work outlives its right to run."""

import asyncio
import fcntl
import math
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from les_hooks.guard import Guard, Tie
from les_hooks.guard.process import now
from les_hooks.members import NO_MANDATE, Mandate

from .conftest import Daemon, Groups, Script, lives, within

STUBBORN = "trap '' TERM; (trap '' TERM; sleep 1000; sleep 1000) & echo $$ > {0}; sleep 1000; sleep 1000"
PLAIN = "echo $$ > {0}; exec sleep 1000"


def guard_of(daemon: "subprocess.Popen[bytes]") -> int:
    """The pid of the stand-in's guard, or of the next one after it was killed."""
    assert daemon.stdout is not None
    return int(daemon.stdout.readline())


def number_in(path: Path) -> int:
    """The number that a script writes there."""
    within(15, lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    return int(path.read_text(encoding="utf-8"))


def test_a_killed_daemon_takes_all_groups_with_it_and_is_cleaned_up_after(
    daemon: Daemon, script: Script, tmp_path: Path
) -> None:
    """Those that ignore TERM, and grandchildren, too; and a script that left its group does not hide the death."""
    service = f"setsid sh -c 'echo $$ > {tmp_path}/service; exec sleep 1000' &\n"
    process = daemon(
        cleanup=script("cleanup", f"echo cleaned > {tmp_path}/cleaned"),
        elected=script("elected", service + STUBBORN.format(tmp_path / "one")),
        plain=script("plain", PLAIN.format(tmp_path / "two")),
    )
    guard = guard_of(process)
    one, two = number_in(tmp_path / "one"), number_in(tmp_path / "two")
    left = number_in(tmp_path / "service")
    try:
        process.kill()
        within(10, lambda: not lives(two))
        within(10, lambda: not lives(one))
        within(10, (tmp_path / "cleaned").exists)
        within(10, lambda: not lives(guard))
        assert lives(left)
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_frozen_daemon_loses_what_needs_authority_and_keeps_the_rest(
    daemon: Daemon, script: Script, tmp_path: Path
) -> None:
    process = daemon(
        cleanup=script("cleanup", f"touch {tmp_path}/cleaned"),
        authority=0.5,
        elected=script("elected", PLAIN.format(tmp_path / "one")),
        plain=script("plain", PLAIN.format(tmp_path / "two")),
    )
    guard_of(process)
    one, two = number_in(tmp_path / "one"), number_in(tmp_path / "two")
    process.send_signal(signal.SIGSTOP)
    took = within(15, lambda: not lives(one))
    assert 0.3 < took < 0.75
    assert lives(two)
    assert not (tmp_path / "cleaned").exists()
    process.send_signal(signal.SIGCONT)


def test_a_frozen_leaders_work_is_gone_before_others_may_lead(daemon: Daemon, script: Script, tmp_path: Path) -> None:
    """What ignores TERM, and its children, too."""
    process = daemon(authority=0.5, release=0.6, elected=script("elected", STUBBORN.format(tmp_path / "one")))
    guard_of(process)
    one = number_in(tmp_path / "one")
    process.send_signal(signal.SIGSTOP)
    frozen = now()
    within(15, lambda: not lives(one))
    assert now() - frozen < 0.5 + 0.6


def test_a_daemon_frozen_in_its_demotion_has_its_programs_killed_before_others_may_lead(
    daemon: Daemon, script: Script, tmp_path: Path
) -> None:
    process = daemon(release=1.5, demoted=script("demoted", STUBBORN.format(tmp_path / "one")))
    assert process.stdout is not None
    release_by = float(process.stdout.readline().split()[1])
    one = number_in(tmp_path / "one")
    process.send_signal(signal.SIGSTOP)
    within(15, lambda: not lives(one))
    assert release_by - 0.1 < now() < release_by


def test_a_killed_guard_is_replaced_and_told_everything_again(daemon: Daemon, script: Script, tmp_path: Path) -> None:
    process = daemon(authority=2.0, elected=script("elected", PLAIN.format(tmp_path / "one")))
    guard = guard_of(process)
    one = number_in(tmp_path / "one")
    os.kill(guard, signal.SIGKILL)
    assert guard_of(process) != guard
    assert lives(one)
    process.kill()
    within(15, lambda: not lives(one))


def test_a_daemon_that_says_goodbye_leaves_no_guard(daemon: Daemon, script: Script, tmp_path: Path) -> None:
    process = daemon(cleanup=script("cleanup", f"touch {tmp_path}/cleaned"))
    guard = guard_of(process)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    within(10, lambda: not lives(guard))
    assert not (tmp_path / "cleaned").exists()


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    """A guard in this process."""
    started = Guard(structlog.get_logger(), grace=0.3)
    started.start()
    yield started
    await started.close()


def until_then(moment: float) -> Mandate:
    """What a leader has until then, whom nobody can replace."""
    return Mandate(act_until=moment, release_by=math.inf)


async def until(holds: object) -> None:
    """Wait, with the loop running, until it holds."""
    assert callable(holds)
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_authority_is_told_with_the_first_group_that_needs_it(guard: Guard, groups: Groups) -> None:
    guard.authority(until_then(now() + 0.2))
    bound, free = groups.start(), groups.start()
    guard.add(free, Tie.DAEMON)
    guard.add(bound, Tie.AUTHORITY)
    await until(lambda: not lives(bound))
    assert lives(free)


async def test_a_daemon_that_lives_is_left_a_moment_to_end_its_work_itself(guard: Guard, groups: Groups) -> None:
    end = now() + 0.1
    guard.authority(Mandate(act_until=end, release_by=end + 1.6))
    bound = groups.start()
    guard.add(bound, Tie.AUTHORITY)
    await until(lambda: not lives(bound))
    assert 0.2 <= now() - end < 0.35


async def test_a_node_that_leads_no_more_leaves_its_work_as_doomed_as_it_was(guard: Guard, groups: Groups) -> None:
    end = now() + 0.2
    guard.authority(Mandate(act_until=end, release_by=end + 0.8))
    bound, undoing = groups.start(), groups.start()
    guard.add(bound, Tie.AUTHORITY)
    guard.authority(Mandate(act_until=-math.inf, release_by=end + 0.8))
    guard.add(undoing, Tie.RELEASE)
    await until(lambda: not lives(bound))
    assert lives(undoing)
    guard.authority(NO_MANDATE)
    await asyncio.sleep(max(0.0, end + 0.9 - now()))
    assert lives(undoing)


async def test_the_end_that_others_wait_for_is_told_though_nothing_runs(script: Script, tmp_path: Path) -> None:
    """To the next guard as well: the cleanup of a daemon that dies must know."""
    guard = Guard(structlog.get_logger(), grace=0.3)
    guard.start([script("cleanup", f'echo "$LES_RELEASE_BY" > {tmp_path}/told; mv {tmp_path}/told {tmp_path}/cleaned')])
    first, release_by = guard.pid, round(now() + 60, 6)
    assert first is not None
    guard.authority(Mandate(act_until=release_by - 1, release_by=release_by))
    os.kill(first, signal.SIGKILL)
    await until(lambda: guard.pid not in (None, first))
    guard.abandon()
    await until((tmp_path / "cleaned").exists)
    assert float((tmp_path / "cleaned").read_text(encoding="utf-8")) == release_by


async def test_close_touches_nothing_and_a_second_close_is_harmless(groups: Groups) -> None:
    guard = Guard(structlog.get_logger())
    guard.start()
    pid, group = guard.pid, groups.start()
    assert pid is not None
    guard.add(group, Tie.AUTHORITY)
    await guard.close()
    await guard.close()
    assert guard.pid is None
    assert not lives(pid)
    assert lives(group)
    guard.add(group, Tie.AUTHORITY)
    guard.remove(group)


async def test_a_hung_guard_is_closed_all_the_same(groups: Groups) -> None:
    guard = Guard(structlog.get_logger())
    guard.start()
    pid, group = guard.pid, groups.start()
    assert pid is not None
    guard.add(group, Tie.AUTHORITY)
    os.kill(pid, signal.SIGSTOP)
    await guard.close()
    assert not lives(pid)
    assert lives(group)


async def test_a_hung_guard_with_a_full_pipe_is_replaced(guard: Guard, groups: Groups) -> None:
    first, group = guard.pid, groups.start()
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    with capture_logs() as logs:
        guard.add(group, Tie.AUTHORITY)
        for _ in range(10_000):
            guard.authority(until_then(now() + 60))
        await until(lambda: guard.pid not in (None, first))
    assert [entry["event"] for entry in logs] == ["guard-hung", "guard-died"]
    assert not lives(first)
    guard.authority(until_then(now()))
    await until(lambda: not lives(group))


async def test_each_death_is_logged_once_and_a_guard_that_keeps_dying_is_not_started_in_a_circle(guard: Guard) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            pid = guard.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: guard.pid != pid)
            if guard.pid is None:
                await asyncio.sleep(0.2)
    assert [entry["event"] for entry in logs] == ["guard-died", "guard-died"]
    assert guard.pid is None  # the second one waits


async def test_the_next_guard_is_told_what_was_intended(guard: Guard, groups: Groups) -> None:
    first = guard.pid
    assert first is not None
    guard.authority(until_then(now() + 60))
    guard.intend("run", Tie.AUTHORITY)
    guard.intend("failed", Tie.AUTHORITY)
    guard.unstarted("failed")
    os.kill(first, signal.SIGKILL)
    await until(lambda: guard.pid not in (None, first))
    group, other = (groups.start("env", f"LES_RUN={run}", "sleep", "1000") for run in ("run", "failed"))
    guard.authority(until_then(now()))
    await until(lambda: not lives(group))
    assert lives(other)


async def test_an_abandoned_guard_ends_the_groups_and_cleans_up_though_this_process_lives(
    groups: Groups, script: Script, tmp_path: Path
) -> None:
    guard = Guard(structlog.get_logger(), grace=0.3)
    guard.start([script("cleanup", f"touch {tmp_path}/cleaned")])
    pid, group = guard.pid, groups.start()
    assert pid is not None
    guard.add(group, Tie.DAEMON)
    guard.abandon()
    await until((tmp_path / "cleaned").exists)
    assert not lives(group)
    await until(lambda: not lives(pid))
    await guard.close()  # harmless


async def test_the_next_guard_has_the_lock_too(groups: Groups, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    guard = Guard(structlog.get_logger(), grace=0.3, lock=lock)
    guard.start()

    def held() -> bool:
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    first = guard.pid
    assert first is not None
    assert held()
    os.kill(first, signal.SIGKILL)
    await until(lambda: guard.pid not in (None, first))
    assert held()
    await guard.close()
    assert not held()
