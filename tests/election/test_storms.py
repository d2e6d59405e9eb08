"""After a random storm of faults the cluster agrees on one leader and stays with it; every step of it is watched.

The simulator is also run by hand, a hundred thousand seeds at a time; here it gets about a minute. It must be able to
see: bugs that are planted in the machine, and what happens where an assumption of `docs/safety.md` is given up.
"""

import pytest

from tests.election.sim.mutants import MUTANTS, Mutant, hunt
from tests.election.sim.runner import run_seed
from tests.election.sim.storms import Beyond, Mode, Storm
from tests.election.sim.violation import Violation

SEEDS = 80
FEWEST_STEPS = 500


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("mode", list(Mode))
def test_what_must_hold_holds_in_every_storm(mode: Mode, block: int) -> None:
    """`python -m tests.election.sim --mode MODE --seed N --transcript` tells the story of the seed that fails."""
    for seed in range(block * SEEDS, block * SEEDS + SEEDS):
        steps, found = run_seed(mode, seed)
        assert found is None, str(found)
        assert steps >= FEWEST_STEPS


@pytest.mark.timeout(300)  # the rarest take a few hundred storms
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    """The simulator is not blind: `python -m tests.election.sim mutants` prints the table of `docs/safety.md`."""
    assert hunt(mutant, mutant.within) is not None


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("beyond", "broken"),
    [
        (Beyond.RATES, {"never two nodes with authority"}),
        (Beyond.FROZEN, {"never two nodes with authority"}),
        (Beyond.WIPED, {"terms strictly rise", "one leader per term"}),
    ],
)
def test_beyond_the_bounds_the_promise_breaks_and_the_simulator_sees_it(beyond: Beyond, broken: set[str]) -> None:
    """So `docs/safety.md` can say where the promise ends."""
    found = []
    for seed in range(300):
        try:
            Storm(seed, Mode.MAJORITY, beyond=beyond).run()
        except Violation as violation:
            found.append(violation.invariant)
            break
    assert found
    assert set(found) <= broken


def test_a_storm_goes_the_same_way_twice() -> None:
    """A seed is a story: the same steps, the same log."""
    logs = []
    for _ in range(2):
        storm = Storm(11, Mode.MAJORITY, log=True)
        storm.run()
        logs.append(storm.world.log)
    assert logs[0] == logs[1]
