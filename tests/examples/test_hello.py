"""The example of a third party's plugin: built, installed, tested by its own tests, and run by a real daemon."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.backends.peers.fakes import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "les-hooks-hello"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the plugin was installed as pip installs it, from a copy and without a network."""
    source, target = tmp_path_factory.mktemp("source") / "hello", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return target


def environment(installed: Path) -> dict[str, str]:
    """With the plugin installed, for a process of its own."""
    return os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}


def les(folder: Path, installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command, *options = words
    return subprocess.run(
        [sys.executable, "-m", "les_hooks", command, *options],
        cwd=folder,
        env=environment(installed),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@contextmanager
def daemon(folder: Path, installed: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A node of its own in the folder, until the end of the block."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "les_hooks", "run"], cwd=folder, env=environment(installed), stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", "--rootdir", ".", "tests"],
        cwd=tmp_path,
        env=environment(installed),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


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
