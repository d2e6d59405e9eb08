"""The commands that ask a daemon, for people and as JSON, and their exit codes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from les_hooks.cli import cli
from tests.cli.conftest import Les
from tests.cluster import Cluster, Daemon
from tests.needs import les_as_nobody


def test_status_shows_node_members_and_plugins(leader: Daemon, follower: Daemon) -> None:
    shown = Les(follower.config)("status").stdout
    assert f"{follower.name} ({follower.address}), cluster les" in shown
    assert f"{leader.name} ({leader.address}), term" in shown
    assert "open: loopback only" in shown
    assert "scripts" in shown


def test_status_as_json_tells_all_that_is_documented(leader: Daemon) -> None:
    leader.wait(lambda status: not any(status["lanes"].values()), "has told its scripts")
    status = Les(leader.config).json("status")
    assert leader.process is not None
    assert status["node"]["pid"] == leader.process.pid
    assert status["node"]["address"] == status["leader"] == leader.address
    assert status["role"] == "leader"
    assert status["is_me"] is True
    assert 0 < status["authority"] <= 0.5
    assert status["settled"] is True
    assert {member["role"] for member in status["members"]} == {"leader", "follower"}
    assert status["lanes"] == {"role": 0, "membership": 0}
    assert status["audit"]["degraded"] is None
    assert Path(status["config"]["source"]) == leader.config
    assert Path(f"/proc/{status['guard']}").exists()
    scripts = next(plugin for plugin in status["plugins"] if plugin["name"] == "scripts")
    assert scripts["state"] == "loaded"
    assert any(run["path"].endswith("10-hello") for run in scripts["status"]["scripts"])


def test_members_are_listed_by_seniority_with_the_leader_marked(leader: Daemon, follower: Daemon) -> None:
    _, first, second = Les(follower.config)("members").stdout.splitlines()
    assert first.startswith("*")
    assert leader.address in first
    assert follower.address in second
    members = Les(follower.config).json("members")
    assert [member["address"] for member in members] == [leader.address, follower.address]


def test_leader_prints_the_address_alone(leader: Daemon, follower: Daemon) -> None:
    assert Les(follower.config)("leader").stdout == f"{leader.address}\n"
    assert Les(follower.config).json("leader")["leader_name"] == leader.name


def test_leader_is_me_answers_by_its_exit_code_alone(leader: Daemon, follower: Daemon) -> None:
    yes, no = (Les(daemon.config)("leader", "--is-me") for daemon in (leader, follower))
    assert (yes.exit_code, yes.output) == (0, "")
    assert (no.exit_code, no.output) == (3, "")


def test_a_node_that_waits_for_the_others_has_no_leader(tmp_path: Path) -> None:
    waiting = Cluster(tmp_path, 2)
    config = waiting.daemons[0].config
    config.write_text(config.read_text().replace("[cluster]\n", '[cluster]\nalone_after = "1h"\n'))
    waiting.daemons[1].start = lambda *_, **__: waiting.daemons[1]  # type: ignore[method-assign]  # the absent one
    with waiting:
        waiting.daemons[0].wait(lambda status: status["role"] == "joining", "joins")
        les = Les(waiting.daemons[0].config)
        for words in (("leader",), ("leader", "--is-me"), ("leader", "--json")):
            assert les(*words).exit_code == 4
        assert "waiting for a first member or seed; leads alone in 59 min " in les("status").stdout


def test_a_follower_cannot_step_down_and_says_who_could(leader: Daemon, follower: Daemon) -> None:
    result = Les(follower.config)("step-down")
    assert result.exit_code == 3
    assert f"{leader.name} ({leader.address}) does; run it there" in result.stderr


COMMANDS = [
    "status",
    "members",
    "leader",
    "watch",
    "reload",
    "step-down",
    "step-down --dry-run",
    "transfer b",
    "transfer b --dry-run",
    "maintenance",
    "maintenance on",
    "maintenance off",
    "leave",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_daemon_commands_exit_with_69_and_say_how_to_start_one(command: str, config_file: Path) -> None:
    result = Les(config_file)(*command.split())
    assert result.exit_code == 69
    assert result.stdout == ""
    assert "les run" in result.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "run", "check", "cleanup", "history"])
def test_with_a_broken_configuration_commands_exit_with_78_and_tell_every_mistake(command: str, tmp_path: Path) -> None:
    broken = tmp_path / "les.toml"
    broken.write_text('[node]\nnam = "x"\n[timing]\nheartbeat = "1s"\n')
    result = Les(broken)(*command.split())
    assert result.exit_code == 78
    assert f"{broken}:2:1: node.nam: unknown key; did you mean 'name'?" in result.stderr
    assert f"{broken}:4:1: timing.heartbeat" in result.stderr


def test_who_may_not_use_the_socket_is_told_with_77(leader: Daemon) -> None:
    result = les_as_nobody("status", "--socket", str(leader.socket))
    assert result.returncode == 77, result.stderr
    assert "belongs to root" in result.stderr


def test_who_may_not_read_the_file_is_told_with_77() -> None:
    # Not pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        config = Path(name) / "les.toml"
        config.touch(mode=0o600)
        result = les_as_nobody("status", "-c", str(config))
    assert result.returncode == 77, result.stderr
    assert result.stderr == f"{config}: cannot be read: Permission denied\n"


def test_the_socket_can_be_named_instead_of_a_file(leader: Daemon) -> None:
    result = CliRunner().invoke(cli, ["leader", "--socket", str(leader.socket)])
    assert result.stdout == f"{leader.address}\n"


def test_a_misspelt_command_is_a_usage_error(config_file: Path) -> None:
    result = Les(config_file)("statsu")
    assert result.exit_code == 2
    assert "No such command 'statsu'. Did you mean 'status'?" in result.stderr


def test_client_commands_start_without_what_only_the_daemon_needs() -> None:
    code = (
        "import sys, json; from les_hooks.cli import cli\n"
        "cli(['leader', '--socket', '/nowhere'], standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    loaded = set(json.loads(result.stdout))
    assert not loaded & {"asyncio", "aiohttp", "structlog", "pluggy", "importlib.metadata"}
