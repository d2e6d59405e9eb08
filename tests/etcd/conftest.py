"""One network with three etcd servers and three nodes, that most tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd.lan import Servers
from tests.etcd.nodes import Nodes
from tests.needs import need_netns
from tests.network.lan import Lan
from tests.network.story import mingled


@pytest.fixture(scope="package")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    need_netns()
    folder: Path = tmp_path_factory.mktemp("etcd")
    with Lan(6) as lan, Servers(folder, lan.hosts[3:]) as servers:
        nodes = Nodes(folder, lan, lan.hosts[:3], servers)
        try:
            yield nodes
        finally:
            nodes.close()
        # What passed between two tests counts as well.
        assert mingled(nodes.story(everything=True)) == []


@pytest.fixture
def three(_shared: Nodes) -> Iterator[Nodes]:
    """Three nodes that all reach the three servers, with timings as they come: and they never work side by side."""
    _shared.whole()
    yield _shared
    assert mingled(_shared.story()) == []
    assert _shared.overlap() == 0.0
