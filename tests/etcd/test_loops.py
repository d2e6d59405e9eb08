"""The loop of a host: code in it sees that host's clock, stands still with it, and ends with it."""

import asyncio

from tests.election.sim.clocks import Clock
from tests.etcd.sim.loops import HostLoop, SeededLoop


async def ticking(ticks: list[float]) -> None:
    """Note the time of the host each second, by whatever asyncio has for that."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(0.5)
        try:
            async with asyncio.timeout(0.5):
                await loop.create_future()
        except TimeoutError:
            ticks.append(loop.time())


def test_time_in_it_is_that_of_its_clock_and_stands_still_for_who_is_paused_or_dead() -> None:
    async def story() -> None:
        loop = HostLoop(Clock(boottime=100.0, rate=1.25))
        ticks: list[float] = []
        task = loop.create_task(ticking(ticks))
        await asyncio.sleep(4.1)
        assert [round(tick, 3) for tick in ticks] == [101.0, 102.0, 103.0, 104.0, 105.0]
        loop.paused = True
        await asyncio.sleep(8.0)
        assert len(ticks) == 5
        loop.paused = False
        await asyncio.sleep(0.01)
        assert loop.time() > 115.1
        await asyncio.sleep(1.0)
        assert 115.5 < ticks[5] < 116.5
        loop.dead = True
        await asyncio.sleep(60.0)
        assert len(ticks) == 6
        assert not task.done()
        await loop.end()
        assert task.cancelled()
        assert loop.errors == []

    with asyncio.Runner(loop_factory=SeededLoop) as runner:
        runner.run(story())


def test_what_fails_in_it_is_kept() -> None:
    async def story() -> None:
        loop = HostLoop(Clock())
        loop.call_soon(lambda: [].pop())
        await asyncio.sleep(0.1)
        assert [type(error["exception"]) for error in loop.errors] == [IndexError]

    with asyncio.Runner(loop_factory=SeededLoop) as runner:
        runner.run(story())
