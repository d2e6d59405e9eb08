"""The commands that move leadership, at real daemons."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Les
from tests.cluster import Cluster, Daemon, until


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes with scripts, whose leadership these tests move; unfit for a moment only, so that they can go on."""
    cluster = Cluster(tmp_path_factory.mktemp("trio"), 3)
    for daemon in cluster.daemons:
        daemon.script("demoted", "10-ip", "true")
        daemon.script("while-leader", "20-work", "exec sleep 1000")
    with cluster:
        cluster.wait_leader()
        yield cluster


@pytest.fixture
def leader(trio: Cluster) -> Daemon:
    """The one that leads, once all are fit."""

    def all_fit() -> bool:
        status = trio.daemons[0].status()
        return len(status["members"]) == len(trio.daemons) and all(m["fit"] for m in status["members"])

    until(all_fit, "all are fit")
    return trio.wait_leader()


def _in_line(trio: Cluster, leader: Daemon) -> list[Daemon]:
    """The others, the most senior first."""
    order = [member["address"] for member in leader.status()["members"]]
    return sorted((d for d in trio.daemons if d is not leader), key=lambda d: order.index(d.address))


def _requests(daemon: Daemon) -> list[dict[str, Any]]:
    lines = (daemon.folder / "state" / "audit.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["action"] == "operator.request"]


def test_a_dry_run_of_a_step_down_changes_nothing_and_leaves_no_record(trio: Cluster, leader: Daemon) -> None:
    before = len(_requests(leader))
    second, third = _in_line(trio, leader)
    shown = Les(leader.config)("step-down", "--dry-run").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["leads", "now", leader.name, f"({leader.address})"] in lines
    assert ["would", "lead", second.name, f"({second.address})"] in lines
    assert ["then", third.name, f"({third.address})"] in lines
    assert "while-leader.d/20-work would be ended" in shown
    assert "demoted.d/10-ip would run (demoted)" in shown
    assert f"the elected hooks of {second.name} ({second.address}), which only its own `les hooks list` knows" in shown
    assert trio.wait_leader() is leader
    assert len(_requests(leader)) == before


def test_a_dry_run_of_a_transfer_puts_the_named_node_first(trio: Cluster, leader: Daemon) -> None:
    second, third = _in_line(trio, leader)
    plan = Les(leader.config).json("transfer", third.name, "--dry-run")
    assert [place["address"] for place in plan["succession"]] == [third.address, second.address, leader.address]
    assert plan["next"] == third.address
    assert trio.wait_leader() is leader


def test_a_step_down_with_a_reason_is_audited_with_it_and_with_the_user(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    shown = Les(leader.config)("step-down", "--reason", " new disk ").stdout
    assert shown == f"stepping down; next in line is {second.name} ({second.address})\n"
    assert trio.wait_leader() is second
    asked = _requests(leader)[-1]
    assert (asked["command"], asked["outcome"], asked["uid"]) == ("step-down", "success", os.getuid())
    assert asked["arguments"] == {"note": "new disk"}


def test_a_transfer_is_refused_where_this_node_does_not_lead(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    for more in ((), ("--dry-run",)):
        result = Les(second.config)("transfer", leader.name, *more)
        assert result.exit_code == 3
        assert f"{leader.name} ({leader.address}) does; run it there" in result.stderr


def test_a_transfer_to_nobody_that_is_known_lists_the_members(trio: Cluster, leader: Daemon) -> None:
    result = Les(leader.config)("transfer", "z")
    assert result.exit_code == 1
    assert "there is no member z; the members are" in result.stderr
    assert (_requests(leader)[-1]["command"], _requests(leader)[-1]["outcome"]) == ("transfer", "failure")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("step-down", "--reason", "x" * 201), "longer than 200 characters"),
        (("step-down", "--reason", "two\nlines"), r"one line without control characters: two\nlines"),
        (("transfer", "b", "--timeout", "soon"), "'soon' is no duration"),
        (("transfer", "b", "--timeout", "0s"), "'0s' is too short"),
        (("transfer",), "Missing argument 'NODE'"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(words: tuple[str, ...], why: str, config_file: Path) -> None:
    result = Les(config_file)(*words)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())
