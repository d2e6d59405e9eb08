"""The example of a third party's backend: built, installed, tested by its own tests, and used by two real daemons."""

import json
import time
from pathlib import Path

import pytest

from tests.backends.peers.fakes import free_port
from tests.examples.installing import daemon, install, les, own_tests


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return install("les-hooks-filelock", tmp_path_factory)


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    """The conformance test among them, of which nothing is skipped."""
    assert "skipped" not in own_tests("les-hooks-filelock", installed, tmp_path)


CONFIG = """
[node]
name = "{name}"
bind = "127.0.0.1:{port}"
advertise = "127.0.0.1:{port}"
state_dir = "state"
[cluster]
backend = "filelock"
[plugins.filelock]
folder = "../board"
patience = "20s"
"""


def test_daemons_have_their_leader_from_it(installed: Path, tmp_path: Path) -> None:
    """The first leads; when it is killed its own guard clears up, and the second leads long before `patience`."""
    (tmp_path / "board").mkdir()
    nodes = [tmp_path / name for name in "ab"]
    for node in nodes:
        (node / "hooks.d").mkdir(parents=True)
        (node / "les.toml").write_text(CONFIG.format(name=node.name, port=free_port()))
    with daemon(nodes[0], installed) as first:
        wait_for_leader(nodes[0], installed, "a")
        with daemon(nodes[1], installed):
            wait_for_leader(nodes[1], installed, "a")
            first.kill()
            killed = time.monotonic()
            wait_for_leader(nodes[1], installed, "b")
            assert time.monotonic() - killed < 15.0


def wait_for_leader(folder: Path, installed: Path, name: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        asked = les(folder, installed, "status", "--json")
        if asked.returncode == 0:
            status = json.loads(asked.stdout)
            leader = next((m["name"] for m in status["members"] if m["address"] == status["leader"]), None)
            if leader == name:
                return
        assert time.monotonic() < deadline, (folder / "log").read_text() + asked.stdout + asked.stderr
        time.sleep(0.05)
