"""The simulator of nodes on an etcd sees what it is there to see, and nothing else."""

import functools

from les_plugins.etcd.settings import EtcdConfig
from tests.etcd.sim.naive import NaiveEngine
from tests.etcd.sim.storms import storm
from tests.etcd.sim.world import EngineFor, Settings

CONFIG = EtcdConfig(endpoints=("http://127.0.0.1:2379",))
SETTINGS = Settings(config=CONFIG, ttl=CONFIG.ttl)

HARMLESS = ("deaf", "watches break", "compaction", "new etcd leader", "slow demotion", "step down", "crash", "pause")
"""What the simplest engine can bear."""


def test_without_harm_the_simplest_engine_has_one_leader() -> None:
    for seed in range(20):
        found = storm(seed, NaiveEngine, SETTINGS, faults=HARMLESS)
        assert found.violation is None, "\n".join(found.story[-40:])
        assert found.leaderships >= 1


def test_the_same_seed_has_the_same_story() -> None:
    assert storm(7, NaiveEngine, SETTINGS).story == storm(7, NaiveEngine, SETTINGS).story


def found_by(faults: tuple[str, ...], engine: EngineFor = NaiveEngine) -> set[str]:
    """Which invariants are broken in some storms of these faults alone."""
    storms = (storm(seed, engine, SETTINGS, faults=faults) for seed in range(40))
    return {found.violation.invariant for found in storms if found.violation is not None}


def test_leases_revoked_early_are_found_where_the_successor_acts_at_once() -> None:
    assert "never two at one time" in found_by(("early revocation",))


def test_renewals_by_a_deposed_leader_are_found_where_they_count() -> None:
    assert "never two at one time" in found_by(("stale", "new etcd leader"))


def test_authority_counted_from_the_answer_is_found() -> None:
    engine = functools.partial(NaiveEngine, from_receipt=True)
    assert "never two at one time" in found_by(("pause", "cut"), engine)
