"""A cluster that tests only look at, and a way to run commands in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from les_hooks.cli import cli
from tests.cluster import Cluster, Daemon


@dataclass(frozen=True)
class Les:
    """Runs `les` about one node."""

    config: Path

    def __call__(self, *words: str) -> Result:
        """Run a command; what it printed and its exit code."""
        return CliRunner().invoke(cli, [*words, "-c", str(self.config)])

    def json(self, *words: str) -> Any:
        """Run a command that must succeed, and read its JSON."""
        result = self(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes with scripts, of which nobody may change anything."""
    cluster = Cluster(tmp_path_factory.mktemp("pair"), 2)
    for daemon in cluster.daemons:
        daemon.script("elected", "10-hello", 'echo "hello $LES_TERM"')
        daemon.script("", "20-all", "true")
        (daemon.folder / "hooks.d" / "notes.bak").write_text("x")
    with cluster:
        cluster.wait_leader()
        yield cluster


@pytest.fixture
def leader(pair: Cluster) -> Daemon:
    """The one that leads."""
    return pair.wait_leader()


@pytest.fixture
def follower(pair: Cluster, leader: Daemon) -> Daemon:
    """The other one."""
    return next(daemon for daemon in pair.daemons if daemon is not leader)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The configuration of a node that nobody has started."""
    return Daemon(tmp_path / "a", 4999, [4999]).config
