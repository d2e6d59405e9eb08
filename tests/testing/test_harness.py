"""What plugin authors test with: it must show what a plugin does as the daemon would have it."""

import asyncio
import logging
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from les_hooks import Command, ConfigError, Context, Duration, Ending, Event, EventKind, Finished, PluginError, hookimpl
from les_hooks.testing import Harness, les_harness

__all__ = ["les_harness"]  # the fixture


class Table(msgspec.Struct, frozen=True):
    interface: str
    pause: Duration = 1.0


class Vip:
    """A plugin that does a bit of everything."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    @hookimpl
    def config_type(self) -> type[msgspec.Struct]:
        return Table

    @hookimpl
    async def on_elected(self, event: Event, ctx: Context) -> None:
        ctx.log.info("taking", interface=ctx.config.interface, term=event.term)
        if ctx.authority() < 1.0:
            raise RuntimeError("too late")
        done = await ctx.run(Command(argv=("/bin/echo", ctx.config.interface)))
        ctx.audit("taken", str(done.ending), interface=ctx.config.interface)

    @hookimpl
    def on_demoted(self) -> None:
        self.threads.append(threading.get_ident())

    @hookimpl
    async def on_member_lost(self, ctx: Context) -> None:
        await asyncio.sleep(ctx.config.pause)

    @hookimpl
    async def while_leader(self, ctx: Context) -> None:
        await asyncio.sleep(10)
        raise OSError("gone")

    @hookimpl
    def validate(self, ctx: Context) -> Sequence[str]:
        return [f"there is no {ctx.config.interface}"]

    @hookimpl
    def plan(self, kind: EventKind, ctx: Context) -> Sequence[str]:
        return [f"{kind}: clear {ctx.config.interface}"]

    @hookimpl
    def status(self, ctx: Context) -> Mapping[str, object]:
        return {"folder": ctx.state_dir.name, "dry_run": ctx.dry_run}

    @hookimpl
    async def control(self, action: str, arguments: Mapping[str, object]) -> object:
        if action != "echo":
            raise ValueError(f"no such action: {action}")
        return arguments

    @hookimpl
    def cleanup(self, ctx: Context) -> None:
        ctx.audit("cleaned", "success")


def test_a_plugin_is_loaded_with_its_table_and_called(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    outcome = les_harness.fire("elected", term=3)
    assert (outcome.hook, outcome.outcome, outcome.error) == ("on_elected", "success", "")
    assert [command.argv for command in les_harness.ran] == [("/bin/echo", "eth0")]
    assert les_harness.audit == [{"action": "plugin.vip.taken", "outcome": "success", "interface": "eth0"}]
    assert les_harness.logged == [
        {"event": "taking", "log_level": "info", "plugin": "vip", "interface": "eth0", "term": 3}
    ]


def test_its_table_is_checked_as_les_check_does_it(les_harness: Harness) -> None:
    with pytest.raises(ConfigError) as caught:
        les_harness.load(Vip(), {"interfaec": "eth0", "pause": 3, "timeout": "soon"})
    assert sorted((problem.key, problem.message.split(";")[0]) for problem in caught.value.problems) == [
        ("plugins.vip.interface", "is missing, and has no default"),
        ("plugins.vip.interfaec", "unknown key"),
        ("plugins.vip.pause", 'expected a duration as a string, such as "30s", got a whole number'),
        ("plugins.vip.timeout", '"soon" is no duration'),
    ]
    assert "did you mean 'interface'?" in str(caught.value)


def test_a_plugin_that_cannot_be_loaded_says_why(les_harness: Harness) -> None:
    module = ModuleType("les_hooks_broken")
    module.on_elected = hookimpl(lambda nonsense: None)  # type: ignore[attr-defined]  # of a plugin
    with pytest.raises(PluginError, match=r"^plugin broken: .*nonsense"):
        les_harness.load(module)
    with pytest.raises(PluginError, match="pip install les-hooks-nobody"):
        les_harness.load("nobody")
    with pytest.raises(PluginError, match=r"call harness\.load"):
        les_harness.fire("elected")


def test_an_installed_plugin_is_loaded_by_its_name(les_harness: Harness) -> None:
    les_harness.load("scripts")
    assert les_harness.fire("elected").outcome == "success"


def test_programs_are_noted_answered_or_really_run(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    les_harness.answer = lambda command: Finished(ending=Ending.FAILURE, seconds=0.1, exit_code=2)
    les_harness.fire("elected")
    les_harness.answer = None
    les_harness.fire("elected")
    assert [record["outcome"] for record in les_harness.audit] == ["failure", "success"]
    assert len(les_harness.ran) == 2


def test_authority_is_what_the_test_says_and_runs_out(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    les_harness.authority = 2.0
    assert (les_harness.hold, les_harness.release) == (2.0, math.inf)
    les_harness.advance(1.5)
    assert les_harness.authority == 0.5
    assert les_harness.fire("elected").error == "RuntimeError: too late"
    les_harness.advance(1.0)
    outcome = les_harness.fire("elected")
    assert (outcome.outcome, outcome.error) == ("superseded", "no authority to act as leader")


class Keeping:
    """A plugin that asks how long it may keep what it took."""

    def __init__(self) -> None:
        self.left: list[tuple[float, float]] = []

    @hookimpl
    async def on_demoted(self, ctx: Context) -> None:
        self.left.append((ctx.hold_left(), ctx.release_left()))


def test_what_was_taken_stays_as_long_as_the_test_says(les_harness: Harness) -> None:
    keeping = Keeping()
    les_harness.load(keeping, name="keeping")
    les_harness.authority, les_harness.hold, les_harness.release = 0.0, 3.0, 4.0
    les_harness.advance(1.0)
    les_harness.fire("demoted")
    les_harness.advance(5.0)
    les_harness.fire("demoted")
    assert keeping.left == [(2.0, 3.0), (0.0, 0.0)]


class Ready:
    """A plugin that makes ready until it is told to stop."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @hookimpl
    async def prepare(self) -> None:
        self.lines.append("prepares")
        try:
            await asyncio.Event().wait()
        finally:
            self.lines.append("ends")

    @hookimpl
    async def on_elected(self) -> None:
        self.lines.append("elected")


def test_the_leader_falls_silent_when_the_test_says_so(les_harness: Harness) -> None:
    ready = Ready()
    les_harness.load(ready, name="ready")
    les_harness.prepare()
    les_harness.recover()
    les_harness.prepare()
    les_harness.fire("elected")
    assert ready.lines == ["prepares", "ends", "prepares", "elected", "ends"]


class Asking:
    """A plugin that asks before it acts."""

    def __init__(self) -> None:
        self.answers: list[bool] = []

    @hookimpl
    async def on_leader_changed(self, ctx: Context) -> None:
        self.answers.append(await ctx.confirmed())


def test_a_plugin_may_wait_for_the_word_that_it_may_act(les_harness: Harness) -> None:
    asking = Asking()
    les_harness.load(asking, name="asking")
    les_harness.fire("leader-changed")
    les_harness.authority = 0.0
    les_harness.fire("leader-changed")
    assert asking.answers == [True, False]


def test_time_passes_when_the_test_says_so(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0", "pause": "1h"}, name="slow")
    begun = les_harness.now
    les_harness.begin("member-lost")
    les_harness.advance(20)
    assert les_harness.outcomes == []
    les_harness.advance(20)  # past the plugin's time limit of 30 s
    assert [outcome.outcome for outcome in les_harness.outcomes] == ["timeout"]
    assert les_harness.outcomes[0].seconds == pytest.approx(30, abs=1)
    assert les_harness.now == begun + 40
    assert les_harness.event("elected").time == les_harness.now


def test_lasting_work_is_begun_restarted_and_ended(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    les_harness.fire("elected")
    assert les_harness.working
    les_harness.advance(10.5)
    assert not les_harness.working
    les_harness.advance(1)
    assert les_harness.working
    les_harness.fire("demoted")
    assert not les_harness.working
    work = [outcome for outcome in les_harness.outcomes if outcome.hook == "while_leader"]
    assert [(outcome.outcome, outcome.error, outcome.attempt) for outcome in work] == [
        ("failure", "OSError: gone", 1),
        ("superseded", "", 2),
    ]


def test_events_follow_from_those_before(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    les_harness.fire("elected")
    lost = les_harness.event("member-lost")
    assert (lost.role, lost.term, lost.member, lost.leader) == ("leader", 1, "10.0.0.2:4000", "10.0.0.1:4000")
    demoted = les_harness.event("demoted", reason="operator")
    assert (demoted.role, demoted.term, demoted.leader) == ("follower", 1, "10.0.0.2:4000")
    assert demoted.previous_leader == "10.0.0.1:4000"
    assert les_harness.event("elected").term == 2
    with pytest.raises(ValueError, match="begins after `elected`"):
        les_harness.begin("while-leader")


def test_a_hook_that_the_plugin_does_not_have_is_no_failure(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"})
    assert les_harness.fire("member-left").outcome == "none"


def test_a_critical_plugin_that_fails_is_seen_to_step_down(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0", "critical": True})
    les_harness.authority = 0.5
    les_harness.fire("elected")
    assert les_harness.steps_down == 1
    assert not les_harness.working


def test_the_other_hooks_are_asked(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"}, dry_run=True)
    assert les_harness.validate() == ["there is no eth0"]
    assert les_harness.plan("demoted") == ["demoted: clear eth0"]
    assert les_harness.status() == {"folder": "vip", "dry_run": True}
    assert les_harness.control("echo", x=1) == {"x": 1}
    with pytest.raises(PluginError, match="plugin vip: control: ValueError: no such action: shout"):
        les_harness.control("shout")
    les_harness.cleanup()
    assert les_harness.audit[-1]["action"] == "plugin.vip.cleaned"


def test_plain_hooks_run_in_a_thread_as_in_the_daemon(les_harness: Harness) -> None:
    plugin = Vip()
    les_harness.load(plugin, {"interface": "eth0"})
    les_harness.fire("demoted")
    assert plugin.threads != [threading.get_ident()]


def test_something_of_the_tests_own_can_run_in_the_loop(les_harness: Harness) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    assert les_harness.run(double(4)) == 8


async def test_an_asynchronous_test_is_told_to_be_plain(les_harness: Harness) -> None:
    with pytest.raises(RuntimeError, match="write the test as `def`"):
        les_harness.load(Vip(), {"interface": "eth0"})


def test_it_is_light() -> None:
    look = "import sys, les_hooks.testing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=30, check=True)
    assert not {"aiohttp", "click", "les_hooks.daemon"} & set(done.stdout.split())


def test_it_leaves_no_thread_no_task_and_no_log_handler(les_harness: Harness) -> None:
    handlers = list(logging.getLogger().handlers)
    with Harness(les_harness._folder) as other:
        other.load(Vip(), {"interface": "eth0"})
        other.fire("elected")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hook-")]
    assert logging.getLogger().handlers == handlers


class Checked:
    """A plugin whose check is unfit for a minute, says so, and then breaks."""

    ended = False

    @hookimpl
    async def check(self, report: Callable[[str], None]) -> None:
        try:
            await asyncio.sleep(1)
            report("warming up")
            await asyncio.sleep(60)
            report("")
            await asyncio.sleep(60)
            raise OSError("gone")
        finally:
            self.ended = True


def test_a_check_says_in_its_own_time_whether_the_node_is_fit(les_harness: Harness) -> None:
    les_harness.load(Checked(), name="checked")
    les_harness.watch()
    said = []
    for seconds in (0.5, 1.0, 60.0, 60.0):
        les_harness.advance(seconds)
        said.append(les_harness.unfit)
    assert said == [None, "warming up", "", "its check is broken: OSError: gone"]
    with pytest.raises(PluginError, match="is watched already"):
        les_harness.watch()


def test_a_check_ends_with_the_harness(tmp_path: Path) -> None:
    plugin = Checked()
    with Harness(tmp_path) as harness:
        harness.load(plugin, name="checked")
        harness.watch()
        assert not plugin.ended
    assert plugin.ended


def test_a_plugin_without_a_check_is_told_so(les_harness: Harness) -> None:
    les_harness.load(Vip(), {"interface": "eth0"}, name="vip")
    les_harness.watch()
    assert les_harness.unfit == "its check is broken: it has none"
