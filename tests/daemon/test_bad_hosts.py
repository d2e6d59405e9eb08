"""What the host can do to a whole daemon: disks, clocks, scripts. It says so, loses nothing, and goes on."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks.audit import Damage, Entry, read
from tests.cluster import Cluster, Daemon, until
from tests.disk import fill, tiny_disk

# Every process of the daemon reads the wall clock through this: off by as many seconds as the file says.
_CLOCK = """
import pathlib, time
_real, _file = time.time, pathlib.Path({path!r})
time.time = lambda: _real() + float(_file.read_text() or 0)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "disk") as path:
        yield path


def _trail(daemon: Daemon) -> list[dict[str, Any]]:
    text = (daemon.folder / "state" / "audit.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_full_disk_under_the_audit_stops_nothing_and_is_accounted_for(tmp_path: Path, disk: Path) -> None:
    """The daemon says so, leads and runs its scripts; when there is room again the trail tells how much is missing."""
    audit = disk / "audit.jsonl"
    ballast = disk / "ballast"
    with Cluster(tmp_path, 1, f'[log]\naudit = "{audit}"\n') as cluster:
        daemon = cluster.wait_leader()
        ran = tmp_path / "ran"
        daemon.script("reasserted", "10-ran", f"echo x >>{ran}")
        fill(ballast)
        # The last page of the file still has room.
        until(lambda: daemon.ask("reload") and daemon.status()["audit"]["degraded"], "the audit is degraded")
        runs = len(ran.read_text()) if ran.exists() else 0
        daemon.ask("reload")
        until(lambda: ran.exists() and len(ran.read_text()) > runs, "scripts run all the same")
        assert daemon.status()["is_me"]
        assert "audit-degraded" in daemon.said()
        ballast.unlink()
        daemon.ask("reload")
        until(lambda: not daemon.status()["audit"]["degraded"], "the audit is written again")
        lines = list(read(audit))
        assert not any(isinstance(line, Damage) for line in lines)
        records = [line.record for line in lines if isinstance(line, Entry)]
        # A short record may find room where a longer one did not.
        gaps = [record for record in records if record["action"] == "audit.gap"]
        assert gaps
        assert all(gap["dropped"] > 0 and gap["dropped_bytes"] > 0 for gap in gaps)
        numbers = [record["seq"] for record in records]
        assert numbers == list(range(1, len(numbers) + 1))
        assert daemon.les("audit", "verify").returncode == 0


def test_a_state_directory_that_cannot_be_written_keeps_the_daemon_from_starting_and_says_why(
    tmp_path: Path, disk: Path
) -> None:
    cluster = Cluster(tmp_path, 1)
    daemon = cluster.daemons[0]
    daemon.config.write_text(daemon.config.read_text().replace('"state"', f'"{disk}"'))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=10)
    refused = daemon.les("run")
    assert refused.returncode == 1
    assert f"state directory {disk}" in refused.stderr
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_state_directory_that_fills_up_while_a_node_runs_costs_it_the_next_leadership_only(
    tmp_path: Path, disk: Path
) -> None:
    """It cannot write down its term, so it does not lead; another one does."""
    cluster = Cluster(tmp_path, 2)
    daemon, other = cluster.daemons
    daemon.config.write_text(daemon.config.read_text().replace('"state"', f'"{disk}"'))
    daemon.socket = disk / "control.sock"
    with cluster:
        leader = cluster.wait_leader()
        if leader is daemon:
            daemon.ask("step-down")
            other.wait(lambda status: status["is_me"], "leads")
            daemon.wait(lambda status: all(m["fit"] for m in status["members"]), "is fit again")
        fill(disk / "ballast")
        other.ask("step-down")
        until(lambda: "state-unsaved" in daemon.said(), "the log says that the term cannot be saved")
        assert not daemon.status()["is_me"]
        other.wait(lambda status: status["is_me"], "leads again after its hold")
        (disk / "ballast").unlink()


def test_scripts_that_hang_fork_ignore_term_flood_or_vanish_do_no_harm(tmp_path: Path) -> None:
    """Each has its outcome in the audit, the next one runs, nothing is left of them, and the node leads all along."""
    more = '[hooks]\ntimeout = "1500ms"\n[plugins.scripts]\ngrace = "200ms"\n'
    cluster = Cluster(tmp_path, 1, more)
    daemon = cluster.daemons[0]
    pids = tmp_path / "pids"
    note = f"echo $$ >>{pids}"
    daemon.script("elected", "10-hangs", f"{note}; exec sleep 1000")
    daemon.script(
        "elected", "20-forks-and-ignores-term", f"trap '' TERM; {note}; sh -c '{note}; sleep 1000' & sleep 1000"
    )
    daemon.script("elected", "30-floods", f"{note}; head -c 5000000 /dev/zero | tr '\\0' x; yes | head -c 1000000")
    vanishing = daemon.script("elected", "40-vanishes", note)
    daemon.script("elected", "50-runs", note)
    with cluster:
        until(lambda: pids.exists(), "the first one runs")
        vanishing.unlink()

        def outcomes() -> dict[str, dict[str, Any]]:
            return {
                Path(record["path"]).name: record
                for record in _trail(daemon)
                if record["action"] == "plugin.scripts.script" and record["event"] == "elected"
            }

        until(lambda: daemon.status()["is_me"] and "50-runs" in outcomes(), "the last one has run")
        found = outcomes()
        assert {name: record["outcome"] for name, record in found.items()} == {
            "10-hangs": "timeout",
            "20-forks-and-ignores-term": "timeout",
            "30-floods": "success",
            "40-vanishes": "unstarted",
            "50-runs": "success",
        }
        assert found["30-floods"]["cut"]
        assert daemon.log.stat().st_size < 1_000_000
        # What was killed with its parent is there until init has reaped it.
        until(lambda: not any(Path("/proc", pid).exists() for pid in pids.read_text().split()), "nothing is left")
        # No beat was late by as much as an authority: this node never took itself for one that slept.
        assert [record["reason"] for record in _trail(daemon) if record["action"] == "leader.demoted"] == ["startup"]


def test_clocks_that_are_set_back_and_forth_move_no_leadership(tmp_path: Path) -> None:
    """Not the leader's, not a follower's; and who starts with a wrong one is junior all the same."""
    cluster = Cluster(tmp_path, 2)
    environs = {}
    for daemon in cluster.daemons:
        (daemon.folder / "clock").write_text("0")
        patch = daemon.folder / "patch" / "sitecustomize.py"
        patch.parent.mkdir()
        patch.write_text(_CLOCK.format(path=str(daemon.folder / "clock")))
        environs[daemon] = {"PYTHONPATH": str(patch.parent)}
    for daemon in cluster.daemons:
        daemon.start(environ=environs[daemon])
    with cluster:
        leader = cluster.wait_leader()
        [follower] = [daemon for daemon in cluster.daemons if daemon is not leader]
        term = leader.status()["term"]
        for daemon in (leader, follower):
            for seconds in (3600, -7200, 90_000, -90_000, 0):
                _set(daemon, seconds)
                # A leader confirms itself again after a jump, before it starts anything; that is not a demotion.
                leader.wait(lambda status: status["is_me"] and status["term"] == term, "leads on")
        assert not [
            r for d in cluster.daemons for r in _trail(d)[10:] if r["action"] in ("leader.demoted", "member.lost")
        ]

        follower.signal(signal.SIGTERM)
        follower.ended()
        (follower.folder / "clock").write_text("-7200")
        follower.start(environ=environs[follower])
        assert cluster.wait_leader() is leader
        leader.signal(signal.SIGTERM)
        leader.ended()
        follower.wait(lambda status: status["is_me"] and status["term"] > term, "leads with its wrong clock")


def _set(daemon: Daemon, seconds: int) -> None:
    draft = daemon.folder / "clock.new"
    draft.write_text(str(seconds))
    draft.rename(daemon.folder / "clock")
    until(lambda: abs(daemon.status()["time"] - time.time() - seconds) < 60, "the daemon's clock is set")
