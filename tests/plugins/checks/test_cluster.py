"""A real cluster whose leader's check begins to fail: it steps down in order, the next leads, and all see why."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, Daemon, until

CHECKS = """
[plugins.checks]
[plugins.checks.scripts]
interval = "100ms"
timeout = "5s"
rise = 1
fall = 2
"""


def with_check(daemon: Daemon) -> Path:
    """Put a check into its folder that fails as soon as the file exists that is returned."""
    flag, folder = daemon.folder / "broken", daemon.folder / "checks.d"
    folder.mkdir()
    script = folder / "disk"
    script.write_text(f"#!/bin/sh\n[ ! -e {flag} ] || {{ echo /var is full; exit 1; }}\n")
    script.chmod(0o755)
    return flag


def unfit(status: Mapping[str, Any], daemon: Daemon) -> str | None:
    """Why the daemon is unfit, as somebody's status has it."""
    return next((member["unfit"] for member in status["members"] if member["address"] == daemon.address), None)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path, 3, CHECKS)


def test_a_leader_whose_check_fails_steps_down_the_next_leads_and_all_see_why(cluster: Cluster) -> None:
    flags = {daemon.name: with_check(daemon) for daemon in cluster.daemons}
    with cluster:
        first = cluster.wait_leader()
        flags[first.name].touch()

        def moved() -> bool:
            return all(status.get("leader") not in (None, first.address) for status in map(Daemon.status, daemons))

        daemons = cluster.daemons
        until(moved, "another leads")
        why = "checks: script disk: exited with 1: /var is full"
        for daemon in daemons:
            daemon.wait(lambda status: unfit(status, first) == why, "sees why")
        assert "reason=unfit" in first.said() or '"reason":"unfit"' in first.said()
        second = cluster.wait_leader()

        # Once it is fit again it is the most junior, and nothing moves back.
        flags[first.name].unlink()
        for daemon in daemons:
            daemon.wait(lambda status: unfit(status, first) == "", "sees that it is fit")
        assert cluster.wait_leader() is second


def test_without_a_fit_node_nobody_leads_and_every_status_says_why(cluster: Cluster) -> None:
    for daemon in cluster.daemons:
        with_check(daemon).touch()
    with cluster:
        for daemon in cluster.daemons:
            status = daemon.wait(
                lambda status: (
                    len(status["members"]) == 3
                    and all("script disk" in (unfit(status, each) or "") for each in cluster.daemons)
                ),
                "sees why of all",
            )
            assert status["leader"] is None


def test_a_check_that_flaps_moves_leadership_once_within_hold(cluster: Cluster) -> None:
    for daemon in cluster.daemons:
        with_check(daemon)
        text = daemon.config.read_text().replace('hold = "1s"', 'hold = "60s"').replace("fall = 2", "fall = 1")
        daemon.config.write_text(text)
    with cluster:
        first = cluster.wait_leader()
        script = first.folder / "checks.d" / "disk"
        draft = first.folder / "draft"
        # Bad and good in turn.
        draft.write_text("#!/bin/sh\ncd ${0%/*}/..\necho >>runs\nrm bad || { >bad; exit 1; }\n")
        draft.chmod(0o755)
        draft.replace(script)
        others = [daemon for daemon in cluster.daemons if daemon is not first]
        second = until(lambda: next((each for each in others if each.status().get("is_me")), None), "a move")
        term = second.status()["term"]
        runs = first.folder / "runs"
        until(lambda: runs.exists() and len(runs.read_text().splitlines()) > 20, "twenty results")
        status = second.status()
        assert (status["is_me"], status["term"]) == (True, term)
        assert "was unfit while it led" in str(unfit(status, first)) or "script disk" in str(unfit(status, first))


def les_checks(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `les checks` in its folder, where `les.toml` is."""
    argv = [sys.executable, "-m", "les_hooks", "checks", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd=daemon.folder)


def test_the_commands_show_and_run_checks(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 1, CHECKS)
    (daemon,) = cluster.daemons
    flag = with_check(daemon)
    with cluster:
        daemon.wait(lambda status: status["members"] and unfit(status, daemon) == "", "is fit")
        assert les_checks(daemon, "list").stdout == "fit     script disk\n"
        (row,) = json.loads(daemon.les("checks", "list", "--json").stdout)
        assert (row["name"], row["state"]) == ("script disk", "fit")
        (row,) = json.loads(daemon.les("checks", "run", "disk", "--json").stdout)
        assert row["reason"] == ""
        good = les_checks(daemon, "run", "disk")
        assert good.stdout.startswith("fit     script disk (0.")
        assert good.returncode == 0
        flag.touch()
        bad = les_checks(daemon, "run", "script disk")
        assert bad.stdout.startswith("unfit   script disk: exited with 1: /var is full (")
        assert bad.returncode == 1
        none = les_checks(daemon, "run", "dsik")
        assert none.returncode == 1
        assert none.stderr == "les: plugin checks: has no check 'dsik'; it has script disk\n"
