"""The commands that move leadership, at real daemons."""

import json
import os
from collections.abc import Iterator
from functools import partial
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
    """Each request, with how it ended."""
    lines = (daemon.folder / "state" / "audit.jsonl").read_text().splitlines()
    records = list(map(json.loads, lines))
    answers = {record["request"]: record for record in records if record["action"] == "operator.answer"}
    asked = [record for record in records if record["action"] == "operator.request"]
    assert all(answers[record["seq"]]["command"] == record["command"] for record in asked)
    return [record | {key: answers[record["seq"]][key] for key in ("outcome", "reason")} for record in asked]


def test_a_dry_run_of_a_step_down_changes_nothing_and_leaves_no_record(trio: Cluster, leader: Daemon) -> None:
    before = len(_requests(leader))
    second, third = _in_line(trio, leader)
    shown = Les(leader.config)("step-down", "--dry-run").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["leads", "now", leader.name, f"({leader.address})"] in lines
    assert ["would", "lead", second.name, f"({second.address})"] in lines
    assert ["then", third.name, f"({third.address})"] in lines
    folder, words = leader.folder / "hooks.d", " ".join(shown.split())
    assert f"while-leader: end {folder}/while-leader.d/20-work (plugin scripts)" in words
    assert f"demoted: run {folder}/demoted.d/10-ip (plugin scripts)" in words
    assert f"the elected hooks of {second.name} ({second.address}), which only its own `les hooks list` knows" in shown
    assert trio.wait_leader() is leader
    assert len(_requests(leader)) == before


def test_the_work_of_a_leader_is_listed_as_running(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)

    def row(daemon: Daemon) -> list[str]:
        lines = Les(daemon.config)("hooks", "list").stdout.splitlines()
        return next(line.split() for line in lines if line.startswith("while-leader"))

    until(lambda: row(leader)[4:6] == ["running,", "begun"], "its work runs")
    assert "running," not in row(second)


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


def test_a_transfer_moves_leadership_to_the_named_node_past_one_that_is_senior(trio: Cluster, leader: Daemon) -> None:
    second, third = _in_line(trio, leader)
    result = Les(leader.config)("transfer", third.name)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{third.name} ({third.address}) leads; it took ")
    assert trio.wait_leader() is third
    assert [d.address for d in _in_line(trio, third)] == [second.address, leader.address]
    asked = _requests(leader)[-1]
    assert (asked["command"], asked["outcome"], asked["uid"]) == ("transfer", "success", os.getuid())


def test_a_transfer_answers_as_json_too_and_takes_an_address(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    answer = Les(leader.config).json("transfer", second.address)
    assert answer["moved"] is True
    assert answer["why"] == ""
    assert answer["leader"] == answer["target"] == second.address


def test_a_transfer_that_takes_longer_than_its_limit_goes_on(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    go = leader.folder / "go"
    os.mkfifo(go)
    slow = leader.script("demoted", "20-slow", f"read _ < {go}")
    result = Les(leader.config)("transfer", second.name, "--timeout", "300ms")
    try:
        assert result.exit_code == 4
        assert (
            f"the transfer to {second.name} ({second.address}) is still under way; not waiting any longer"
            in result.stderr
        )
        assert "the demote hooks of this node still run" in result.stderr
        asked = _requests(leader)[-1]
        assert (asked["command"], asked["outcome"], asked["reason"]) == ("transfer", "success", None)
    finally:
        go.write_text("on\n")
        slow.unlink()
    assert trio.wait_leader() is second


def _unfit(daemon: Daemon, of: Daemon) -> str:
    return next((m["unfit"] for m in daemon.status()["members"] if m["address"] == of.address), "")


def _wait_unfit(trio: Cluster, of: Daemon, words: str) -> None:
    """Wait until every node says so of this one; empty words for fit."""
    for daemon in trio.daemons:
        until(partial(_says, daemon, of, words), f"{daemon.name} says {words!r} of {of.name}")


def _says(daemon: Daemon, of: Daemon, words: str) -> bool:
    said = _unfit(daemon, of)
    return words in said if words else said == ""


def test_every_node_shows_the_reason_of_a_step_down(trio: Cluster, leader: Daemon) -> None:
    Les(leader.config)("step-down", "--reason", "slow answers since noon")
    _wait_unfit(trio, leader, "slow answers since noon")


def test_a_demotion_that_failed_is_a_warning_where_it_failed(trio: Cluster, leader: Daemon) -> None:
    bad = leader.script("demoted", "20-fails", "exit 1")
    try:
        Les(leader.config)("step-down")
        leader.wait(lambda status: status["warnings"], "warns")
    finally:
        bad.unlink()
    assert "the last demotion did not succeed: the hooks of scripts failed" in Les(leader.config)("status").stdout


def test_maintenance_of_the_leader_moves_leadership_and_is_shown_everywhere(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    les = Les(leader.config)
    planned = les.json("maintenance", "on", "--dry-run")
    assert (planned["next"], planned["moves"]) == (second.address, True)
    assert les("maintenance").stdout == "this node is not in maintenance\n"
    begun = les("maintenance", "on", "--for", "30m", "--reason", "new disk").stdout
    until_when, following = begun.splitlines()
    assert until_when.startswith("in maintenance until ")
    assert until_when.endswith("(30 min 0 s)")
    assert following == f"stepping down; next in line is {second.name} ({second.address})"
    assert trio.wait_leader() is second
    for daemon in trio.daemons:
        shown = Les(daemon.config)("status").stdout
        assert "maintenance until" in shown
        assert shown.count("new disk") == (2 if daemon is leader else 1)
    assert "new disk" in les("maintenance").stdout
    refused = Les(second.config)("transfer", leader.name)
    assert refused.exit_code == 1
    assert "cannot lead: maintenance until" in refused.stderr

    assert les("maintenance", "off").stdout.startswith("maintenance is over")
    assert les("maintenance", "off").stdout == "this node is not in maintenance\n"
    _wait_unfit(trio, leader, "")
    assert trio.wait_leader() is second
    commands = [(r["command"], r["uid"]) for r in _requests(leader)][-3:]
    assert commands == [("maintain", os.getuid()), *[("end-maintenance", os.getuid())] * 2]


def test_maintenance_ends_by_itself(trio: Cluster, leader: Daemon) -> None:
    second, _ = _in_line(trio, leader)
    answer = Les(second.config).json("maintenance", "on", "--for", "700ms")
    assert (answer["moves"], answer["next"]) == (False, leader.address)
    until(lambda: _unfit(leader, second), "it is unfit")
    until(lambda: not _unfit(leader, second), "it is fit again")
    assert Les(second.config).json("maintenance")["on"] is False


def test_where_everybody_is_in_maintenance_each_node_says_why_nobody_leads(trio: Cluster, leader: Daemon) -> None:
    order = [*_in_line(trio, leader), leader]
    for daemon in order:
        shown = Les(daemon.config)("maintenance", "on", "--reason", f"disk of {daemon.name}").stdout
    assert "stepping down; nobody else can lead now" in shown
    try:
        for daemon in order:
            _wait_unfit(trio, daemon, f"disk of {daemon.name}")
        for daemon in trio.daemons:
            daemon.wait(lambda status: status["leader"] is None, "knows no leader")
            lines = Les(daemon.config)("status").stdout.splitlines()
            at = lines.index("no leader: nobody is eligible")
            told = "\n".join(lines[at + 1 : at + 4])
            assert all(f"disk of {other.name}" in told for other in trio.daemons)
    finally:
        for daemon in order:
            Les(daemon.config)("maintenance", "off")
    trio.wait_leader()


@pytest.mark.parametrize("words", [("off", "--for", "1h"), ("--reason", "x"), ("off", "--dry-run")])
def test_what_goes_with_maintenance_on_goes_with_nothing_else(words: tuple[str, ...], config_file: Path) -> None:
    result = Les(config_file)("maintenance", *words)
    assert result.exit_code == 2
    assert "go with `les maintenance on`" in result.stderr
