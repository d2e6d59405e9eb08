"""The tests beside this one run every branch of what decides who leads on etcd: one that none needs is deleted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTED = ("entry", "line", "hold", "inquest", "candidate", "viewing")
# What the candidate is made of is tested by what it does.
PURE = (*TESTED, "vigil", "tenure", "twins", "obstacles")


# Tracing makes it slow, and other tests run beside it.
@pytest.mark.timeout(300)
def test_the_pure_core_is_covered_to_the_last_branch(tmp_path: Path) -> None:
    python = [sys.executable, "-m"]
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")}
    included = "--include=" + ",".join(f"plugins/les_plugins/etcd/{name}.py" for name in PURE)
    run = ["coverage", "run", "--branch", included, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = [f"tests/plugins/etcd/test_{name}.py" for name in TESTED]
    for command in (
        # They must suffice without chance.
        [*python, *run, "-k", "not whatever_happens and not any_sequence", *tests],
        [*python, "coverage", "report", "-m", "--skip-covered", "--fail-under=100"],
    ):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
