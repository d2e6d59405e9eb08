"""The guard's program alone, fed line by line: what it ends, what it leaves, and what it ignores."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import les_hooks.guard.process as program
from les_hooks.guard.process import now

from .conftest import Groups, Script, lives, within

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the program under this process, with this cleanup command."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(
        *cleanup: str, grace: float = 0.3, limit: float = 5.0, parent: int | None = None, lock: int = -1
    ) -> object:
        arguments = [str(parent or os.getpid()), str(grace), str(limit), str(lock), *cleanup]
        started.append(
            subprocess.Popen(
                [sys.executable, "-I", "-S", program.__file__, *arguments],
                bufsize=0,
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=() if lock < 0 else (lock,),
            )
        )
        return started[-1]

    yield begin  # type: ignore[misc]  # a generator fixture's type is what it yields
    for process in started:
        process.kill()
        process.communicate()


def tell(guard: "subprocess.Popen[bytes]", *lines: str) -> None:
    """Write these lines to it."""
    assert guard.stdin is not None
    guard.stdin.write("".join(f"{line}\n" for line in lines).encode())


def hang_up(guard: "subprocess.Popen[bytes]") -> bytes:
    """End its input, wait for its end, and return what it said."""
    return guard.communicate(timeout=15)[1]


def test_end_of_file_ends_all_groups_and_then_cleans_up(
    start: Start, groups: Groups, script: Script, tmp_path: Path
) -> None:
    stubborn = groups.start("sh", "-c", f"trap '' TERM; sleep 1000 & touch {tmp_path}/ready; sleep 1000; sleep 1000")
    plain = groups.start()
    within(15, (tmp_path / "ready").exists)
    cleanup = script("cleanup", f'kill -0 -{stubborn} 2>/dev/null && echo too early; echo "$@" > {tmp_path}/cleaned')
    guard = start(cleanup, "-c", "les.toml")
    tell(guard, f"group {plain} daemon", f"group {stubborn} authority")
    said = hang_up(guard)
    assert not lives(plain)
    assert not lives(stubborn)
    assert (tmp_path / "cleaned").read_text(encoding="utf-8") == "-c les.toml\n"
    assert b'"reason": "daemon-died", "groups": 2' in said


def test_the_lock_is_held_until_the_groups_are_gone_and_not_during_the_cleanup(
    start: Start, groups: Groups, script: Script, tmp_path: Path
) -> None:
    stubborn = groups.start("sh", "-c", f"trap '' TERM; touch {tmp_path}/ready; sleep 1000; sleep 1000")
    within(15, (tmp_path / "ready").exists)
    lock = tmp_path / "lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        guard = start(script("cleanup", f"flock -w 10 {lock} true; echo $? > {tmp_path}/free"), lock=held.fileno())
    tell(guard, f"group {stubborn} authority")
    assert guard.stdin is not None
    guard.stdin.close()
    guard.stdin = None
    with lock.open("w") as next_one:
        with pytest.raises(BlockingIOError):
            fcntl.flock(next_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(next_one, fcntl.LOCK_EX)
        assert not lives(stubborn)
    guard.wait(timeout=15)
    assert (tmp_path / "free").read_text(encoding="utf-8") == "0\n"


def test_bye_ends_nothing_and_cleans_up_nothing(start: Start, groups: Groups, script: Script, tmp_path: Path) -> None:
    group = groups.start()
    guard = start(script("cleanup", f"touch {tmp_path}/cleaned"))
    tell(guard, f"group {group} authority", "bye")
    assert hang_up(guard) == b""
    assert guard.returncode == 0
    assert lives(group)
    assert not (tmp_path / "cleaned").exists()


def test_authority_that_passes_ends_what_needs_it_and_nothing_else(start: Start, groups: Groups) -> None:
    bound, free = groups.start(), groups.start()
    guard = start()
    until = now() + 0.3
    tell(guard, f"authority {until} none", f"group {bound} authority", f"group {free} daemon")
    within(15, lambda: not lives(bound))
    assert 0 <= now() - until < 0.25
    assert lives(free)
    assert guard.poll() is None


def stubborn_one(groups: Groups, tmp_path: Path, name: str = "ready") -> int:
    """A group that ignores TERM."""
    group = groups.start("sh", "-c", f"trap '' TERM; touch {tmp_path}/{name}; sleep 1000; sleep 1000")
    within(15, (tmp_path / name).exists)
    return group


def test_the_grace_is_a_quarter_of_what_is_left_until_others_may_lead(
    start: Start, groups: Groups, tmp_path: Path
) -> None:
    bound = stubborn_one(groups, tmp_path)
    guard = start(grace=5.0)
    until = now() + 0.3
    tell(guard, f"authority {until} {until + 1.2}", f"group {bound} authority")
    within(15, lambda: not lives(bound))
    assert 0.29 <= now() - until < 0.6


def test_a_demotions_program_is_killed_right_before_others_may_lead(
    start: Start, groups: Groups, tmp_path: Path
) -> None:
    """Not with the end of authority, as it runs because of that."""
    undoing, free = stubborn_one(groups, tmp_path), groups.start()
    guard = start(grace=5.0)
    release_by = now() + 0.6
    tell(guard, f"authority {now() - 0.1} {release_by}", f"group {undoing} release", f"group {free} daemon")
    within(15, lambda: not lives(undoing))
    assert 0 <= release_by - now() <= program.KILLED_SECONDS
    assert lives(free)
    tell(guard, "authority none none", f"ended {free}", "bye")
    assert b"release-due" in hang_up(guard)


def test_what_the_daemon_is_ending_gets_no_second_term_and_is_killed_in_its_place(
    start: Start, groups: Groups, tmp_path: Path
) -> None:
    counting = f"trap 'echo >> {tmp_path}/terms' TERM; touch {tmp_path}/ready; while :; do sleep 0.01; done"
    bound = groups.start("sh", "-c", counting)
    within(15, (tmp_path / "ready").exists)
    guard = start(grace=5.0)
    kill_at = now() + 0.5
    tell(guard, f"authority {now() + 0.1} none", f"group {bound} authority", f"ending {bound} {kill_at}")
    within(15, lambda: not lives(bound))
    assert 0 <= now() - kill_at < 0.25
    assert not (tmp_path / "terms").exists()


def test_the_end_of_a_dead_daemons_groups_leaves_three_quarters_to_the_cleanup(
    start: Start, groups: Groups, script: Script, tmp_path: Path
) -> None:
    """Also of those that the daemon was ending, and of what is not a leader's: the cleanup waits for them."""
    one, two = stubborn_one(groups, tmp_path, "one"), stubborn_one(groups, tmp_path, "two")
    cleanup = script("cleanup", f'echo "$LES_RELEASE_BY" > {tmp_path}/told; cat /proc/uptime > {tmp_path}/cleaned')
    guard = start(cleanup, grace=5.0)
    release_by = round(now() + 1.2, 6)
    tell(guard, f"authority {now() + 0.9} {release_by}", f"group {one} release", f"group {two} daemon")
    tell(guard, f"ending {one} {release_by - 0.1}")
    hang_up(guard)
    assert not lives(one)
    assert not lives(two)
    assert float((tmp_path / "told").read_text(encoding="utf-8")) == release_by
    assert 0.4 < release_by - float((tmp_path / "cleaned").read_text(encoding="utf-8").split()[0]) < 0.95


def test_a_cleanup_is_told_of_no_end_where_there_is_none(
    start: Start, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LES_RELEASE_BY", "17")
    guard = start(script("cleanup", f'echo "[$LES_RELEASE_BY]" > {tmp_path}/told'))
    tell(guard, f"authority {now() + 60} none")
    hang_up(guard)
    assert (tmp_path / "told").read_text(encoding="utf-8") == "[]\n"


def test_renewed_authority_ends_nothing(start: Start, groups: Groups) -> None:
    bound = groups.start()
    guard = start()
    tell(guard, f"authority {now() + 0.1} none", f"group {bound} authority")
    for _ in range(10):
        tell(guard, f"authority {now() + 0.3} none")
        time.sleep(0.05)
    assert lives(bound)
    tell(guard, "authority none none")
    time.sleep(0.4)
    assert lives(bound)


def test_authority_renewed_too_late_revives_nothing(start: Start, groups: Groups, tmp_path: Path) -> None:
    """Who ignores TERM is killed after the grace, whatever is renewed in it."""
    bound = groups.start("sh", "-c", f"trap '' TERM; touch {tmp_path}/ready; sleep 1000; sleep 1000")
    within(15, (tmp_path / "ready").exists)
    guard = start(grace=0.4)
    tell(guard, f"authority {now() - 1} none", f"group {bound} authority")
    time.sleep(0.1)
    assert lives(bound)
    tell(guard, f"authority {now() + 60} none")
    within(15, lambda: not lives(bound))


def test_a_group_that_has_ended_is_forgotten(start: Start, groups: Groups) -> None:
    """Its number may be somebody else's by now."""
    group = groups.start()
    guard = start()
    tell(guard, f"authority {now() + 0.1} none", f"group {group} authority", f"ended {group}")
    time.sleep(0.3)
    hang_up(guard)
    assert lives(group)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_meant_for_everybody_are_ignored(start: Start, groups: Groups, number: int) -> None:
    group = groups.start()
    guard = start()
    tell(guard, f"authority {now() + 0.2} none", f"group {group} authority")
    within(15, lambda: not lives(group))  # so it has begun, and ignores them by now
    guard.send_signal(number)
    time.sleep(0.05)
    assert guard.poll() is None


def test_malformed_lines_are_ignored(start: Start, groups: Groups) -> None:
    group = groups.start()
    guard = start()
    tell(
        guard,
        *("", "group", "group x daemon", f"group {group} someday", f"group -{group} daemon", "group 0 daemon"),
        *("group 1 daemon", f"group {guard.pid} daemon", f"group {10**30} daemon", "ended", "ended x", "bye bye"),
        *("authority", "authority 1", "authority 1 soon", "authority nan 1", "authority 1 inf", "authority -1 2"),
        *("intent", "intent one", "intent one someday", "unstarted", "group 2 daemon one two", "unstarted a b"),
        *("ending", "ending 2", "ending 2 1", "ending x 1", f"ending {group} nan", "\0\xff"),
        "x" * 1_000_000,
        f"group {group} daemon",
    )
    hang_up(guard)
    assert not lives(group)


def test_a_line_that_never_ends_is_bounded(start: Start, groups: Groups) -> None:
    group = groups.start()
    guard = start()
    tell(guard, f"group {group} daemon")
    assert guard.stdin is not None
    for _ in range(100):
        guard.stdin.write(b"x" * 100_000)
    assert int(memory(guard.pid, "VmRSS")) < 20_000
    hang_up(guard)
    assert not lives(group)


def test_the_table_of_groups_is_bounded() -> None:
    table = program.Groups(grace=1.0)
    for number in range(2, 5000):
        table.obey(b"group %d daemon" % (number + 10_000_000))
    assert len(table.known) == program.MOST_GROUPS


def test_a_cleanup_that_hangs_is_ended_with_its_group(start: Start, script: Script, tmp_path: Path) -> None:
    guard = start(script("cleanup", f"echo $$ > {tmp_path}/pid; sleep 1000"), limit=0.3)
    started = time.monotonic()
    hang_up(guard)
    assert time.monotonic() - started < 3
    assert not lives(int((tmp_path / "pid").read_text(encoding="utf-8")))


def test_a_cleanup_that_cannot_be_started_is_said(start: Start, tmp_path: Path) -> None:
    guard = start(str(tmp_path / "gone"))
    assert b'"event": "guard-cleanup-unstarted"' in hang_up(guard)


def test_cleanup_takes_signals_again(start: Start, script: Script, tmp_path: Path) -> None:
    guard = start(script("cleanup", f"grep -E '^Sig(Ign|Blk)' /proc/self/status > {tmp_path}/signals"))
    hang_up(guard)
    masks = [int(line.split()[1], 16) for line in (tmp_path / "signals").read_text(encoding="utf-8").splitlines()]
    assert all(mask & (1 << number - 1) == 0 for mask in masks for number in (1, 2, 13, 15))


def test_the_daemons_death_is_noticed_where_somebody_inherited_the_pipe(
    groups: Groups, script: Script, tmp_path: Path
) -> None:
    """A library user's process may fork without an exec; such a child holds the pipe open."""
    group = groups.start()
    holder = script(
        "holder",
        f"exec 3>{tmp_path}/fifo; {sys.executable} -I -S {program.__file__} $$ 0.3 5 -1 < {tmp_path}/fifo &\n"
        f"echo group {group} daemon >&3; sleep 1000 & echo $! > {tmp_path}/heir; sleep 0.5",
    )
    os.mkfifo(tmp_path / "fifo")
    opened = os.open(tmp_path / "fifo", os.O_RDWR)  # so that nobody's open blocks, and no end of file comes
    try:
        subprocess.run([holder], check=True, timeout=10)
        within(15, lambda: not lives(group))
    finally:
        os.close(opened)
        os.kill(int((tmp_path / "heir").read_text(encoding="utf-8")), signal.SIGKILL)


def memory(pid: int, key: str, file: str = "status") -> str:
    """One number of kibibytes from /proc."""
    for line in Path(f"/proc/{pid}/{file}").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return line.split()[1]
    raise KeyError(key)


def test_the_guard_is_small(start: Start, groups: Groups) -> None:
    guard = start()
    group = groups.start()
    tell(guard, f"authority {now() + 0.1} none", f"group {group} authority")
    within(15, lambda: not lives(group))
    assert int(memory(guard.pid, "Pss", "smaps_rollup")) <= 10 * 1024
    assert int(memory(guard.pid, "Threads")) == 1


def is_idle(pid: int) -> bool:
    """Whether the process, once it has run for a while, does nothing for some time."""

    def switches() -> int:
        return int(memory(pid, "voluntary_ctxt_switches"))

    before = switches()
    time.sleep(0.2)
    return before > 20 and switches() == before


def run_as(groups: Groups, run: str, *argv: str) -> int:
    """Start a program with this LES_RUN."""
    return groups.start("env", f"LES_RUN={run}", *(argv or ("sleep", "1000")))


def test_what_was_intended_and_never_told_is_found_and_ended(start: Start, groups: Groups) -> None:
    """Also where it begins only after the daemon's end; what has another name, or a longer one, is left."""
    guard = start()
    tell(guard, "intent one authority", "intent two daemon", "intent three authority", "unstarted three")
    one, others = run_as(groups, "one"), [run_as(groups, "one1"), run_as(groups, "three"), groups.start()]
    assert guard.stdin is not None
    guard.stdin.close()
    guard.stdin = None  # or the fixture would flush it
    within(15, lambda: not lives(one))
    two = run_as(groups, "two")
    within(15, lambda: not lives(two))
    within(15, lambda: not lives(guard.pid))
    assert all(lives(other) for other in others)


def test_the_end_of_authority_ends_of_the_intended_what_needs_it(start: Start, groups: Groups) -> None:
    bound, free = run_as(groups, "bound"), run_as(groups, "free")
    guard = start()
    tell(guard, f"authority {now() + 0.2} none", "intent bound authority", "intent free daemon")
    within(15, lambda: not lives(bound))
    assert lives(free)
    # The daemon thaws.
    tell(guard, f"group {bound} authority bound", f"group {free} daemon free", f"ended {bound}", f"ended {free}", "bye")
    assert b"never-told" in hang_up(guard)
    assert lives(free)


def test_an_intent_that_was_told_is_searched_no_more(start: Start, groups: Groups) -> None:
    first = run_as(groups, "run")
    guard = start()
    tell(
        guard, f"authority {now() + 60} none", "intent run authority", f"group {first} authority run", f"ended {first}"
    )
    started = time.monotonic()
    hang_up(guard)
    assert time.monotonic() - started < program.SEARCH_SECONDS / 2
    assert lives(first)


def test_a_search_in_vain_ends_and_then_costs_nothing(start: Start, groups: Groups) -> None:
    guard = start()
    tell(guard, f"authority {now() - 1} none", "intent run authority")
    within(15, lambda: is_idle(guard.pid))
    late = run_as(groups, "run")
    tell(guard, f"group {late} authority run")
    within(15, lambda: not lives(late))


def test_a_number_that_has_become_a_strangers_is_not_signalled(groups: Groups) -> None:
    group = groups.start()
    table = program.Groups(grace=0.0)
    table.obey(b"group %d daemon" % group)
    # The same as if this number had been given to a process that started later.
    table.known[group].leader = 1
    table.end_all()
    assert table.known == {}
    assert lives(group)


def test_the_table_of_intents_is_bounded() -> None:
    table = program.Groups(grace=1.0)
    for number in range(5000):
        table.obey(b"intent %d daemon" % number)
    assert len(table.intents) == program.MOST_GROUPS
