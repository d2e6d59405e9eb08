"""The example of a third party's plugin: built, installed, tested by its own tests, and run by a real daemon."""

import json
import time
from pathlib import Path

import pytest

from tests.backends.peers.fakes import free_port
from tests.examples.installing import daemon, install, les, own_tests


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return install("les-hooks-hello", tmp_path_factory)


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    assert "8 passed" in own_tests("les-hooks-hello", installed, tmp_path)


def test_a_daemon_runs_it_and_its_commands_reach_it(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:{port}"\nstate_dir = "state"\n'
        f'[cluster]\nseeds = ["127.0.0.1:{port}"]\n'
        '[plugins.hello]\ngreeting = "good morning"\n'
    )
    (tmp_path / "hooks.d").mkdir()
    greeting = tmp_path / "state" / "plugins" / "hello" / "greeting"
    with daemon(tmp_path, installed) as process:
        deadline = time.monotonic() + 20
        while not greeting.exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        shown = les(tmp_path, installed, "hello", "show", "--loud")
        assert (shown.returncode, shown.stdout) == (0, "GOOD MORNING FROM A, LEADER IN TERM 1\n"), shown.stderr
        listed = les(tmp_path, installed, "plugins", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        found = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)["plugins"]}
        assert found["hello"]["state"] == "loaded"
        assert (found["hello"]["distribution"], found["hello"]["version"]) == ("les-hooks-hello", "1.0.0")
        assert "while_leader" in found["hello"]["hooks"]
        status = les(tmp_path, installed, "status", "--json")
        assert "good morning from a" in status.stdout
    assert process.returncode == 0
    assert not greeting.exists()
    trail = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "plugin.hello.greeted" in [record["action"] for record in trail]
    calls = [r for r in trail if r["action"] == "hook.finished" and r["plugin"] == "hello"]
    assert [(r["event"], r["outcome"]) for r in calls if r["event"] != "leader-changed"] == [
        ("demoted", "success"),
        ("elected", "success"),
        ("while-leader", "superseded"),
        ("demoted", "success"),
    ]
