"""Real scripts run on events: in order, each audited, each bounded, none in the way of the next."""

import asyncio
import json
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import les_plugins.scripts as plugin
from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_hooks.guard.process import living
from les_hooks.hookspecs import PROJECT
from les_hooks.processes import Runner
from les_plugins.scripts import ScriptsConfig, running
from les_plugins.scripts.folders import scripts_for
from les_plugins.scripts.record import Record
from tests.fake_context import FakeContext, an_event

from .conftest import HooksDir


def outcomes(ctx: FakeContext) -> list[tuple[str, str]]:
    return [(Path(record["path"]).name, record["outcome"]) for record in ctx.audited]


async def until_noted(hooks: HooksDir, count: int) -> list[str]:
    """Wait until the scripts have noted this many lines."""
    async with asyncio.timeout(10):
        while len(hooks.noted()) < count:
            await asyncio.sleep(0.005)
    return hooks.noted()


async def test_scripts_run_one_after_another_in_order(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("20-b", "echo 20 >> $OUT")
    hooks.add("10-a", "sleep 0.1; echo 10 >> $OUT")
    hooks.add("elected.d/00-c", 'echo "00 $0 $1" >> $OUT')
    hooks.add("demoted.d/never", "echo never >> $OUT")
    await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == ["10", "20", f"00 {hooks.path}/elected.d/00-c elected"]


async def test_a_slow_directory_service_holds_up_nothing_but_the_scripts(
    hooks: HooksDir, ctx: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked whose group may write a file; the election runs in the same loop."""
    hooks.add("x", "echo run >> $OUT")
    answer, look = threading.Event(), scripts_for

    def slow(*arguments: Any) -> Any:
        assert answer.wait(10)
        return look(*arguments)

    monkeypatch.setattr(running, "scripts_for", slow)
    for hook in (plugin.deadline, plugin.on_elected):
        answer.clear()
        task = asyncio.create_task(hook(an_event(), ctx))
        done, _ = await asyncio.wait({task}, timeout=0.05)
        assert not done
        answer.set()
        await task
    assert hooks.noted() == ["run"]


async def test_a_script_sees_the_environment_and_nothing_of_the_daemons(
    hooks: HooksDir, ctx: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    hooks.add("x", "env > $OUT; cat >> $OUT")
    await plugin.on_member_lost(an_event(EventKind.MEMBER_LOST, member="10.0.0.3:4000"), ctx)
    *variables, line = hooks.noted()
    assert "LES_MEMBER=10.0.0.3:4000" in variables
    assert not [name for name in variables if name.startswith("SECRET")]
    assert json.loads(line)["member"] == "10.0.0.3:4000"


@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind is not EventKind.WHILE_LEADER])
async def test_every_event_runs_its_folder(hooks: HooksDir, ctx: FakeContext, kind: EventKind) -> None:
    hooks.add(f"{kind}.d/x", 'echo "$1" >> $OUT')
    await getattr(plugin, kind.hook)(an_event(kind), ctx)
    assert hooks.noted() == [kind]


async def test_each_run_is_audited_and_its_output_logged(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("x", "echo hello; echo oops >&2; exit 0")
    await plugin.on_elected(an_event(), ctx)
    (record,) = ctx.audited
    assert record.pop("duration_ms") >= 0
    assert record == {
        "action": "script",
        "outcome": "success",
        "path": str(path),
        "event": "elected",
        "event_id": "n1-1-7",
        "term": 3,
        "exit_code": 0,
        "signal": None,
        "reason": None,
        "cut": 0,
    }
    assert sorted(ctx.logged, key=lambda entry: str(entry["stream"])) == [
        {"event": "script-output", "script": "x", "stream": "stderr", "line": "oops"},
        {"event": "script-output", "script": "x", "stream": "stdout", "line": "hello"},
    ]


async def test_a_failing_script_does_not_stop_the_next_and_all_failures_are_named_at_the_end(
    hooks: HooksDir, ctx: FakeContext
) -> None:
    hooks.add("1", "exit 3")
    hooks.add("2", "kill -9 $$")
    (hooks.path / "3").write_text("#!/no/such/interpreter\n", encoding="utf-8")
    (hooks.path / "3").chmod(0o755)
    hooks.add("4", "echo 4 >> $OUT")
    with pytest.raises(PluginError) as caught:
        await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == ["4"]
    assert outcomes(ctx) == [("1", "failure"), ("2", "failure"), ("3", "unstarted"), ("4", "success")]
    assert f"{hooks.path}/1 exited with 3; {hooks.path}/2 was ended by signal 9; " in caught.value.why
    assert f"{hooks.path}/3 the interpreter in its first line does not exist" in caught.value.why
    assert caught.value.why.count(f"{hooks.path}/3") == 1


async def test_a_failure_is_in_the_log_before_the_next_script_runs(hooks: HooksDir, ctx: FakeContext) -> None:
    first = hooks.add("1", "exit 3")
    hooks.add("2", "echo next")
    hooks.add("3", "kill -9 $$")
    with pytest.raises(PluginError):
        await plugin.on_elected(an_event(), ctx)
    failed, output, killed = ctx.logged
    assert failed == {
        "event": "script-failed",
        "path": str(first),
        "outcome": "failure",
        "exit_code": 3,
        "signal": None,
        "error": None,
    }
    assert output["line"] == "next"
    assert (killed["event"], killed["exit_code"], killed["signal"]) == ("script-failed", None, signal.SIGKILL)


async def test_a_script_that_hangs_ignores_term_and_forks_is_ended_and_the_next_one_runs(hooks: HooksDir) -> None:
    hooks.add("1", "trap '' TERM; echo $$ >> $OUT; (trap '' TERM; sleep 1000; sleep 1000) & sleep 1000; sleep 1000")
    hooks.add("2", "echo 2 >> $OUT")
    ctx = FakeContext(config=ScriptsConfig(dir=str(hooks.path), timeout=0.2, grace=0.2))
    with pytest.raises(PluginError, match=r"did not end within 0\.2 s"):
        await plugin.on_demoted(an_event(EventKind.DEMOTED), ctx)
    group, second = hooks.noted()
    assert second == "2"
    assert living(int(group), []) == []
    assert outcomes(ctx) == [("1", "timeout"), ("2", "success")]


async def test_a_flood_of_output_is_cut_and_that_is_audited(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("x", "yes | head -c 1000000")
    await plugin.on_elected(an_event(), ctx)
    assert ctx.audited[0]["cut"] > 900_000
    assert len(ctx.logged) < 1100


async def test_a_script_deleted_or_disabled_while_queued_is_audited_and_the_next_one_runs(
    hooks: HooksDir, ctx: FakeContext
) -> None:
    hooks.add("1", f"rm {hooks.path}/2; chmod -x {hooks.path}/3")
    hooks.add("2", "echo 2 >> $OUT")
    hooks.add("3", "echo 3 >> $OUT")
    hooks.add("4", "echo 4 >> $OUT")
    with pytest.raises(PluginError, match="is gone"):
        await plugin.on_started(an_event(EventKind.STARTED), ctx)
    assert outcomes(ctx) == [("1", "success"), ("2", "unstarted"), ("3", "unstarted"), ("4", "success")]
    assert "not executable" in ctx.audited[2]["reason"]
    assert hooks.noted() == ["4"]


async def test_a_skipped_file_is_logged_once(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("x.sh", mode=0o644)
    hooks.add("README.md", mode=0o644)
    for _ in range(2):
        await plugin.on_elected(an_event(), ctx)
    assert [(entry["event"], entry["path"]) for entry in ctx.logged] == [("script-skipped", f"{hooks.path}/x.sh")]


async def test_a_refused_file_is_not_run_and_in_log_and_audit_once(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("x", "echo x >> $OUT", mode=0o777)
    for _ in range(2):
        await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == []
    why = f"{path} (mode 0777, owner {os.getuid()}): others could write it; chmod go-w {path}"
    assert ctx.logged == [{"event": "script-refused", "path": str(path), "reason": why}]
    assert ctx.audited == [
        {"action": "refused", "outcome": "unstarted", "path": str(path), "reason": why, "event": "elected"}
    ]


async def test_a_file_that_was_mended_and_is_refused_again_is_news(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("x", "true")
    for mode in (0o777, 0o755, 0o777):
        path.chmod(mode)
        await plugin.on_elected(an_event(), ctx)
    assert [record["action"] for record in ctx.audited] == ["refused", "script", "refused"]


async def test_a_script_that_became_unsafe_while_it_waited_is_not_run(hooks: HooksDir, ctx: FakeContext) -> None:
    """What runs before it takes its time, and it is looked at once more right before it is started."""
    second = hooks.path / "2"
    hooks.add("1", f"chmod 777 {second}")
    hooks.add("2", "echo 2 >> $OUT")
    with pytest.raises(PluginError, match="others could write it"):
        await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == []
    assert outcomes(ctx) == [("1", "success"), ("2", "unstarted")]
    assert f"chmod go-w {second}" in ctx.audited[1]["reason"]


@pytest.mark.parametrize("kind", [EventKind.ELECTED, EventKind.REASSERTED])
async def test_a_script_that_is_refused_for_want_of_authority_is_audited_and_no_failure(
    hooks: HooksDir, ctx: FakeContext, kind: EventKind
) -> None:
    hooks.add("x", "echo x >> $OUT")
    ctx.seconds, ctx.refused = 0.0, "no authority to act as leader"
    await getattr(plugin, kind.hook)(an_event(kind), ctx)
    assert hooks.noted() == []
    assert [(record["outcome"], record["reason"]) for record in ctx.audited] == [("superseded", ctx.refused)]
    ctx.refused = ""
    await plugin.on_demoted(an_event(EventKind.DEMOTED), ctx)
    assert hooks.noted() == ["x"]


@pytest.mark.parametrize("kind", [EventKind.ELECTED, EventKind.REASSERTED, EventKind.WHILE_LEADER])
async def test_a_leader_that_asks_the_others_waits_and_skips_no_script(
    hooks: HooksDir, ctx: FakeContext, kind: EventKind
) -> None:
    hooks.add(f"{kind}.d/x", "echo x >> $OUT; sleep 0.05")
    hooks.add(f"{kind}.d/y", "echo y >> $OUT; sleep 0.05")
    ctx.confirming = asyncio.Event()
    task = asyncio.create_task(getattr(plugin, kind.hook)(an_event(kind), ctx))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (ctx.commands, ctx.audited) == ([], [])
    ctx.confirming.set()
    assert sorted(await until_noted(hooks, 2)) == ["x", "y"]
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    ("kind", "left", "told"),
    [
        (EventKind.ELECTED, 2.4166, "2.417"),
        (EventKind.ELECTED, 60.0, "10.000"),
        (EventKind.DEMOTED, 0.5, "0.500"),
        (EventKind.MEMBER_LOST, 60.0, "10.000"),
        (EventKind.WHILE_LEADER, 60.0, "60.000"),
        (EventKind.WHILE_LEADER, math.inf, ""),
    ],
)
async def test_a_script_knows_the_seconds_that_it_has(
    hooks: HooksDir, ctx: FakeContext, kind: EventKind, left: float, told: str
) -> None:
    """What is left of the call, or its own limit where that is less; work that lasts has no such limit."""
    hooks.add(f"{kind}.d/x", 'echo "[$LES_DEADLINE]" >> $OUT')
    ctx.seconds = left
    task = asyncio.create_task(getattr(plugin, kind.hook)(an_event(kind), ctx))
    assert await until_noted(hooks, 1) == [f"[{told}]"]
    task.cancel()
    await asyncio.wait({task})


async def test_a_superseded_script_is_ended_and_audited_and_the_rest_never_starts(
    hooks: HooksDir, ctx: FakeContext
) -> None:
    hooks.add("1", "echo $$ >> $OUT; sleep 1000")
    hooks.add("2", "echo 2 >> $OUT")
    task = asyncio.create_task(plugin.on_elected(an_event(), ctx))
    (group,) = await until_noted(hooks, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert living(int(group), []) == []
    assert [(record["outcome"], record["signal"]) for record in ctx.audited] == [("superseded", signal.SIGTERM)]
    assert hooks.noted() == [group]


async def test_a_dry_run_says_what_would_run_and_runs_nothing(hooks: HooksDir, ctx: FakeContext) -> None:
    path = hooks.add("x", "echo x >> $OUT")
    ctx.dry_run = True
    await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == []
    assert ctx.logged == [{"event": "script-would-run", "argv": (str(path), "elected")}]


async def test_a_relative_folder_is_found_from_where_the_daemon_stands(
    hooks: HooksDir, ctx: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hooks.path.parent)
    hooks.add("x", "echo $0 >> $OUT")
    ctx.config = ScriptsConfig(timeout=30.0)
    await plugin.on_elected(an_event(), ctx)
    assert hooks.noted() == [f"{hooks.path}/x"]


class Pauses:
    """A sleep that takes no time; it remembers how long it would have been, and cancels after so many."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self._most = most
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self._most:
            self.over.set()
            await asyncio.get_running_loop().create_future()


async def test_work_that_ends_is_begun_again_ever_more_slowly(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("while-leader.d/x", "echo x >> $OUT; exit 1")
    pauses = Pauses(7)
    task = asyncio.create_task(running.keep_all(an_event(EventKind.WHILE_LEADER), ctx, Record(), pauses.sleep))
    await asyncio.wait_for(pauses.over.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pauses.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert hooks.noted() == ["x"] * 7
    assert {record["outcome"] for record in ctx.audited} == {"failure"}


async def test_work_that_ran_for_a_minute_is_begun_again_at_once(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("while-leader.d/x", "exit 1")
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 61.0
        return now

    ctx.runner = Runner(None, clock)
    pauses = Pauses(3)
    task = asyncio.create_task(running.keep_all(an_event(EventKind.WHILE_LEADER), ctx, Record(), pauses.sleep))
    await asyncio.wait_for(pauses.over.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pauses.seconds == [1.0, 1.0, 1.0]


async def test_all_work_runs_side_by_side_and_is_gone_when_the_call_ends(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("while-leader.d/a", 'echo $$ >> $OUT; [ "$1" = while-leader ] && exec sleep 1000')
    hooks.add("while-leader.d/b", "trap 'exit 0' TERM; echo $$ >> $OUT; while :; do sleep 0.01; done")
    hooks.add("general", "echo general >> $OUT")
    task = asyncio.create_task(plugin.while_leader(an_event(), ctx))
    groups = await until_noted(hooks, 2)
    assert all(command.timeout is None for command in ctx.commands)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [living(int(group), []) for group in groups] == [[], []]
    assert sorted(outcomes(ctx)) == [("a", "superseded"), ("b", "superseded")]


async def test_without_authority_work_waits(hooks: HooksDir, ctx: FakeContext) -> None:
    hooks.add("while-leader.d/x", "echo x >> $OUT")
    ctx.seconds = 0.0
    pauses = Pauses(2)
    task = asyncio.create_task(running.keep_all(an_event(EventKind.WHILE_LEADER), ctx, Record(), pauses.sleep))
    await asyncio.wait_for(pauses.over.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hooks.noted() == []


async def test_no_work_is_no_reason_to_return(ctx: FakeContext) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(plugin.while_leader(an_event(), ctx), 0.05)


def test_the_plugin_is_a_module_of_hooks() -> None:
    """Everything marked as a hook is one of the project, so that pluggy takes it."""
    marked = {name for name, value in vars(plugin).items() if hasattr(value, f"{PROJECT}_impl")}
    assert {kind.hook for kind in EventKind} <= marked
