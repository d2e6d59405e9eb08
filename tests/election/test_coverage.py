"""The tests beside this one run every line and every branch of the election: a branch that none needs is deleted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# They must suffice without chance and in seconds: neither random messages nor storms, nor all patterns of links.
CHOSEN = [
    "test_rules.py",
    "test_intake.py",
    "test_links.py",
    "test_roles.py",
    "test_ballot.py",
    "test_voter.py",
    "test_majority.py",
    "test_handover.py",
    "test_alone.py",
    "test_electorates.py",
    "test_liars.py",
    "test_limits.py",
]


# Tracing makes it slow, and other tests run beside it.
@pytest.mark.timeout(300)
def test_the_election_is_covered_to_the_last_branch(tmp_path: Path) -> None:
    python = [sys.executable, "-m"]
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")}
    run = ["coverage", "run", "--branch", "--source=les_hooks/election", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = [f"tests/election/{name}" for name in CHOSEN]
    for command in (
        [*python, *run, "-k", "not pattern", *tests],
        [*python, "coverage", "report", "-m", "--skip-covered", "--fail-under=100"],
    ):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
