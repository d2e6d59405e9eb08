"""After a random storm of faults the cluster agrees on one leader and stays with it; every step of it is watched."""

import pytest

from tests.election.sim.storms import Mode, Storm


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("mode", list(Mode))
def test_what_must_hold_holds_in_every_storm(mode: Mode, block: int) -> None:
    """`python -m tests.election.sim --seed N --transcript` tells the story of the seed that breaks something."""
    for seed in range(block * 25, block * 25 + 25):
        storm = Storm(seed, mode)
        storm.run()
        assert storm.world.steps >= 500
