"""How late the loop is, by a clock that the test sets."""

import asyncio

import pytest

from les_plugins.metrics.lag import EVERY_SECONDS, watch_loop


async def test_what_a_wait_took_longer_is_told() -> None:
    late: list[float] = []
    took = iter((EVERY_SECONDS, EVERY_SECONDS + 0.25, EVERY_SECONDS - 0.001))
    now = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        assert seconds == EVERY_SECONDS
        waited = next(took, None)
        if waited is None:
            raise asyncio.CancelledError
        now += waited

    with pytest.raises(asyncio.CancelledError):
        await watch_loop(late.append, clock=lambda: now, sleep=sleep)
    assert late == pytest.approx([0.0, 0.25, 0.0])
