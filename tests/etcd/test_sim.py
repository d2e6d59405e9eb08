"""The simulator of nodes on an etcd sees what it is there to see, and nothing else."""

import functools
from collections.abc import Iterable

import pytest

from les_plugins.etcd.hold import Hold
from les_plugins.etcd.inquest import Inquest
from les_plugins.etcd.line import Gone, Line, Standing
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.etcd.store import Header, Life
from tests.etcd.sim.naive import NaiveBackend, NaiveEngine
from tests.etcd.sim.plugin import PluginEngine
from tests.etcd.sim.storms import storm
from tests.etcd.sim.world import EngineFor, Settings

CONFIG = EtcdConfig(endpoints=("http://127.0.0.1:2379",))
NEVER_TWO = "never two at one time"
SETTINGS = Settings(config=CONFIG, ttl=CONFIG.ttl)

HARMLESS = (
    "compaction",
    "crash",
    "cut",
    "deaf",
    "lost answers",
    "new etcd leader",
    "no majority",
    "pause",
    "refused",
    "slow demotion",
    "step down",
    "unfit",
    "watches break",
)
"""What the simplest engine can bear, though it notices little of it."""


def finds(invariant: str, faults: tuple[str, ...], engine: EngineFor = NaiveEngine) -> bool:
    """Whether this invariant is broken in one of some storms of these faults alone."""
    storms = (storm(seed, engine, SETTINGS, faults=faults) for seed in range(40))
    return any(found.violation is not None and found.violation.invariant == invariant for found in storms)


def test_without_harm_the_simplest_engine_has_one_leader() -> None:
    for seed in range(20):
        found = storm(seed, NaiveEngine, SETTINGS, faults=HARMLESS)
        assert found.violation is None, "\n".join(found.story[-40:])
        assert found.leaderships >= 1


@pytest.mark.parametrize("seed", range(10))
def test_the_engine_that_is_shipped_bears_all_of_it(seed: int) -> None:
    found = storm(seed, PluginEngine, SETTINGS)
    assert found.violation is None, "\n".join(found.story[-40:])
    assert found.leaderships >= 1


def _without_proof(self: Hold, sent: float, answered: float, header: Header) -> None:
    self._renewed = sent, answered, header.raft_term
    self._since = max(self._since, sent)


def test_renewals_that_no_read_has_proven_are_found() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hold, "renewed", _without_proof)
        assert finds(NEVER_TWO, ("stale", "deaf", "new etcd leader", "pause"), PluginEngine)


def test_a_leader_that_nobody_waits_for_is_found_when_its_lease_was_taken_away() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "strays", ())
        assert finds(NEVER_TWO, ("early revocation", "deaf", "slow demotion"), PluginEngine)


def test_a_leader_that_nobody_waits_for_is_found_when_its_key_and_trace_were_deleted() -> None:
    gone = Line._gone

    def not_removed(self: Line, lost: Iterable[Standing], *, all_removed: bool) -> list[Gone]:
        return gone(self, lost, all_removed=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "_gone", not_removed)
        assert finds(NEVER_TWO, ("everything deleted", "deaf", "slow demotion"), PluginEngine)


def test_what_a_deposed_leader_of_etcd_says_of_leases_is_found_where_it_counts() -> None:
    def believing(self: Inquest, standing: Standing, gone: float, raft_term: int) -> float:
        return free_at(self, standing, gone, 0)

    def trusting(self: Inquest, standing: Standing, life: Life, received: float) -> None:
        self._raft_terms[life.header.member_id] = life.header.raft_term
        asked(self, standing, life, received)

    free_at, asked = Inquest.free_at, Inquest.asked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inquest, "free_at", believing)
        patch.setattr(Inquest, "asked", trusting)
        assert finds(NEVER_TWO, ("stale", "new etcd leader", "early revocation"), PluginEngine)


def test_the_same_seed_has_the_same_story() -> None:
    assert storm(7, NaiveEngine, SETTINGS).story == storm(7, NaiveEngine, SETTINGS).story


def test_leases_revoked_early_are_found_where_the_successor_acts_at_once() -> None:
    assert finds(NEVER_TWO, ("early revocation",))


def test_renewals_by_a_deposed_leader_are_found_where_they_count() -> None:
    assert finds(NEVER_TWO, ("stale", "new etcd leader"))


def test_authority_counted_from_the_answer_is_found() -> None:
    engine = functools.partial(NaiveEngine, from_receipt=True)
    assert finds(NEVER_TWO, ("pause", "cut"), engine)
    assert not finds(NEVER_TWO, ("pause", "cut"))


def test_a_leadership_that_goes_on_after_it_lapsed_is_found() -> None:
    """With its old key it would have its old term, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NaiveBackend, "_lapse", lambda self: self._follow(()))
        assert finds("terms rise", ("pause", "cut"))
