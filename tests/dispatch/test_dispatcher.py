"""What the dispatcher does with events: order, isolation, supersession, authority, and work that lasts."""

import asyncio
import gc
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from les_hooks.events import Event, EventKind, Reason
from les_hooks.hookspecs import Context
from tests.dispatch.stage import Stage, plugin, staged
from tests.telling import an_event
from tests.virtual import virtual


class Note:
    """A plugin of asynchronous hooks that notes beginnings and ends, and takes `seconds` each time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.lines: list[str] = []

    def hooks(self, *kinds: str) -> object:
        return plugin(**{EventKind(kind).hook: self._hook for kind in kinds})

    async def _hook(self, event: Event) -> None:
        self.lines.append(f"{event.kind} begins")
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.lines.append(f"{event.kind} is cancelled")
            raise
        self.lines.append(f"{event.kind} ends")


async def until_begun(stage: Stage, note: Note, line: str) -> None:
    while line not in note.lines:
        await asyncio.sleep(0)


async def threads_end() -> None:
    """Wait for the threads of hooks; the one of the last call may still be about to end."""
    for thread in [t for t in threading.enumerate() if t.name.startswith("hook-")]:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()


# -- isolation ---------------------------------------------------------------------------------------------------------


async def _raises_error(event: Event) -> None:
    raise ValueError("no")


async def _raises_exit(event: Event) -> None:
    raise SystemExit(3)


async def _raises_interrupt(event: Event) -> None:
    raise KeyboardInterrupt


async def _raises_cancelled(event: Event) -> None:
    raise asyncio.CancelledError("mine")


class Mute(Exception):  # noqa: N818  (it is one that cannot be told)
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def _raises_mute(event: Event) -> None:
    raise Mute


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (_raises_error, "ValueError: no"),
        (_raises_exit, "SystemExit: 3"),
        (_raises_interrupt, "KeyboardInterrupt"),
        (_raises_cancelled, "CancelledError: mine"),
        (_raises_mute, "Mute: (its message cannot be had)"),
    ],
)
@pytest.mark.parametrize("threaded", [False, True])
def test_whatever_a_hook_raises_is_a_record_and_the_others_still_run(hook: Any, words: str, threaded: bool) -> None:
    def in_thread(event: Event) -> None:
        hook(event).send(None)

    @virtual(patience=0.5)
    async def body() -> None:
        other = Note()
        async with staged(plugin(on_elected=in_thread if threaded else hook), other.hooks("elected")) as stage:
            event = stage.tell("elected")
            await stage.settle()
            assert stage.outcomes(event) == ["failure", "success"]
            assert stage.records[0]["reason"] == words
            assert stage.records[0]["plugin"] == "a"
            assert stage.words() == ["hook-failed"]
            assert not stage.broken

    body()


@virtual()
async def test_who_is_called_first_when_this_node_is_elected_is_called_last_when_it_is_demoted() -> None:
    async with staged(*(Note().hooks("elected", "demoted", "reasserted") for _ in "abc")) as stage:
        for kind in ("elected", "reasserted", "demoted"):
            event = stage.tell(kind)
            await stage.settle()
            order = "".join(record["plugin"] for record in stage.records if record["event_id"] == event.id)
            assert order == ("cba" if kind == "demoted" else "abc")


@virtual()
async def test_a_hook_that_takes_too_long_is_ended_and_recorded_as_timeout() -> None:
    note, other = Note(seconds=100), Note()
    async with staged(note.hooks("elected"), other.hooks("elected"), timeout=30) as stage:
        event = stage.tell("elected")
        await stage.settle()
        assert stage.outcomes(event) == ["timeout", "success"]
        assert stage.records[0]["reason"] == "did not end within 30 s"
        assert stage.records[0]["duration_ms"] == pytest.approx(30_000, abs=50)
        assert note.lines == ["elected begins", "elected is cancelled"]


@virtual()
async def test_a_hook_that_swallows_its_cancellation_is_left_behind_in_bounded_time() -> None:
    stop = asyncio.Event()

    async def stubborn(event: Event) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    async with staged(plugin(on_elected=stubborn), timeout=1) as stage:
        begun = asyncio.get_running_loop().time()
        for _ in range(4):
            stage.tell("elected")
        await stage.settle()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(27, abs=0.1)
        # The fourth is not begun: three of them hang already.
        assert stage.outcomes() == ["timeout", "timeout", "timeout", "failure"]
        assert "3 earlier calls never ended" in stage.records[-1]["reason"]
        stop.set()
        await asyncio.sleep(1)
        event = stage.tell("elected")
        await stage.settle()
        assert stage.outcomes(event) == ["success"]


@virtual(patience=0.2)
async def test_a_thread_that_hangs_is_left_behind_and_counted_until_it_ends() -> None:
    hang = threading.Event()

    def hanging(event: Event) -> None:
        hang.wait(20)

    async with staged(plugin(on_elected=hanging), timeout=1) as stage:
        for _ in range(4):
            stage.tell("elected")
        await stage.settle()
        assert stage.outcomes() == ["timeout", "timeout", "timeout", "failure"]
        hang.set()
        await threads_end()
        await asyncio.sleep(1)
        event = stage.tell("elected")
        await stage.settle()
        assert stage.outcomes(event) == ["success"]
        await threads_end()


@virtual(patience=0.5)
async def test_a_plain_function_runs_in_a_thread_and_an_asynchronous_one_in_the_loop() -> None:
    seen: dict[str, int] = {}

    def plain(event: Event) -> None:
        seen["plain"] = threading.get_ident()

    async def awaited(event: Event) -> None:
        seen["awaited"] = threading.get_ident()

    async with staged(plugin(on_started=plain), plugin(on_started=awaited)) as stage:
        stage.tell("started")
        await stage.settle()
    assert seen["awaited"] == threading.get_ident() != seen["plain"]


@virtual(patience=0.5)
async def test_a_plain_function_that_returns_a_coroutine_is_told_to_be_asynchronous() -> None:
    async def inner() -> None:
        raise AssertionError

    async with staged(plugin(on_started=lambda event: inner())) as stage:
        stage.tell("started")
        await stage.settle()
    assert stage.records[0]["reason"] == "TypeError: it returned a coroutine; write it as `async def`"
    gc.collect()  # a coroutine that nobody awaited would warn now


@virtual()
async def test_hooks_get_those_arguments_that_they_take() -> None:
    seen: list[Any] = []

    async def neither() -> None:
        seen.append(())

    async def both(ctx: Context, event: Event) -> None:
        seen.append((ctx.name, event.kind))

    async with staged(plugin(on_started=neither), plugin(on_started=both)) as stage:
        stage.tell("started")
        await stage.settle()
    assert seen == [(), ("b", EventKind.STARTED)]


# -- lanes -------------------------------------------------------------------------------------------------------------


@virtual()
async def test_each_lane_is_strictly_in_order() -> None:
    note = Note(seconds=3)
    async with staged(note.hooks("member-joined", "member-lost")) as stage:
        events = [stage.tell(kind) for kind in ("member-joined", "member-lost", "member-joined")]
        await stage.settle()
    assert [r["event_id"] for r in stage.records] == [event.id for event in events]
    assert note.lines == [
        f"{kind} {what}" for kind in ("member-joined", "member-lost", "member-joined") for what in ("begins", "ends")
    ]


@virtual()
async def test_a_slow_member_hook_never_delays_a_role_event() -> None:
    slow, quick = Note(seconds=20), Note()
    async with staged(slow.hooks("member-joined"), quick.hooks("elected", "demoted")) as stage:
        joined = stage.tell("member-joined")
        await until_begun(stage, slow, "member-joined begins")
        elected, demoted = stage.tell("elected"), stage.tell("demoted", seq=3)
        assert stage.dispatcher.waiting == {"role": 1, "membership": 1}
        await stage.settle()
    assert [r["event_id"] for r in stage.records] == [elected.id, demoted.id, joined.id]


@virtual()
async def test_too_many_members_are_dropped_and_each_is_recorded_but_no_role_event_ever_is() -> None:
    note = Note(seconds=1)
    async with staged(note.hooks("member-joined", "elected", "demoted", "leader-changed")) as stage:
        for _ in range(1010):
            stage.tell("member-joined")
            stage.tell("demoted")
        stage.tell("leader-changed")
        elected = stage.tell("elected")
        assert stage.outcomes().count("dropped") == 11
        assert {str(r["event"]) for r in stage.records} == {"member-joined", "leader-changed"}
        assert stage.words() == ["event-dropped"] * 11
        await stage.settle()
    assert stage.outcomes(elected) == ["success"]
    assert stage.outcomes().count("success") == 1000 + 1010 + 1
    assert len(stage.released) == 1010


@virtual()
async def test_a_thousand_role_flips_lose_nothing_and_leave_nothing() -> None:
    note = Note(seconds=0.05)
    async with staged(note.hooks("elected", "demoted")) as stage:
        events = []
        for term in range(1000):
            events.append(stage.tell("elected", term=term))
            await asyncio.sleep(0.01 * (term % 10))  # some are overtaken before, some while, some after they run
            events.append(stage.tell("demoted", term=term))
            if term % 3:
                await stage.settle()
        await stage.settle()
        assert sorted(r["event_id"] for r in stage.records) == sorted(event.id for event in events)
        demoted = [r for r in stage.records if r["event"] is EventKind.DEMOTED]
        assert [r["term"] for r in demoted] == list(range(1000))
        assert {r["outcome"] for r in demoted} == {"success"}
        assert [event.term for event in stage.released] == list(range(1000))
        elected = [str(r["outcome"]) for r in stage.records if r["event"] is EventKind.ELECTED]
        assert set(elected) == {"success", "superseded"}
        assert min(elected.count("success"), elected.count("superseded")) > 200
        assert not stage.broken
    # Never two at once: every beginning is followed by its own end.
    for first, second in zip(note.lines[::2], note.lines[1::2], strict=True):
        assert first.split()[0] == second.split()[0]


# -- latest wins -------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_demotion_ends_running_work_and_drops_what_is_queued() -> None:
    note, next_one = Note(seconds=100), Note()
    kinds = ("elected", "demoted", "reasserted", "leader-changed")
    async with staged(note.hooks("elected"), next_one.hooks(*kinds)) as stage:
        running = stage.tell("elected")
        queued = [stage.tell("leader-changed"), stage.tell("reasserted"), stage.tell("elected")]
        await until_begun(stage, note, "elected begins")
        demoted = stage.tell("demoted")
        await stage.settle()
    assert stage.outcomes(running) == ["superseded", "superseded"]  # one for each plugin
    assert [stage.outcomes(event) for event in queued] == [["superseded"]] * 3
    assert stage.outcomes(demoted) == ["success"]
    assert note.lines == ["elected begins", "elected is cancelled"]
    assert next_one.lines == ["demoted begins", "demoted ends"]


@virtual()
async def test_an_event_overtaken_before_its_first_step_is_superseded_once() -> None:
    note = Note()
    async with staged(note.hooks("elected", "demoted")) as stage:
        elected = stage.tell("elected")
        stage.tell("demoted")
        await stage.settle()
    assert stage.outcomes(elected) == ["superseded"]
    assert note.lines == ["demoted begins", "demoted ends"]


@virtual()
async def test_a_demotion_between_two_plugins_supersedes_the_second() -> None:
    stage: Stage

    async def demote(event: Event) -> None:
        stage.tell("demoted")

    note = Note()
    async with staged(plugin(on_elected=demote), note.hooks("elected", "demoted")) as stage:
        elected = stage.tell("elected")
        await stage.settle()
    assert stage.outcomes(elected) == ["success", "superseded"]
    assert note.lines == ["demoted begins", "demoted ends"]


@virtual()
async def test_a_demotion_while_authority_is_waited_for_supersedes() -> None:
    note = Note()
    async with staged(note.hooks("elected", "demoted")) as stage:
        stage.authority.confirming = asyncio.get_running_loop().create_future()
        elected = stage.tell("elected")
        while not stage.authority.asked:
            await asyncio.sleep(0)
        stage.tell("demoted")
        await stage.settle()
        assert stage.outcomes(elected) == ["superseded"]
        assert stage.records[0]["reason"] is None
        assert note.lines == ["demoted begins", "demoted ends"]
        stage.authority.confirming.set_result(None)


@virtual()
async def test_a_second_demotion_does_not_end_the_first() -> None:
    note = Note(seconds=5)
    async with staged(note.hooks("elected", "demoted")) as stage:
        first = stage.tell("demoted")
        await until_begun(stage, note, "demoted begins")
        elected = stage.tell("elected")
        second = stage.tell("demoted")
        await stage.settle()
    assert [stage.outcomes(event) for event in (first, elected, second)] == [["success"], ["superseded"], ["success"]]
    assert stage.released == [first, second]


@virtual()
async def test_demoted_work_that_hangs_delays_the_next_elected_until_its_limit_only() -> None:
    note = Note(seconds=100)
    quick = Note()
    async with staged(note.hooks("demoted"), quick.hooks("elected"), timeout=30) as stage:
        demoted, elected = stage.tell("demoted"), stage.tell("elected")
        await stage.settle()
    assert [r["event_id"] for r in stage.records] == [demoted.id, elected.id]
    assert stage.outcomes(demoted) == ["timeout"]
    assert stage.released == [demoted]


@virtual()
async def test_a_plugin_that_retires_is_demoted_alone_with_its_own_deadline_and_overtakes_nothing() -> None:
    stays, goes = Note(seconds=1), Note(seconds=50)

    async def deadline(event: Event) -> float:
        return 60.0

    kinds = {EventKind(kind).hook: goes._hook for kind in ("elected", "demoted", "reasserted")}
    async with staged(stays.hooks("elected", "demoted", "leader-changed"), plugin(**kinds, deadline=deadline)) as stage:
        elected, changed = stage.tell("elected"), stage.tell("leader-changed")
        retired = an_event("demoted", reason=Reason.RELOAD)
        stage.dispatcher.retire({"b"}, retired)
        stage.registry.load(["a"])
        reasserted, demoted = stage.tell("reasserted"), an_event("demoted")
        await stage.settle()
        assert stage.released == []
        stage.dispatcher.submit(demoted)
        await stage.settle()
        assert stage.released == [demoted]
    ended = [(r["event_id"], r["plugin"], str(r["outcome"])) for r in stage.records]
    assert ended == [
        (elected.id, "a", "success"),
        (changed.id, "a", "success"),
        (retired.id, "b", "success"),
        (demoted.id, "a", "success"),
    ]
    assert reasserted.id not in {event_id for event_id, _, _ in ended}
    assert goes.lines == ["demoted begins", "demoted ends"]


# -- authority ---------------------------------------------------------------------------------------------------------


@virtual()
async def test_authority_is_asked_right_before_each_call_of_elected_and_reasserted() -> None:
    stage: Stage

    async def lose(event: Event) -> None:
        stage.authority.seconds = 0.0

    note = Note()
    async with staged(plugin(on_elected=lose, on_reasserted=lose), note.hooks("elected", "reasserted")) as stage:
        for kind in ("elected", "reasserted"):
            stage.authority.seconds = 5.0
            event = stage.tell(kind)
            await stage.settle()
            assert stage.outcomes(event) == ["success", "superseded"]
            assert stage.records[-1]["reason"] == "no authority to act as leader"
    assert note.lines == []


@virtual()
async def test_other_events_need_no_authority() -> None:
    note = Note()
    async with staged(note.hooks("demoted", "leader-changed", "member-lost")) as stage:
        stage.authority.seconds = 0.0
        for kind in ("demoted", "leader-changed", "member-lost"):
            assert stage.outcomes(stage.tell(kind)) == []
        await stage.settle()
        assert stage.outcomes() == ["success"] * 3
        assert stage.authority.asked == 0


@virtual()
async def test_a_hook_waits_until_the_others_have_confirmed() -> None:
    note = Note()
    async with staged(note.hooks("elected")) as stage:
        stage.authority.confirming = asyncio.get_running_loop().create_future()
        stage.tell("elected")
        await asyncio.sleep(0.5)
        assert note.lines == []
        stage.authority.confirming.set_result(None)
        await stage.settle()
    assert note.lines == ["elected begins", "elected ends"]


# -- critical ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 100.0])
def test_a_critical_plugin_that_fails_or_hangs_on_elected_is_told_once(seconds: float) -> None:
    async def fail(event: Event) -> None:
        await asyncio.sleep(seconds)
        raise ValueError

    begun: list[str] = []

    async def lasting(event: Event) -> None:
        begun.append("lasting")

    @virtual()
    async def body() -> None:
        crew = [plugin(on_elected=fail), plugin(on_elected=fail), plugin(on_elected=fail, while_leader=lasting)]
        async with staged(*crew, critical=(1, 2)) as stage:
            stage.tell("elected")
            await stage.settle()
            assert len(stage.records) == 3
            assert stage.critical == ["b"]
            await asyncio.sleep(1)
        assert begun == []

    body()


@virtual()
async def test_a_critical_plugin_that_is_superseded_or_fails_elsewhere_is_not_told() -> None:
    async def fail(event: Event) -> None:
        raise ValueError

    note = Note(seconds=100)
    async with staged(plugin(on_demoted=fail, on_reasserted=fail), note.hooks("elected"), critical=(0, 1)) as stage:
        stage.tell("reasserted")
        stage.tell("elected")
        await until_begun(stage, note, "elected begins")
        stage.tell("demoted")
        await stage.settle()
        assert stage.outcomes() == ["failure", "superseded", "failure"]
        assert stage.critical == []


@virtual()
async def test_a_step_down_from_within_the_failure_supersedes_the_rest_and_begins_no_work() -> None:
    begun: list[str] = []

    async def fail(event: Event) -> None:
        raise ValueError

    async def lasting(event: Event) -> None:
        begun.append("lasting")

    async with staged(plugin(on_elected=fail, while_leader=lasting), critical=(0,)) as stage:
        # As the node does: the machine demotes at once, within the call.
        stage.critical = SimpleNamespace(append=lambda name: stage.tell("demoted"))  # type: ignore[assignment]  # for a list
        elected = stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(1)
        assert stage.outcomes(elected) == ["failure"]
    assert begun == []


# -- work that lasts ---------------------------------------------------------------------------------------------------


class Lasting:
    """A `while_leader` hook that notes when it runs, and ends by itself after `seconds`."""

    def __init__(self, seconds: float = 1e6) -> None:
        self.seconds = seconds
        self.begun: list[float] = []
        self.running = 0
        self.lines: list[str] = []

    async def while_leader(self, event: Event) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        self.lines.append("work begins")
        self.running += 1
        try:
            await asyncio.sleep(self.seconds)
            raise OSError("gone")
        finally:
            self.running -= 1
            self.lines.append("work ends")

    async def note(self, event: Event) -> None:
        self.lines.append(str(event.kind))

    def hooks(self) -> object:
        return plugin(
            while_leader=self.while_leader, on_elected=self.note, on_demoted=self.note, on_reasserted=self.note
        )


@virtual()
async def test_lasting_work_begins_after_elected_and_has_ended_before_demoted() -> None:
    work = Lasting()
    async with staged(work.hooks(), plugin(on_elected=work.note)) as stage:
        stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(60)
        assert work.running == 1
        stage.tell("demoted")
        await stage.settle()
    assert work.lines == ["elected", "elected", "work begins", "work ends", "demoted"]
    records = [r for r in stage.records if r["event"] is EventKind.WHILE_LEADER]
    assert [(str(r["outcome"]), r["attempt"]) for r in records] == [("superseded", 1)]


@virtual()
async def test_lasting_work_that_ends_begins_again_with_back_off() -> None:
    work = Lasting(seconds=2)
    async with staged(work.hooks()) as stage:
        stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(200)
        gaps = [round(b - a - 2) for a, b in zip(work.begun, work.begun[1:], strict=False)]
        assert gaps[:7] == [1, 2, 4, 8, 16, 30, 30]
        ended = [r for r in stage.records if r["event"] is EventKind.WHILE_LEADER]
        assert [r["attempt"] for r in ended] == list(range(1, len(ended) + 1))
        assert {(str(r["outcome"]), r["reason"]) for r in ended} == {("failure", "OSError: gone")}
        # It is told to end while it waits, and is not begun any more.
        begun = len(work.begun)
        stage.tell("demoted")
        await stage.settle()
        await asyncio.sleep(100)
        assert len(work.begun) == begun


@virtual()
async def test_lasting_work_ends_at_once_even_if_another_hook_is_slow_to_be_ended() -> None:
    work = Lasting()

    async def slow(event: Event) -> None:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            await asyncio.sleep(5)

    async with staged(work.hooks(), plugin(on_leader_changed=slow), timeout=1e9) as stage:
        stage.tell("elected")
        await stage.settle()
        stage.tell("leader-changed")
        await asyncio.sleep(1)
        stage.tell("demoted")
        await asyncio.sleep(0.1)
        assert work.running == 0
        assert "demoted" not in work.lines


@virtual()
async def test_lasting_work_waits_for_authority_and_gets_it_later() -> None:
    work = Lasting()
    async with staged(plugin(while_leader=work.while_leader)) as stage:
        stage.authority.seconds = 0.0
        stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(2)
        assert work.running == 0
        stage.authority.seconds = 5.0
        await asyncio.sleep(10)
        assert work.running == 1


@pytest.mark.parametrize("reason", [Reason.CONFLICT, Reason.RELOAD])
@virtual()
async def test_reasserted_begins_all_lasting_work_anew(reason: Reason) -> None:
    """After a conflict the term is another one, after a reload the configuration may be."""
    first, second = Lasting(), Lasting()
    async with staged(first.hooks(), second.hooks()) as stage:
        stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(1)
        assert len(first.begun) == len(second.begun) == 1
        stage.tell("reasserted", reason=reason)
        await stage.settle()
        await asyncio.sleep(1)
    assert first.lines[2:5] == ["work ends", "reasserted", "work begins"]
    assert len(first.begun) == len(second.begun) == 2


@virtual()
async def test_a_second_election_without_a_demotion_between_ends_the_work_of_the_first() -> None:
    work = Lasting()
    async with staged(work.hooks()) as stage:
        for term in (1, 2):
            stage.tell("elected", term=term)
            await stage.settle()
            await asyncio.sleep(1)
        assert work.running == 1
    assert work.lines == ["elected", "work begins", "work ends", "elected", "work begins", "work ends"]


@virtual()
async def test_two_leaderships_in_a_row_have_their_work_one_after_the_other() -> None:
    work = Lasting()
    async with staged(work.hooks()) as stage:
        for term in (1, 2):
            stage.tell("elected", term=term)
            await stage.settle()
            await asyncio.sleep(1)
            stage.tell("demoted", term=term)
        await stage.settle()
    assert work.lines == ["elected", "work begins", "work ends", "demoted"] * 2
    assert [r["term"] for r in stage.records if r["event"] is EventKind.WHILE_LEADER] == [1, 2]


# -- deadline ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "seconds", "logged"),
    [
        (60, 60, []),
        (0.5, 0.5, []),
        (-1, 30, ["deadline-refused"]),
        (float("inf"), 30, ["deadline-refused"]),
        (float("nan"), 30, ["deadline-refused"]),
        ("soon", 30, ["deadline-refused"]),
        (ValueError("no"), 30, ["deadline-refused"]),
    ],
)
def test_a_plugin_may_say_how_long_it_needs(answer: object, seconds: float, logged: list[str]) -> None:
    async def deadline(event: Event, ctx: Context) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def hang(event: Event) -> None:
        await asyncio.sleep(1e6)

    @virtual()
    async def body() -> None:
        async with staged(plugin(deadline=deadline, on_demoted=hang)) as stage:
            stage.tell("demoted")
            await stage.settle()
            assert stage.records[0]["duration_ms"] == pytest.approx(seconds * 1000, abs=50)
            assert stage.words() == [*logged, "hook-failed"]

    body()


# -- the rest ----------------------------------------------------------------------------------------------------------


@virtual()
async def test_one_hook_of_one_plugin_can_be_asked() -> None:
    async def status(ctx: Context) -> dict[str, object]:
        return {"plugin": ctx.name}

    async def control(action: str, ctx: Context) -> object:
        raise ValueError(action)

    async with staged(plugin(status=status, control=control), plugin()) as stage:
        answer = await stage.dispatcher.ask("a", "status", 1.0)
        assert answer is not None
        assert (answer.value, answer.error) == ({"plugin": "a"}, "")
        refused = await stage.dispatcher.ask("a", "control", 1.0, action="x", arguments={})
        assert refused is not None
        assert refused.error == "ValueError: x"
        assert await stage.dispatcher.ask("b", "status", 1.0) is None
        assert await stage.dispatcher.ask("stranger", "status", 1.0) is None


@virtual()
async def test_a_plugin_that_is_loaded_but_not_configured_yet_is_not_called() -> None:
    note = Note()
    async with staged(note.hooks("started"), note.hooks("started")) as stage:
        stage.dispatcher.configure({}, {})
        stage.tell("started")
        await stage.settle()
        assert await stage.dispatcher.ask("a", "status", 1.0) is None
    assert note.lines == []


@virtual()
async def test_a_plugin_that_is_unloaded_in_the_middle_of_an_event_still_gets_that_event() -> None:
    stage: Stage

    async def reload(event: Event) -> None:
        stage.registry.load(["a"])
        stage.dispatcher.configure({}, {})

    note = Note()
    async with staged(plugin(on_demoted=reload), note.hooks("demoted")) as stage:
        stage.tell("demoted")
        await stage.settle()
        assert stage.outcomes() == ["success", "success"]


@virtual()
async def test_an_error_of_ours_is_told_once_and_what_comes_after_it_is_recorded_as_dropped() -> None:
    note = Note()
    async with staged(note.hooks("demoted", "elected", "member-lost")) as stage:
        stage.released = SimpleNamespace(append=_fail)  # type: ignore[assignment]  # for a list
        stage.tell("demoted")
        later = stage.tell("elected")
        await stage.settle()
        await asyncio.sleep(0)
        assert [str(error) for error in stage.broken] == ["a bug"]
        assert "dispatch-broken" in stage.words()
        assert stage.outcomes(later) == ["dropped"]
        assert stage.outcomes(stage.tell("demoted")) == ["dropped"]
        # The other lane is as it was; it is the node that ends.
        lost = stage.tell("member-lost")
        await stage.settle()
        assert stage.outcomes(lost) == ["success"]


def _fail(_: object) -> None:
    raise AssertionError("a bug")


@virtual()
async def test_close_ends_what_runs_and_drops_what_waits_in_bounded_time() -> None:
    async def stubborn(event: Event) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(7)
            except asyncio.CancelledError:
                continue

    work = Lasting()
    async with staged(plugin(on_member_lost=stubborn, on_demoted=stubborn, while_leader=work.while_leader)) as stage:
        stage.tell("elected")
        await stage.settle()
        lost = stage.tell("member-lost")
        await asyncio.sleep(1)
        queued = [stage.tell("member-joined"), stage.tell("member-lost")]
        begun = asyncio.get_running_loop().time()
        await stage.dispatcher.close()
        assert asyncio.get_running_loop().time() - begun < 31
        assert work.running == 0
        assert stage.outcomes(lost) == ["superseded"]
        assert [stage.outcomes(event) for event in queued] == [["dropped"]] * 2
        assert await stage.dispatcher.drained(0.0)
        await stage.dispatcher.close()  # again does no harm
        await asyncio.sleep(30)


@virtual()
async def test_drained_gives_up_after_its_limit() -> None:
    note = Note(seconds=20)
    async with staged(note.hooks("started")) as stage:
        stage.tell("started")
        assert not await stage.dispatcher.drained(1.0)
        assert await stage.dispatcher.drained(30.0)
