"""Whole schedules of faults drawn as data, so that one that breaks something shrinks to what it takes."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.election.sim.storms import FAULTS, Mode, Storm

names = st.sampled_from(["ab", "ba", "ac", "ca", "bc", "cb"])
waits = st.sampled_from([0.0, 0.01, 0.4, 1.5, 4.0])
schedules = st.lists(st.tuples(waits, st.sampled_from(FAULTS), names), max_size=12)


def storm_of_three(mode: Mode) -> Storm:
    """The first seed whose cluster has three nodes, on links as TCP has them."""
    for seed in range(100):
        storm = Storm(seed, mode)
        if storm.names == "abc" and storm.world.network.loose is None:
            return storm
    raise AssertionError("no seed has three nodes")


@pytest.mark.parametrize("mode", list(Mode))
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(schedule=schedules)
def test_no_schedule_breaks_what_must_hold(mode: Mode, schedule: list[tuple[float, str, str]]) -> None:
    """And afterwards all agree on one leader."""
    world = storm_of_three(mode).play((wait, fault, pair[0], pair[1]) for wait, fault, pair in schedule)
    assert len(world.leaders()) == 1
