"""The clocks of the simulator: what a clock that stands still says of times before and behind it."""

import math

from tests.election.sim.clocks import Clock


def test_a_time_that_is_past_stays_past_while_the_clock_stands_still() -> None:
    clock = Clock(rate=1.0)
    clock.freeze(10.0)
    assert clock.when(4.0) == 4.0
    assert clock.when(-math.inf) == -math.inf
    assert clock.when(10.5) == math.inf
    clock.thaw(20.0)
    assert clock.when(10.5) == 20.5
