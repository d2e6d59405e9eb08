"""All that a leader does, and all that undoes it, has ended by the time that others may lead."""

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest

from les_hooks.dispatch import PluginContext
from les_hooks.events import Event, Reason
from les_hooks.hookspecs import Context
from les_hooks.processes import Command, Ending, Finished
from tests.dispatch.stage import Stage, plugin, staged
from tests.telling import an_event
from tests.virtual import virtual


def about(seconds: float) -> Any:
    """The virtual clock counts what was computed meanwhile, too."""
    return pytest.approx(seconds, abs=0.15)


def now() -> float:
    return asyncio.get_running_loop().time()


class Hanging:
    """A plugin whose hooks end when they are cancelled, or `reluctant`, a while after that, and note when."""

    def __init__(self, reluctant: float = 0.0) -> None:
        self.reluctant = reluctant
        self.cancelled: list[float] = []
        self.runs = False

    async def hook(self, event: Event) -> None:
        self.runs = True
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(now())
            await asyncio.sleep(self.reluctant)
            raise

    async def begun(self) -> None:
        while not self.runs:
            await asyncio.sleep(0)


@virtual()
async def test_a_demote_hook_is_ended_in_time_to_be_gone_when_others_may_lead() -> None:
    hanging = Hanging(reluctant=0.1)
    async with staged(plugin(on_demoted=hanging.hook)) as stage:
        release_by = stage.authority.release_by = now() + 1.6
        stage.tell("demoted")
        await stage.settle()
        assert hanging.cancelled == [about(release_by - 0.2)]
        assert release_by - 0.2 < now() < release_by
        assert stage.outcomes() == ["timeout"]
        assert stage.records[0]["reason"] == "did not end within 1.4 s"


@virtual()
async def test_a_demote_hook_that_does_not_let_itself_be_ended_is_left_behind_when_others_may_lead() -> None:
    hanging = Hanging(reluctant=60)
    async with staged(plugin(on_demoted=hanging.hook)) as stage:
        release_by = stage.authority.release_by = now() + 1.6
        stage.tell("demoted")
        await stage.settle()
        assert now() == about(release_by)
        assert len(stage.released) == 1
        await asyncio.sleep(60)


@virtual()
async def test_its_own_limit_holds_where_that_is_less() -> None:
    hanging = Hanging()
    async with staged(plugin(on_demoted=hanging.hook), timeout=2.0) as stage:
        begun, stage.authority.release_by = now(), now() + 100
        stage.tell("demoted")
        await stage.settle()
        assert now() - begun == about(2.0)


@virtual()
async def test_what_is_undone_too_late_is_undone_all_the_same_within_its_own_limit() -> None:
    """A node that was frozen past its authority still has the address of a leader."""
    hanging = Hanging()
    async with staged(plugin(on_demoted=hanging.hook), timeout=30.0) as stage:
        begun, stage.authority.release_by = now(), now() - 1
        stage.tell("demoted")
        await stage.settle()
        assert now() - begun == about(30.0)


@virtual()
async def test_running_work_of_a_leader_leaves_two_thirds_of_what_is_left_to_the_demote_hooks() -> None:
    elected, lasting = Hanging(reluctant=60), Hanging(reluctant=60)
    told: list[float] = []

    async def on_demoted(event: Event) -> None:
        told.append(now())

    async def while_leader(event: Event) -> None:
        await lasting.hook(event)

    hooks = plugin(on_reasserted=elected.hook, on_demoted=on_demoted, while_leader=while_leader)
    async with staged(hooks) as stage:
        stage.tell("elected")
        await lasting.begun()
        lasting.runs = False
        stage.authority.release_by = now() + 1.2
        stage.tell("demoted")
        await stage.settle()
        assert told == [about(stage.authority.release_by - 0.8)]
        stage.authority.release_by = math.inf
        stage.tell("reasserted")
        await elected.begun()
        begun = now()
        stage.authority.release_by = begun + 1.2
        stage.tell("demoted")
        await stage.settle()
        assert told[1] - begun == about(0.4)
        await asyncio.sleep(60)


@virtual()
async def test_who_goes_on_leading_undoes_a_dropped_plugins_work_without_haste() -> None:
    stage: Stage

    async def on_demoted(event: Event) -> None:
        for _ in range(10):
            await asyncio.sleep(1.0)
            stage.authority.release_by = now() + 4.0

    async with staged(plugin(on_demoted=on_demoted)) as stage:
        stage.authority.release_by = now() + 4.0
        stage.dispatcher.retire({"a"}, an_event("demoted", reason=Reason.RELOAD))
        await stage.settle()
        assert stage.outcomes() == ["success"]


@virtual()
async def test_a_slow_answer_about_the_deadline_does_not_eat_up_the_demotion() -> None:
    begun: list[float] = []

    async def deadline(event: Event) -> float:
        await asyncio.sleep(60)
        return 1.0

    async def on_demoted(event: Event) -> None:
        begun.append(now())

    async with staged(plugin(on_demoted=on_demoted, deadline=deadline)) as stage:
        stage.authority.release_by = now() + 1.6
        stage.tell("demoted")
        await stage.settle()
        assert stage.authority.release_by - begun[0] >= 1.45


# -- what a plugin is told ---------------------------------------------------------------------------------------------


@virtual(patience=0.05)
async def test_a_hook_knows_how_long_it_has() -> None:
    told: dict[str, float] = {}

    async def note(event: Event, ctx: Context) -> None:
        await asyncio.sleep(1)
        told[event.kind] = ctx.time_left()

    async def while_leader(event: Event, ctx: Context) -> None:
        told["while-leader"] = ctx.time_left()
        await asyncio.Event().wait()

    def in_a_thread(event: Event, ctx: Context) -> None:
        told["thread"] = ctx.time_left()

    hooks = {f"on_{kind}": note for kind in ("elected", "demoted", "started")}
    async with staged(plugin(**hooks, while_leader=while_leader, on_stopping=in_a_thread), timeout=30.0) as stage:
        stage.authority.seconds, stage.authority.release_by = 2.5, now() + 60
        for kind in ("started", "elected", "stopping"):
            stage.tell(kind)
            await stage.settle()
        stage.authority.release_by = now() + 2.0
        stage.tell("demoted")
        await stage.settle()
    # Of the second that is left to the demotion, a quarter is for the end of what it runs.
    assert told == {
        "started": about(29),
        "elected": 2.5,
        "while-leader": 2.5,
        "thread": about(30),
        "demoted": about(0.75),
    }


async def test_outside_of_a_call_there_is_no_end() -> None:
    contexts: list[PluginContext] = []

    async def keep(ctx: Any) -> dict[str, object]:
        contexts.append(ctx)
        return {}

    async with staged(plugin(status=keep)) as stage:
        await stage.dispatcher.ask("a", "status", 1.0)
    assert contexts[0].time_left() == math.inf


async def test_a_program_is_bound_as_the_call_is_that_runs_it() -> None:
    ran: dict[str, Command] = {}

    async def runner(command: Command) -> Finished:
        ran[command.argv[0]] = command
        return Finished(ending=Ending.SUCCESS, seconds=0.0)

    async def note(event: Event, ctx: Any) -> None:
        await replace(ctx, runner=runner).run(Command(argv=(event.kind,)))

    async def while_leader(event: Event, ctx: Any) -> None:
        await replace(ctx, runner=runner).run(Command(argv=("while-leader",)))
        await asyncio.Event().wait()

    async def cleanup(ctx: Any) -> None:
        await replace(ctx, runner=runner).run(Command(argv=("cleanup",)))

    hooks = {f"on_{kind}": note for kind in ("elected", "reasserted", "demoted", "member_lost")}
    async with staged(plugin(**hooks, while_leader=while_leader, cleanup=cleanup)) as stage:
        for kind in ("elected", "reasserted", "demoted", "member-lost"):
            stage.tell(kind)
            await stage.settle()
            while kind == "elected" and "while-leader" not in ran:
                await asyncio.sleep(0)
        await stage.dispatcher.ask("a", "cleanup", 1.0)
    assert {name: (command.ends_with_authority, command.releases) for name, command in ran.items()} == {
        "elected": (True, False),
        "reasserted": (True, False),
        "while-leader": (True, False),
        "demoted": (False, True),
        "member-lost": (False, False),
        "cleanup": (False, True),
    }


@virtual()
async def test_a_leaders_program_is_started_under_authority_only_and_refused_in_words() -> None:
    ran: list[str] = []
    told: list[Finished] = []
    stage: Stage

    async def runner(command: Command) -> Finished:
        ran.append(command.argv[0])
        return Finished(ending=Ending.SUCCESS, seconds=0.0)

    async def on_elected(ctx: Any) -> None:
        bound = replace(ctx, runner=runner)
        await bound.run(Command(argv=("with",)))
        stage.authority.seconds = 0.0
        refused = await bound.run(Command(argv=("without",), on_end=told.append))
        assert told == [refused]

    async def on_demoted(ctx: Any) -> None:
        await replace(ctx, runner=runner).run(Command(argv=("undo",)))

    async with staged(plugin(on_elected=on_elected, on_demoted=on_demoted)) as stage:
        stage.tell("elected")
        stage.tell("demoted")
        await stage.settle()
        assert stage.outcomes() == ["superseded", "success"]
        stage.authority.seconds = 5.0
        stage.tell("elected")
        await stage.settle()
        stage.tell("demoted")
        await stage.settle()
    assert ran == ["undo", "with", "undo"]
    assert [(each.ending, each.error) for each in told] == [(Ending.SUPERSEDED, "no authority to act as leader")]


# -- what is left, and who failed --------------------------------------------------------------------------------------


async def fail(event: Event) -> None:
    raise ValueError("no")


@virtual()
async def test_a_demotion_tells_who_did_not_undo_what_it_did() -> None:
    hanging = Hanging()
    quick = plugin(on_demoted=lambda: None)
    async with staged(plugin(on_demoted=fail), plugin(on_demoted=hanging.hook), quick, timeout=1.0) as stage:
        stage.tell("demoted")
        await stage.settle()
        assert stage.failed == [("b", "a")]  # the last is called first
        assert stage.dispatcher.remains == ()


@virtual()
async def test_who_failed_to_undo_when_it_was_dropped_is_told_with_the_next_demotion_and_not_after() -> None:
    async with staged(plugin(on_demoted=fail)) as stage:
        stage.dispatcher.retire({"a"}, an_event("demoted", reason=Reason.RELOAD))
        stage.registry.load([])
        for _ in range(2):
            stage.tell("demoted")
            await stage.settle()
        assert stage.failed == [("a",), ()]


@virtual()
async def test_a_demotion_that_is_cut_short_by_the_end_of_the_node_has_failed() -> None:
    hanging = Hanging()
    async with staged(plugin(on_demoted=hanging.hook)) as stage:
        stage.tell("demoted")
        await hanging.begun()
        await stage.dispatcher.close()
        assert stage.failed == [("a",)]


@pytest.mark.parametrize("kind", ["elected", "reasserted", "demoted"])
def test_what_a_leader_began_and_nobody_could_end_remains_until_it_has_ended(kind: str) -> None:
    @virtual()
    async def check() -> None:
        hanging = Hanging(reluctant=60)
        async with staged(plugin(**{f"on_{kind}": hanging.hook}), plugin(), timeout=1.0) as stage:
            stage.tell(kind)
            await stage.settle()
            assert list(stage.dispatcher.remains) == ["a"]
            await asyncio.sleep(60)
            assert list(stage.dispatcher.remains) == []

    check()


@virtual()
async def test_lasting_work_that_nobody_could_end_remains_and_news_do_not() -> None:
    lasting, news = Hanging(reluctant=60), Hanging(reluctant=60)
    async with staged(
        plugin(while_leader=lasting.hook), plugin(on_member_lost=news.hook, on_leader_changed=news.hook), timeout=1.0
    ) as stage:
        for kind in ("elected", "member-lost", "leader-changed"):
            stage.tell(kind)
        await lasting.begun()
        await news.begun()
        stage.tell("demoted")
        await stage.settle()
        assert stage.dispatcher.remains == ("a",)
        assert stage.failed == [()]
        await asyncio.sleep(60)


@virtual()
async def test_a_plugin_that_is_called_no_more_is_still_told_to_undo_what_it_did() -> None:
    hanging = Hanging(reluctant=3600)
    undone: list[str] = []

    async def on_demoted() -> None:
        undone.append("undone")

    async with staged(plugin(on_elected=hanging.hook, on_demoted=on_demoted), timeout=1.0) as stage:
        for _ in range(4):
            stage.tell("elected")
        await stage.settle()
        assert "3 earlier calls never ended" in stage.records[-1]["reason"]
        stage.tell("demoted")
        await stage.settle()
        assert undone == ["undone"]
        assert (stage.failed, stage.dispatcher.remains) == ([()], ("a",))
        await asyncio.sleep(3600)


@virtual()
async def test_a_plugin_whose_undoing_never_ends_is_called_no_more_and_has_failed() -> None:
    hanging = Hanging(reluctant=3600)
    async with staged(plugin(on_demoted=hanging.hook), timeout=1.0) as stage:
        for _ in range(4):
            stage.tell("demoted")
        await stage.settle()
        assert len(hanging.cancelled) == 3
        assert stage.failed == [("a",)] * 4
        await asyncio.sleep(3600)
