"""Three real voters that share a secret: it is replaced by `les secret rotate` while one leads, and one dies."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from les_hooks.cli import cli
from tests.cli.crashes import crash_is_told, said
from tests.cluster import Cluster, Daemon, until


def les(*words: str) -> None:
    result = CliRunner().invoke(cli, ["secret", *words])
    assert result.exit_code == 0, result.output


def hand_out(file: Path, daemon: Daemon) -> None:
    """Copy it to the node, in one step."""
    copied = shutil.copy2(file, daemon.folder / ".secret.new")
    os.replace(copied, daemon.folder / "secret")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three voters with the secret that is in the folder above them."""
    folder = tmp_path_factory.mktemp("trio")
    les("new", str(folder / "secret"))
    cluster = Cluster(folder, 3)
    voters = ", ".join(f'"{daemon.address}"' for daemon in cluster.daemons)
    for daemon in cluster.daemons:
        text = daemon.config.read_text()
        text = text.replace("[cluster]\n", f'[cluster]\nquorum = "majority"\nvoters = [{voters}]\n')
        # A busy machine is to lose nobody here: what must be quick is measured elsewhere.
        text = text.replace('failure = "500ms"', 'failure = "2s"').replace("[timing]\n", '[timing]\nlease = "8s"\n')
        daemon.config.write_text(f'{text}\n[security]\nsecret_file = "secret"\n')
        hand_out(folder / "secret", daemon)
    with cluster:
        cluster.wait_leader()
        yield cluster


def test_three_steps_replace_the_secret_and_the_leader_stays(trio: Cluster) -> None:
    leader = trio.wait_leader()
    file, term = leader.folder.parent / "secret", leader.status()["term"]
    [old] = leader.status()["security"]["fingerprints"]
    counts = []
    for step in ("--add", "--swap", "--drop"):
        les("rotate", step, str(file))
        for daemon in trio.daemons:
            before = daemon.said().count("secret-read")
            hand_out(file, daemon)
            until(partial(said, daemon, "secret-read", before + 1), "it is read")
        shown = [tuple(daemon.status()["security"]["fingerprints"]) for daemon in trio.daemons]
        assert len(set(shown)) == 1
        counts.append(len(shown[0]))
    assert counts == [2, 2, 1]
    assert shown[0] != (old,)
    for daemon in trio.daemons:
        status = daemon.wait(lambda status: len(status["backend"]["links"]) == 2, "is linked again")
        assert (status["leader"], status["term"]) == (leader.address, term)
        trail = (daemon.folder / "state" / "audit.jsonl").read_text()
        assert '"action":"member.joined"' in trail
        assert '"action":"member.lost"' not in trail


def test_what_is_left_of_a_daemon_that_died_is_told_with_the_secret(trio: Cluster) -> None:
    """So that another leads long before the lease runs out."""
    crash_is_told(trio)
