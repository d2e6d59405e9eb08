"""The conformance test, of the built-in backend and of the bundled plugin's: each rule of `docs/backends.md`."""

from collections.abc import Iterator

import pytest

from les_hooks.testing.backends import CONFORMANCE, Check, Traits
from tests.backends.arenas import EtcdArena, PeersArena
from tests.etcd.server import Server


def asked(traits: Traits, only: frozenset[str] = frozenset()) -> pytest.MarkDecorator:
    """Each check that can be asked where this holds; of these `only` the named ones, where there are names."""
    checks = [check for check in CONFORMANCE if not check.unmet(traits) and (not only or check.name in only)]
    return pytest.mark.parametrize("check", checks, ids=str)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all; each check has a prefix of its own."""
    with Server(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@asked(PeersArena.traits_of(majority=False))
def test_peers_conform(check: Check) -> None:
    check.run(PeersArena())


# Votes change when a leadership may begin and when it must end; the rest is the same, and each start takes a lease.
VOTED = frozenset(
    {
        "the_next_leads_once_it_is_released",
        "an_unfit_leader_is_demoted",
        "a_leader_that_leaves_is_demoted_first",
        "a_leader_that_crashes_is_replaced",
        "a_dead_leader_is_released",
        "a_leader_that_is_cut_off_ends_first",
        "a_follower_that_is_cut_off_does_not_lead",
    }
)


@asked(PeersArena.traits_of(majority=True), only=VOTED)
def test_peers_with_a_majority_conform(check: Check) -> None:
    check.run(PeersArena(majority=True))


@asked(EtcdArena.traits)
def test_etcd_conforms(check: Check, etcd: Server) -> None:
    check.run(EtcdArena(etcd.url, check.name))
