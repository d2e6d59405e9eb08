"""Programs run with what they were given, end with their groups, and leave nothing behind. Real scripts throughout."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.guard.process import living
from les_hooks.processes import Command, Ending, Finished, Runner

from .conftest import Script

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def runner() -> Runner:
    return Runner(None)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Every test: no descriptor, thread or zombie more than before."""
    before = os.listdir("/proc/self/fd"), threading.active_count()
    yield
    gc.collect()
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0), "a zombie was left"
    assert (os.listdir("/proc/self/fd"), threading.active_count()) == before


async def run(runner: Runner, *argv: str, **options: object) -> tuple[Finished, list[tuple[str, str]]]:
    """Run with a plain environment; returns how it ended, and its output."""
    output: list[tuple[str, str]] = []
    command = Command(
        argv=argv,
        on_line=lambda stream, line: output.append((stream, line)),
        **{"env": ENVIRONMENT, **options},  # type: ignore[arg-type]  # the options are Command's own fields
    )
    return await runner.run(command), output


async def wait_for(path: Path) -> str:
    """Wait until the script has written this file, and return what it wrote."""
    async with asyncio.timeout(10):
        while not path.exists() or not path.read_text(encoding="utf-8").endswith("\n"):
            await asyncio.sleep(0.005)
    return path.read_text(encoding="utf-8")


async def test_a_program_gets_its_arguments_its_environment_and_its_input(runner: Runner, script: Script) -> None:
    path = script('echo "$# [$1] [$2]"; cat; env | sort; pwd; umask')
    finished, output = await run(
        runner, path, "a b", "$(c)", stdin=b"input\n", env={"PATH": "/usr/bin:/bin", "LES_X": "1"}
    )
    assert finished.ending is Ending.SUCCESS
    assert finished.exit_code == 0
    lines = [line for stream, line in output if stream == "stdout"]
    assert lines[:2] == ["2 [a b] [$(c)]", "input"]
    # PWD is the shell's own doing.
    assert [line for line in lines[2:-2] if not line.startswith(("PWD=", "_=", "SHLVL=", "LES_RUN="))] == [
        "LES_X=1",
        "PATH=/usr/bin:/bin",
    ]
    assert lines[-2:] == ["/", "0022"]


async def test_each_run_has_a_name_of_its_own_and_never_one_that_was_handed_on(runner: Runner, script: Script) -> None:
    path = script('echo "$LES_RUN"')
    outputs = [await run(runner, path, env={**ENVIRONMENT, "LES_RUN": "another"}) for _ in range(2)]
    (_, one), (_, two) = (line for _, output in outputs for line in output)
    assert len({one, two, "another"}) == 3


async def test_a_program_leads_a_session_and_inherits_no_descriptors(runner: Runner, script: Script) -> None:
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        _, output = await run(runner, script("cut -d ' ' -f 1,5,6 /proc/$$/stat; ls /proc/$$/fd"))
    finally:
        os.close(inherited)
    (_, ids), *descriptors = output
    assert len(set(ids.split())) == 1
    # 10 is where a shell keeps the script that it reads, and 255 is bash's.
    assert {name for _, name in descriptors} <= {"0", "1", "2", "10", "255"}


async def test_both_streams_arrive_under_their_names_the_last_line_without_an_end_too(
    runner: Runner, script: Script
) -> None:
    _, output = await run(runner, script("printf 'out\\nrest'; printf 'err' >&2"))
    assert sorted(output) == [("stderr", "err"), ("stdout", "out"), ("stdout", "rest")]


@pytest.mark.parametrize("code", [1, 75, 255])
async def test_another_code_than_0_is_a_failure(runner: Runner, script: Script, code: int) -> None:
    finished, _ = await run(runner, script(f"exit {code}"))
    assert (finished.ending, finished.exit_code, finished.signal) == (Ending.FAILURE, code, None)


async def test_a_foreign_signal_is_a_failure(runner: Runner, script: Script) -> None:
    finished, _ = await run(runner, script("kill -SEGV $$"))
    assert (finished.ending, finished.exit_code, finished.signal) == (Ending.FAILURE, None, signal.SIGSEGV)


async def test_input_that_is_not_read_or_does_not_fit_into_the_pipe_is_no_failure(
    runner: Runner, script: Script
) -> None:
    much = b"x" * 1_000_000
    unread, _ = await run(runner, script("exec <&-; exit 0"), stdin=much)
    assert unread.ending is Ending.SUCCESS
    read, output = await run(runner, script("wc -c"), stdin=much)
    assert read.ending is Ending.SUCCESS
    assert output == [("stdout", "1000000")]


async def test_a_script_that_hangs_gets_term_and_its_time_is_told(runner: Runner, script: Script) -> None:
    finished, _ = await run(runner, script("sleep 1000"), timeout=0.2)
    assert (finished.ending, finished.signal) == (Ending.TIMEOUT, signal.SIGTERM)
    assert 0.2 <= finished.seconds < 2


async def test_who_ignores_term_is_killed_with_all_of_its_group(runner: Runner, script: Script, tmp_path: Path) -> None:
    path = script(f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 1000 & sleep 1000; sleep 1000")
    finished, _ = await run(runner, path, timeout=0.3, grace=0.2)
    assert (finished.ending, finished.signal) == (Ending.TIMEOUT, signal.SIGKILL)
    assert finished.error == ""
    assert living(int((tmp_path / "pid").read_text(encoding="utf-8")), []) == []


async def test_a_stopped_script_still_gets_to_act_on_term(runner: Runner, script: Script) -> None:
    finished, output = await run(runner, script("trap 'echo tidied; exit 4' TERM; kill -STOP $$"), timeout=0.3)
    assert (finished.ending, finished.exit_code) == (Ending.TIMEOUT, 4)
    assert output == [("stdout", "tidied")]


async def test_what_a_script_leaves_in_its_group_is_ended_with_it(
    runner: Runner, script: Script, tmp_path: Path
) -> None:
    """A grandchild that holds stdout open blocks nobody."""
    path = script(f"echo $$ > {tmp_path}/pid; (trap '' TERM; sleep 1000; sleep 1000) & echo done")
    finished, output = await run(runner, path, grace=0.2)
    assert (finished.ending, finished.exit_code) == (Ending.SUCCESS, 0)
    assert finished.seconds < 3
    assert output == [("stdout", "done")]
    assert living(int((tmp_path / "pid").read_text(encoding="utf-8")), []) == []


async def test_the_end_of_a_pipeline_may_still_write_its_last_lines(runner: Runner, script: Script) -> None:
    _, output = await run(runner, script("(sleep 0.05; echo last) & echo first"))
    assert output == [("stdout", "first"), ("stdout", "last")]


async def test_who_left_the_group_is_left_alone_and_not_waited_for(
    runner: Runner, script: Script, tmp_path: Path
) -> None:
    path = script(
        f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 1000' & while ! [ -s {tmp_path}/pid ]; do :; done"
    )
    finished, _ = await run(runner, path)
    service = int((tmp_path / "pid").read_text(encoding="utf-8"))
    try:
        assert finished.ending is Ending.SUCCESS
        assert finished.seconds < 3
        assert living(service, []) == [service]
    finally:
        os.kill(service, signal.SIGKILL)


async def test_a_flood_of_output_is_drained_counted_and_leaves_the_loop_free(runner: Runner, script: Script) -> None:
    longest = 0.0

    async def heartbeat() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            longest = max(longest, loop.time() - before)

    beating = asyncio.create_task(heartbeat())
    finished, output = await run(runner, script("yes flood"), timeout=0.5)
    beating.cancel()
    assert finished.ending is Ending.TIMEOUT
    assert finished.cut > 100_000
    assert len(output) < 1100
    assert longest < 0.3


async def test_a_script_that_writes_more_than_is_kept_still_ends_by_itself(runner: Runner, script: Script) -> None:
    finished, _ = await run(runner, script("head -c 3000000 /dev/zero; echo; exit 7"))
    assert (finished.ending, finished.exit_code) == (Ending.FAILURE, 7)
    assert finished.cut > 2_900_000


async def test_a_cancelled_call_ends_the_group_and_tells_how_before_it_is_raised(
    runner: Runner, script: Script, tmp_path: Path
) -> None:
    endings: list[Finished] = []
    path = script(f"trap 'exit 9' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done")
    task = asyncio.create_task(runner.run(Command(argv=(path,), env=ENVIRONMENT, on_end=endings.append)))
    group = int(await wait_for(tmp_path / "pid"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert [(finished.ending, finished.exit_code) for finished in endings] == [(Ending.SUPERSEDED, 9)]
    assert living(group, []) == []


async def test_cancelling_again_does_not_cut_the_ending_short(runner: Runner, script: Script, tmp_path: Path) -> None:
    endings: list[Finished] = []
    path = script(f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 1000; sleep 1000")
    command = Command(argv=(path,), env=ENVIRONMENT, grace=0.3, on_end=endings.append)
    task = asyncio.create_task(runner.run(command))
    group = int(await wait_for(tmp_path / "pid"))
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.01)
    assert [(finished.ending, finished.signal) for finished in endings] == [(Ending.SUPERSEDED, signal.SIGKILL)]
    assert living(group, []) == []


async def test_a_deadline_of_the_caller_is_a_timeout_there(runner: Runner, script: Script) -> None:
    """The cancellation that comes out is a plain one, which `asyncio.timeout` knows as its own."""
    endings: list[Finished] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await runner.run(Command(argv=(script("sleep 1000"),), env=ENVIRONMENT, on_end=endings.append))
    assert [finished.ending for finished in endings] == [Ending.SUPERSEDED]


async def test_a_script_that_has_ended_when_the_call_is_cancelled_keeps_its_own_ending(
    runner: Runner, script: Script, tmp_path: Path
) -> None:
    endings: list[Finished] = []
    path = script(f"sleep 1000 & echo $$ > {tmp_path}/pid; exit 3")
    task = asyncio.create_task(runner.run(Command(argv=(path,), env=ENVIRONMENT, on_end=endings.append)))
    await wait_for(tmp_path / "pid")
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(finished.ending, finished.exit_code) for finished in endings] == [(Ending.FAILURE, 3)]


async def test_what_cannot_be_started_says_why(runner: Runner, script: Script, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n", encoding="utf-8")
    headless = Path(script("#!"))
    headless.write_text("echo hi\n", encoding="utf-8")
    for path, words in (
        (str(tmp_path / "gone"), "gone"),
        (str(plain), "chmod"),
        (script("#!/no/such/interpreter\n"), "interpreter"),
        (script(f"#!{plain}\n"), "interpreter"),
        (str(headless), "#!/bin/sh"),
        ("nul\0", "null"),
    ):
        finished, _ = await run(runner, path)
        assert finished.ending is Ending.UNSTARTED
        assert words in finished.error
        assert finished.exit_code is finished.signal is None


async def test_without_descriptors_nothing_starts_and_nothing_is_left(
    runner: Runner, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    finished, _ = await run(runner, script(f"sleep 0.5; echo late > {tmp_path}/late"))
    assert finished.ending is Ending.UNSTARTED
    assert "Too many open files" in finished.error


async def test_a_callback_that_raises_is_reported_and_the_script_still_ends(runner: Runner, script: Script) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail(stream: str, line: str) -> None:
        raise RuntimeError(line)

    finished = await runner.run(Command(argv=(script("echo a; echo b"),), env=ENVIRONMENT, on_line=fail))
    assert finished.ending is Ending.SUCCESS
    assert [str(error) for error in reported] == ["a", "b"]


async def test_many_run_at_once(runner: Runner, script: Script) -> None:
    path = script('echo "$1"; exit "$1"')
    results = await asyncio.gather(*(run(runner, path, str(number)) for number in range(30)))
    assert [finished.exit_code for finished, _ in results] == list(range(30))
    assert [output for _, output in results] == [[("stdout", str(number))] for number in range(30)]


async def test_seconds_are_those_of_the_clock_that_was_given(script: Script) -> None:
    times = iter(range(100, 1000, 100))
    finished = await Runner(None, lambda: float(next(times))).run(Command(argv=(script("exit 0"),), env=ENVIRONMENT))
    assert finished.seconds == 100.0
