"""An example of a third party's plugin: installed from a copy, tested by its own tests, and run by a real daemon."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["daemon", "install", "les", "own_tests"]

_EXAMPLES = Path(__file__).parents[2] / "examples"


def install(example: str, factory: pytest.TempPathFactory) -> Path:
    """A folder into which the plugin was installed as pip installs it, from a copy and without a network."""
    source, target = factory.mktemp("source") / example, factory.mktemp("site")
    shutil.copytree(_EXAMPLES / example, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return target


def _environment(installed: Path) -> dict[str, str]:
    """With the plugin installed, for a process of its own."""
    return os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}


def own_tests(example: str, installed: Path, folder: Path) -> str:
    """Run the plugin's own tests in this folder, which have to pass; returns what pytest said."""
    shutil.copytree(_EXAMPLES / example / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", "--rootdir", ".", "tests"],
        cwd=folder,
        env=_environment(installed),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def les(folder: Path, installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder of a node."""
    return subprocess.run(
        [sys.executable, "-m", "les_hooks", *words],
        cwd=folder,
        env=_environment(installed),
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
            [sys.executable, "-m", "les_hooks", "run"], cwd=folder, env=_environment(installed), stderr=log
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
