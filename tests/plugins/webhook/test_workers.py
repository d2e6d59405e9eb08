"""A worker posts in order, tries again by its schedule, and gives up when it must; in time that passes at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from les_plugins.webhook.contract import Verdict
from les_plugins.webhook.settings import Endpoint
from les_plugins.webhook.workers import MOST_RETRY_AFTER_SECONDS, Happening, Worker
from tests.plugins.webhook.fakes import FakePoster, FakeQueue, Told, a_row, answer
from tests.virtual import virtual

DOWN = answer(Verdict.RETRY, why="status 503")


@dataclass(slots=True)
class Bench:
    """One worker with all that it needs; its wall clock is the loop's."""

    poster: FakePoster = field(default_factory=FakePoster)
    queue: FakeQueue = field(default_factory=FakeQueue)
    told: Told = field(default_factory=Told)
    chance: float = 1.0
    began: float = 0.0

    def begin(self, rows: int = 1, **keys: object) -> tuple[Worker, "asyncio.Task[None]"]:
        """Have it work on so many rows."""
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        self.queue.rows += [a_row(number, created=self.began) for number in range(1, rows + 1)]
        disabled = bool(keys.pop("disabled", False))
        endpoint = Endpoint(name="hook", url="https://hooks.example/", **keys)  # type: ignore[arg-type]  # any keys
        worker = Worker(
            endpoint,
            self.queue,
            self.poster,
            self.told,
            wall=loop.time,
            chance=lambda: self.chance,
            disabled=disabled,
        )
        return worker, asyncio.create_task(worker.run())

    def times(self) -> Sequence[float]:
        """When it posted, in seconds since its beginning."""
        return [round(at - self.began) for at, _ in self.poster.posted]


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel it."""
    task.cancel()
    await asyncio.wait({task})


@virtual()
async def test_rows_are_posted_one_after_the_other_in_their_order() -> None:
    bench = Bench(FakePoster(took=1.0))
    _, task = bench.begin(100)
    await asyncio.sleep(1000)
    assert bench.poster.ids == [f"n-{number}" for number in range(1, 101)]
    assert bench.times() == list(range(100))
    assert bench.queue.rows == []
    await end(task)


@virtual()
async def test_a_row_that_fails_is_tried_by_the_schedule_and_nothing_overtakes_it() -> None:
    bench = Bench(FakePoster(lambda _, attempt: DOWN if attempt < 9 else answer()))
    _, task = bench.begin(2)
    await asyncio.sleep(86_400)
    assert bench.times() == [0, 1, 6, 36, 156, 756, 2556, 6156, 9756, 9756]
    assert bench.poster.ids == ["n-1"] * 9 + ["n-2"]
    assert bench.told.heard == [(Happening.FAILING, 1), (Happening.RECOVERED, 1)]
    await end(task)


@virtual()
async def test_pauses_are_cut_by_chance_from_nothing_to_all_of_them() -> None:
    bench = Bench(FakePoster(lambda _, attempt: DOWN if attempt < 4 else answer()), chance=0.5)
    _, task = bench.begin(retry=(0.0, 10.0, 100.0))
    await asyncio.sleep(1000)
    assert bench.times() == [0, 5, 55, 105]
    await end(task)


@virtual()
async def test_the_last_attempt_is_at_the_end_of_the_time_and_then_all_that_is_too_old_is_given_up() -> None:
    bench = Bench(FakePoster(lambda _delivery, _attempt: DOWN))
    _, task = bench.begin(50, retry_for=1000.0)
    await asyncio.sleep(990)
    bench.queue.rows.append(a_row(51, created=asyncio.get_running_loop().time()))
    await asyncio.sleep(20)
    assert bench.times()[-1] == 1000
    assert len(bench.queue.dead) == 50
    assert [row.id for row in bench.queue.rows] == [51]
    assert bench.told.heard == [(Happening.FAILING, 1), (Happening.GIVEN_UP, 50)]
    before = len(bench.poster.posted)
    await asyncio.sleep(600)
    assert len(bench.poster.posted) == before, "the next row waits as the endpoint does"
    await end(task)


@virtual()
async def test_what_is_refused_is_given_up_at_once_and_the_next_goes_on() -> None:
    refused = answer(Verdict.REFUSED, why="status 400")
    bench = Bench(FakePoster(lambda delivery, _: refused if delivery.id == "n-1" else answer()))
    _, task = bench.begin(2)
    await asyncio.sleep(1)
    assert bench.queue.dead == [("n-1", "status 400")]
    assert bench.poster.ids == ["n-1", "n-2"]
    await end(task)


@virtual()
async def test_who_refuses_is_failing_until_something_arrives_and_delays_nothing() -> None:
    refused = answer(Verdict.REFUSED, why="status 401")
    answers = {"n-1": [DOWN, refused], "n-2": [refused], "n-3": [answer()]}
    bench = Bench(FakePoster(lambda delivery, _: answers[delivery.id].pop(0)))
    worker, task = bench.begin(2)
    await asyncio.sleep(2)
    assert bench.times() == [0, 1, 1]
    assert (worker.health.failures, worker.health.next_attempt) == (3, None)
    assert worker.health.failing_since is not None
    bench.queue.rows.append(a_row(3))
    worker.woken()
    await asyncio.sleep(1)
    assert worker.health.failures == 0
    happened = [happening for happening, _ in bench.told.heard]
    assert happened == [Happening.FAILING, Happening.GIVEN_UP, Happening.GIVEN_UP, Happening.RECOVERED]
    await end(task)


@virtual()
async def test_what_arrives_once_an_operator_has_hurried_it_has_recovered() -> None:
    bench = Bench(FakePoster(lambda _, attempt: DOWN if attempt < 3 else answer()))
    worker, task = bench.begin(retry=(0.0, 1.0, 3600.0))
    await asyncio.sleep(10)
    worker.resume()
    await asyncio.sleep(10)
    assert bench.told.heard == [(Happening.FAILING, 1), (Happening.RECOVERED, 1)]
    await end(task)


@virtual()
async def test_a_receiver_that_names_a_pause_gets_it_but_no_more_than_an_hour() -> None:
    slow = [answer(Verdict.RETRY, retry_after=300.0), answer(Verdict.RETRY, retry_after=1e9), answer()]
    bench = Bench(FakePoster(lambda _, attempt: slow[attempt - 1]), chance=0.0)
    _, task = bench.begin()
    await asyncio.sleep(86_400)
    assert bench.times() == [0, 300, 300 + MOST_RETRY_AFTER_SECONDS]
    await end(task)


@virtual()
async def test_what_is_gone_is_disabled_keeps_its_rows_for_their_time_and_is_resumed_by_an_operator() -> None:
    gone = answer(Verdict.GONE, why="status 410")
    bench = Bench(FakePoster(lambda _, attempt: gone if attempt == 1 else answer()))
    worker, task = bench.begin(2, retry_for=1000.0)
    await asyncio.sleep(500)
    assert worker.disabled
    assert bench.queue.disabled == "status 410"
    assert bench.poster.ids == ["n-1"]
    worker.resume()
    await asyncio.sleep(1)
    assert bench.poster.ids == ["n-1", "n-1", "n-2"]
    await end(task)


@virtual()
async def test_a_disabled_endpoint_gives_up_what_is_too_old() -> None:
    bench = Bench()
    _, task = bench.begin(2, retry_for=1000.0, disabled=True)
    await asyncio.sleep(1100)
    assert len(bench.queue.dead) == 2
    assert bench.poster.posted == []
    await end(task)


@virtual()
async def test_at_the_end_what_was_never_tried_is_posted_and_it_ends() -> None:
    bench = Bench()
    worker, task = bench.begin(0)
    await asyncio.sleep(1)
    bench.queue.rows.append(a_row(1))
    worker.finish()
    await asyncio.wait_for(task, 1)
    assert bench.poster.ids == ["n-1"]


@virtual()
async def test_at_the_end_an_endpoint_that_fails_is_not_tried_again() -> None:
    bench = Bench(FakePoster(lambda _delivery, _attempt: DOWN))
    worker, task = bench.begin(2)
    await asyncio.sleep(20)
    before = len(bench.poster.posted)
    worker.finish()
    await asyncio.wait_for(task, 1)
    assert len(bench.poster.posted) == before


@virtual()
async def test_new_rows_do_not_hurry_an_endpoint_that_fails_and_an_operator_does() -> None:
    bench = Bench(FakePoster(lambda _, attempt: DOWN if attempt == 1 else answer()))
    worker, task = bench.begin(retry=(0.0, 1000.0))
    await asyncio.sleep(10)
    worker.woken()
    await asyncio.sleep(10)
    assert bench.times() == [0]
    worker.resume()
    await asyncio.sleep(10)
    assert bench.times() == [0, 20]
    await end(task)


@virtual()
async def test_a_first_pause_holds_for_each_event() -> None:
    bench = Bench()
    _, task = bench.begin(2, retry=(10.0, 20.0))
    await asyncio.sleep(100)
    assert bench.times() == [10, 20]
    await end(task)


@virtual()
async def test_an_outbox_that_cannot_be_read_is_asked_again() -> None:
    bench = Bench(queue=FakeQueue(broken=True))
    _, task = bench.begin()
    await asyncio.sleep(10)
    bench.queue.broken = False
    await asyncio.sleep(2)
    assert bench.poster.ids == ["n-1"]
    await end(task)


@virtual()
async def test_an_event_that_this_version_cannot_read_is_given_up() -> None:
    bench = Bench(queue=FakeQueue(rows=[a_row(0, event=b'{"kind": "of-tomorrow"}')]))
    _, task = bench.begin()
    await asyncio.sleep(1)
    assert [identity for identity, _ in bench.queue.dead] == ["n-0"]
    assert bench.poster.ids == ["n-1"]
    await end(task)
