"""The benchmark runs and prints what it is asked for; what it prints is for people, and judged by no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.etcd import load
from tests.needs import need_netns, need_tunnels
from tests.network.secured import Secured

ROOT = Path(__file__).parents[2]


def _bench(*asked: str, path: str = os.environ["PATH"]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *asked],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_part_prints_its_rows() -> None:
    said = _bench("--runs", "1", "--seconds", "0.5", "--calm", "1", "--nodes", "3", "--flips", "10", "--events", "50")
    for row in (
        "SIGKILL: to the successor's elected script",
        "SIGTERM: of it after the demoted script was done",
        "SIGSTOP: to the end of the stopped one's while-leader work",
        "posix_spawn",
        "CPU of a node",
        "bytes sent by a node",
        "CPU of the original's stand-in, same run",
        "events that are accounted for",
        "events posted to a receiver that always takes them",
    ):
        assert row in said


def test_a_part_that_wants_a_network_prints_its_rows_when_it_is_named() -> None:
    """`handover` and `loss` need longer than a test may take; the tests of the network use their parts."""
    need_netns()
    need_tunnels()
    said = _bench("heal", "--runs", "1")
    assert "from the heal until all accept it" in said


def test_a_flood_is_measured_however_members_know_each_other() -> None:
    need_netns()
    said = _bench("flood", "--seconds", "1", "--calm", "1.5")
    for how in Secured:
        assert f"from one address: {how}" in said
    assert "median answer flooded / before" in said


def test_a_moving_address_is_measured_and_every_run_is_written_down(tmp_path: Path) -> None:
    need_netns()
    said = _bench("vip", "--runs", "1", "--peer", "les immediate", "--fault", "drift", "--json", str(tmp_path / "runs"))
    assert "les immediate, IPv6" in said
    [run] = json.loads((tmp_path / "runs").read_text(encoding="utf-8"))
    assert run["fault"] == ""
    assert [len(found["fault"]["holders"]) for found in run["found"]] == [1, 1]


def test_a_program_that_is_not_installed_is_left_out_and_said_how_to_install() -> None:
    said = _bench("vip", "--peer", "keepalived", "--peer", "ucarp", path="/nowhere")
    assert "left out: keepalived 1 s (keepalived is not installed: apt-get install keepalived)" in said
    assert "left out: ucarp (ucarp is not installed: apt-get install ucarp)" in said


def test_what_nodes_ask_of_an_etcd_is_measured_by_their_place() -> None:
    """Handovers beside `etcdctl lock` need longer than a test may take; `tests/etcd` has each of their faults."""
    rows = {row.what for row in load.measure(4, seconds=1.0, calm=0.5)}
    for place in ("leader", "next in line", "third in line", "each other", "mean of all"):
        assert {f"{place}: requests", f"{place}: sent", f"{place}: received"} <= rows
    assert "a second after a death: nodes that write" in rows
