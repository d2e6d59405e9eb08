"""The conformance test, of the built-in backend and of the bundled plugin's: each rule of `docs/backends.md`."""

from collections.abc import Iterator

import pytest

from les_hooks.testing.backends import CONFORMANCE, Arena, Check
from tests.backends.arenas import EtcdArena, PeersArena
from tests.etcd.server import Server

CHECKS = pytest.mark.parametrize("check", CONFORMANCE, ids=str)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all; each check has a prefix of its own."""
    with Server(tmp_path_factory.mktemp("etcd")) as server:
        yield server


def see(check: Check, arena: Arena) -> None:
    """Run it, or skip where this arena is none for it."""
    if unmet := check.unmet(arena.traits):
        pytest.skip(unmet)
    check.run(arena)


@CHECKS
def test_peers_conform(check: Check) -> None:
    see(check, PeersArena())


# Votes change when a leadership may begin and when it must end; the rest is the same, and each start takes a lease.
VOTED = {
    "the_next_leads_once_it_is_released",
    "an_unfit_leader_is_demoted",
    "a_leader_that_leaves_is_demoted_first",
    "a_leader_that_crashes_is_replaced",
    "a_dead_leader_is_released",
    "a_leader_that_is_cut_off_ends_first",
    "a_follower_that_is_cut_off_does_not_lead",
}


@pytest.mark.parametrize("check", [check for check in CONFORMANCE if check.name in VOTED], ids=str)
def test_peers_with_a_majority_conform(check: Check) -> None:
    see(check, PeersArena(majority=True))


@CHECKS
def test_etcd_conforms(check: Check, etcd: Server) -> None:
    see(check, EtcdArena(etcd.url, check.name))
