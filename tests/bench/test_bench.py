"""The benchmark runs and prints what it is asked for; what it prints is for people, and judged by no test."""

import subprocess
import sys
from pathlib import Path

from tests.needs import need_netns, need_tunnels

ROOT = Path(__file__).parents[2]


def _bench(*asked: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_part_prints_its_rows() -> None:
    said = _bench("--runs", "1", "--seconds", "0.5", "--calm", "1", "--nodes", "3", "--flips", "10")
    for row in (
        "SIGKILL: to the successor's elected script",
        "SIGTERM: of it after the demoted script was done",
        "SIGSTOP: to the end of the stopped one's while-leader work",
        "posix_spawn",
        "CPU of a node",
        "bytes sent by a node",
        "CPU of the original's stand-in, same run",
        "events that are accounted for",
    ):
        assert row in said


def test_a_part_that_wants_a_network_prints_its_rows_when_it_is_named() -> None:
    """`handover` and `loss` need longer than a test may take; the tests of the network use their parts."""
    need_netns()
    need_tunnels()
    said = _bench("heal", "--runs", "1")
    assert "from the heal until all accept it" in said
