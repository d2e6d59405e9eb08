"""A sliding hour of calls, with a reserve for take-overs."""

import asyncio

import pytest

from les_plugins.floating_ip.allowance import Allowance, Purpose
from les_plugins.floating_ip.trouble import Fault, Trouble


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_call_is_free_again_an_hour_later_and_the_trouble_says_when() -> None:
    clock = Clock()
    allowance = Allowance(20, clock)
    for _ in range(15):
        allowance.take()
        clock.now += 10.0
    with pytest.raises(Trouble) as caught:
        allowance.take()
    assert caught.value.retry_after == pytest.approx(3600.0 - 150.0)
    clock.now += caught.value.retry_after
    allowance.take()
    with pytest.raises(Trouble):
        allowance.take()


def test_the_last_calls_are_for_polls_and_the_very_last_for_take_overs() -> None:
    clock = Clock()
    allowance = Allowance(20, clock)
    for purpose, room in ((Purpose.LOOK, 15), (Purpose.KEEP, 16), (Purpose.POLL, 18), (Purpose.TAKE, 20)):
        with allowance.spending(purpose):
            while 20 - allowance.left < room:
                allowance.take()
            with pytest.raises(Trouble) as caught:
                allowance.take()
    assert allowance.left == 0
    assert caught.value.retry_after == pytest.approx(3600.0)
    with pytest.raises(Trouble):
        allowance.take()
    clock.now += 3600.0
    assert allowance.left == 20


def test_who_is_asked_to_wait_calls_nothing_before_for_whatever_purpose() -> None:
    clock = Clock()
    allowance = Allowance(20, clock)
    allowance.pause(30.0)
    allowance.pause(5.0)
    clock.now += 20.0
    with allowance.spending(Purpose.TAKE), pytest.raises(Trouble) as caught:
        allowance.take()
    assert caught.value.fault is Fault.THROTTLED
    assert caught.value.retry_after == pytest.approx(10.0)
    assert allowance.left == 20
    clock.now += 10.0
    allowance.take()


async def test_a_look_beside_a_take_over_has_no_part_in_what_is_kept_for_that() -> None:
    allowance = Allowance(20, Clock())
    for _ in range(15):
        allowance.take()

    async def look() -> None:
        with pytest.raises(Trouble):
            allowance.take()

    looking = asyncio.create_task(look())  # begun before, run in the middle
    with allowance.spending(Purpose.TAKE):
        await looking
        allowance.take()
    assert allowance.left == 4
