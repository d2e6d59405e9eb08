"""Networks and clusters for the tests of this folder; without root and namespaces they are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.needs import need_netns
from tests.network.cluster import Cluster
from tests.network.lan import Lan


@pytest.fixture(scope="package")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Cluster]]:
    need_netns()
    made: list[Cluster] = []
    with Lan(4) as lan:

        def get() -> Cluster:
            if not made:
                made.append(Cluster(tmp_path_factory.mktemp("four"), lan))
            return made[0]

        try:
            yield get
        finally:
            for cluster in made:
                cluster.close()


@pytest.fixture
def four(_shared: Callable[[], Cluster]) -> Cluster:
    """Four nodes on four hosts that all reach each other; most tests share them, as starting takes a second."""
    cluster = _shared()
    cluster.whole()
    return cluster


@pytest.fixture
def lan(request: pytest.FixtureRequest) -> Iterator[Lan]:
    """A network of two hosts, for one test."""
    need_netns()
    with Lan(2, ipv6=getattr(request, "param", "") == "ipv6") as made:
        yield made


@pytest.fixture
def two(lan: Lan, tmp_path: Path) -> Iterator[Cluster]:
    """Two nodes that are not started yet, for one test."""
    cluster = Cluster(tmp_path, lan)
    yield cluster
    cluster.close()
