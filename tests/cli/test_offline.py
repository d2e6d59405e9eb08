"""The commands that read files: check, hooks, plugins, config, audit, history."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from les_hooks.cli import cli
from les_hooks.config import load_config, schema, show
from les_hooks.security import Secrets, new_secret, write_secrets
from tests.cli.conftest import Les
from tests.cluster import Daemon, free_ports
from tests.needs import need_root


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Daemon]:
    """A node that is never started, with a script."""
    (port,) = free_ports(1)
    daemon = Daemon(tmp_path / "a", port, [port])
    daemon.script("elected", "10-hello", 'echo "hello $LES_TERM $LES_REASON $LES_REPLAY"; echo oops >&2')
    yield daemon
    assert daemon.process is None


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_finds_nothing_wrong_and_changes_nothing(node: Daemon) -> None:
    result = Les(node.config)("check")
    assert (result.exit_code, result.stderr) == (0, "")
    security, *areas = result.stdout.splitlines()
    assert security == "security: open: loopback only"
    assert [line.rpartition(": ")[2] for line in areas] == ["ok"] * 4
    assert not (node.folder / "state").exists()
    told = {"ok": True, "source": str(node.config), "security": "open: loopback only", "findings": []}
    assert Les(node.config).json("check") == told


def test_check_says_what_keeps_strangers_out_and_when_it_cannot_be_used(node: Daemon) -> None:
    secret = node.folder / "secret"
    node.config.write_text(f'{node.config.read_text()}\n[security]\nsecret_file = "{secret}"\n')
    made = Secrets(accepted=(new_secret(),))
    write_secrets(secret, made)
    assert Les(node.config).json("check")["security"] == f"secret ({made.fingerprints[0]})"
    secret.chmod(0o644)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert result.stdout.startswith("security: secret, whose files cannot be used here\n")
    assert "if nobody has seen it, else do so and replace it: `les secret rotate" in result.stdout


def test_check_tells_how_long_hooks_of_a_leader_may_take_that_is_cut_off(node: Daemon) -> None:
    """Nothing is wrong with a longer limit: a leader that is not cut off has all of it."""
    voters = f'[cluster]\nquorum = "majority"\nvoters = ["{node.address}", "127.0.0.1:1", "127.0.0.1:2"]'
    text = node.config.read_text().replace("[cluster]", voters).replace("[timing]", '[timing]\nlease = "6s"')
    node.config.write_text(f'{text}\n[plugins.scripts]\ntimeout = "2100ms"\n')
    told = Les(node.config).json("check")["findings"]
    assert [(finding["message"], finding["problem"]) for finding in told] == [
        (
            'plugins.scripts.timeout: "2100ms" is more than a leader has that is cut off: its demote hooks are told to '
            'end after 1.5 s, a quarter of timing.lease; lease = "8400ms" would let them have all of it',
            False,
        ),
        (
            "the demote hooks of a leader that is cut off are told to end after 1.5 s, and are gone after 2 s, a "
            "quarter and a third of timing.lease",
            False,
        ),
    ]
    node.config.write_text(node.config.read_text().replace("2100ms", "1500ms"))
    assert len(Les(node.config).json("check")["findings"]) == 1


def test_check_complains_of_scripts_that_would_be_skipped(node: Daemon) -> None:
    node.script("elected", "20-off", "true").chmod(0o644)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert "20-off: skipped: is not executable; chmod +x" in result.stdout


def test_check_complains_of_a_file_that_anybody_could_write(node: Daemon) -> None:
    node.config.chmod(0o666)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert f"can be written by anybody, and says what the daemon runs; run `chmod o-w {node.config}`" in result.stdout


def test_check_complains_of_plugins_seeds_ports_and_folders(node: Daemon) -> None:
    text = node.config.read_text().replace("seeds = [", 'seeds = ["nowhere.invalid:1", ')
    node.config.write_text(text + "[plugins.nosuch]\n[log]\naudit = 'les.toml/audit.jsonl'\n")
    host, port = node.address.split(":")
    with socket.create_server((host, int(port))):
        result = Les(node.config)("check", "--json")
    assert result.exit_code == 1
    found = {finding["what"]: finding["message"] for finding in json.loads(result.stdout)["findings"]}
    assert "pip install les-hooks-nosuch" in found["nosuch"]
    assert "cannot be looked up" in found["seed nowhere.invalid:1"]
    assert found[f"bind {node.address}"] == "Address already in use"
    assert found[f"audit {node.config}"] == f"{node.config} is no folder"


def test_check_complains_of_a_table_whose_backend_is_not_asked(node: Daemon) -> None:
    with node.config.open("a") as file:
        file.write('[plugins.etcd]\nendpoints = ["http://127.0.0.1:1"]\n')
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert 'etcd: does nothing, as leaders come from backend = "peers"; set backend = "etcd"' in result.stdout


def test_check_complains_of_a_port_of_the_page_that_another_has(node: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        node.config.write_text(f'{node.config.read_text()}[http]\nlisten = "{address}"\n')
        (found,) = json.loads(Les(node.config)("check", "--json").stdout)["findings"]
    assert found["what"] == f"[http] port {address}"
    assert "another process listens there" in found["message"]


def test_a_token_that_systemd_hands_over_later_is_not_missed_before(node: Daemon) -> None:
    token = "/run/credentials/les-of-nobody.service/http-token"
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    node.config.write_text(f'{node.config.read_text()}[http]\nlisten = "{listen}"\ntoken_file = "{token}"\n')
    assert [(one["what"], one["problem"]) for one in Les(node.config).json("check")["findings"]] == [
        (f"[http] token_file {token}", False)
    ]


def test_a_note_of_a_plugin_is_told_and_is_no_problem(node: Daemon) -> None:
    node.config.write_text(f'{node.config.read_text()}[plugins.checks]\ncheck = [{{interface = "nosuch0"}}]\n')
    assert [(one["what"], one["message"], one["problem"]) for one in Les(node.config).json("check")["findings"]] == [
        ("checks", "interface nosuch0: there is no such interface at present", False)
    ]


def test_what_is_advised_is_told_and_is_no_problem(node: Daemon) -> None:
    text = node.config.read_text().replace("[cluster]\n", '[cluster]\nquorum = "majority"\nvoters = ["127.0.0.1:1"]\n')
    node.config.write_text(text)
    result = Les(node.config)("check")
    assert result.exit_code == 0
    assert f"{node.config}:7:1: cluster.voters: nobody leads when the only voter is lost" in result.stdout
    found = Les(node.config).json("check")["findings"]
    # Its own vote is missing, too, and its hooks may take longer than it has to demote.
    assert [(finding["area"], finding["problem"]) for finding in found] == [("configuration", False)] * 3


def test_check_says_that_a_node_would_not_start_with_two_voters_changed(node: Daemon) -> None:
    text = node.config.read_text().replace(
        "[cluster]\n", f'[cluster]\nquorum = "majority"\nvoters = ["{node.address}"]\n'
    )
    node.config.write_text(text)
    (node.folder / "state").mkdir()
    (node.folder / "state" / "voters.json").write_text('{"version": 1, "voters": ["127.0.0.1:1"]}')
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert f"by +{node.address}, -127.0.0.1:1, and only one voter may change at a time" in result.stdout


@pytest.mark.parametrize(
    ("content", "why"),
    [("{", "is damaged ("), ('{"version": 2}', "was written by a newer les-hooks (version 2); install that one again")],
)
def test_check_complains_of_a_state_that_a_start_would_refuse(node: Daemon, content: str, why: str) -> None:
    (node.folder / "state").mkdir()
    file = node.folder / "state" / "state.json"
    file.write_text(content)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert f"{file}: {why}" in result.stdout
    assert f"{file}: {why.partition(';')[0]}" in node.les("run").stderr


def test_on_a_witness_everybody_says_why_nothing_is_loaded(node: Daemon) -> None:
    node.config.write_text(node.config.read_text().replace("[cluster]\n", '[cluster]\nrole = "witness"\n'))
    les, why = Les(node.config), "this node is a witness, which loads no plugins and runs no hooks"
    checked = les("check")
    assert (checked.exit_code, f"none is loaded: {why}" in checked.stdout) == (0, True)
    assert {plugin["why"] for plugin in les.json("plugins", "list")["plugins"] if plugin["state"] == "disabled"} == {
        why
    }
    for words in (("hooks", "list"), ("hooks", "check")):
        told = les(*words)
        assert (told.exit_code, told.stdout) == (0, f"{why}\n")
    refused = les("hooks", "run", "elected")
    assert refused.exit_code == 1
    assert f"the plugin scripts does not run: {why}" in refused.stderr


def test_check_complains_of_a_state_directory_that_the_daemon_would_refuse(node: Daemon) -> None:
    (node.folder / "state").mkdir()
    (node.folder / "state").chmod(0o777)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert "can be written by anybody; run `chmod o-w" in result.stdout


@pytest.mark.parametrize("command", ["run", "cleanup"])
def test_the_state_of_another_user_is_a_matter_of_permission(node: Daemon, command: str) -> None:
    need_root()
    state = node.folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    result = node.les(command)
    assert result.returncode == 77, result.stderr
    assert "belongs to uid 65534" in result.stderr


def test_check_complains_of_another_node_at_its_control_socket(node: Daemon, leader: Daemon) -> None:
    text = node.config.read_text().replace('state_dir = "state"', f'state_dir = "{leader.folder / "state"}"')
    node.config.write_text(text)
    result = Les(node.config)("check")
    assert result.exit_code == 1
    assert f"another node answers there: {leader.name} ({leader.address}, process" in result.stdout
    assert "give each a [node] state_dir of its own" in result.stdout


def test_a_change_that_waits_for_the_next_start_is_no_other_node(leader: Daemon) -> None:
    found = json.loads(Les(leader.config)("check", "--name", "renamed", "--json").stdout)["findings"]
    (finding,) = [finding for finding in found if finding["what"].startswith("control socket")]
    assert "was started before this file was changed" in finding["message"]
    assert not finding["problem"]


def test_check_tells_every_mistake_of_the_configuration_as_json_too(tmp_path: Path) -> None:
    broken = tmp_path / "les.toml"
    broken.write_text('[node]\nnam = "x"\n[timing]\nheartbeat = "1s"\n')
    result = Les(broken)("check", "--json")
    assert result.exit_code == 78
    findings = json.loads(result.stdout)["findings"]
    assert [finding["what"] for finding in findings] == [f"{broken}:2:1", f"{broken}:4:1"]


def test_check_takes_the_flags_of_run(node: Daemon) -> None:
    result = Les(node.config)("check", "--advertise-addr", "nowhere.invalid")
    assert result.exit_code == 1
    assert "advertise nowhere.invalid:" in result.stdout


# -- hooks -------------------------------------------------------------------------------------------------------------


def test_hooks_list_shows_each_file_with_its_order_verdict_and_reason(node: Daemon) -> None:
    node.script("elected", "20-off", "true").chmod(0o644)
    node.script("", "30-always", "true")
    result = Les(node.config)("hooks", "list")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["EVENT", "#", "SCRIPT", "VERDICT", "LAST", "RUN,", "OR", "WHY", "NOT"]
    assert [row.split()[:3] for row in rows if "elected" in row] == [
        ["elected", "1", "10-hello"],
        ["elected", "-", "20-off"],
    ]
    assert any(row.startswith("(every event)  1  30-always  runs") for row in rows)
    assert "no daemon answers" in result.stderr
    listed = Les(node.config).json("hooks", "list")
    assert listed["daemon"] is False
    assert {entry["verdict"] for entry in listed["hooks"]} == {"runs", "skipped"}


def test_hooks_list_of_a_daemon_has_the_last_runs(leader: Daemon) -> None:
    listed = Les(leader.config).json("hooks", "list")
    assert listed["daemon"] is True
    (hello,) = (entry for entry in listed["hooks"] if entry["path"].endswith("10-hello"))
    assert hello["last_runs"][0]["outcome"] == "success"
    assert "success in" in Les(leader.config)("hooks", "list").stdout


def test_hooks_check_fails_if_a_file_would_be_skipped(node: Daemon, leader: Daemon) -> None:
    assert Les(node.config)("hooks", "check").stdout == "every script would run\n"
    result = Les(leader.config)("hooks", "check")
    assert result.exit_code == 1
    assert "notes.bak: skipped: looks like what an editor or a packager left behind" in result.stdout


def test_hooks_run_runs_the_scripts_with_a_sample_event(node: Daemon) -> None:
    result = Les(node.config)("hooks", "run", "elected")
    assert result.exit_code == 0
    assert "10-hello | hello 1 operator 1" in result.stdout
    assert "10-hello | oops" in result.stdout
    (run,) = Les(node.config).json("hooks", "run", "elected")
    assert (run["outcome"], run["exit_code"]) == ("success", 0)
    assert sorted(run["output"]) == [["stderr", "oops"], ["stdout", "hello 1 operator 1"]]


def test_hooks_run_gives_a_script_no_more_grace_than_the_daemon_would(node: Daemon) -> None:
    node.script("elected", "20-deaf", "trap '' TERM; sleep 60 & sleep 60; sleep 60")
    node.config.write_text(node.config.read_text() + '[plugins.scripts]\ntimeout = "100ms"\ngrace = "100ms"\n')
    result = Les(node.config)("hooks", "run", "elected", "--script", "20-deaf", "--json")
    (run,) = json.loads(result.stdout)
    assert run["outcome"] == "timeout"
    assert run["duration_ms"] < 4000


def test_hooks_run_fails_with_a_script_that_fails_and_runs_one_alone_when_asked(node: Daemon) -> None:
    node.script("elected", "20-fails", "exit 3")
    result = Les(node.config)("hooks", "run", "elected")
    assert result.exit_code == 1
    assert "20-fails: failure" in result.stdout
    assert Les(node.config)("hooks", "run", "elected", "--script", "10-hello").exit_code == 0
    absent = Les(node.config)("hooks", "run", "elected", "--script", "10-helo")
    assert absent.exit_code == 1
    assert "those that do: 10-hello, 20-fails" in absent.stderr


def test_hooks_run_dry_shows_arguments_environment_and_input_and_runs_nothing(node: Daemon) -> None:
    ran = node.folder / "ran"
    node.script("elected", "10-hello", f"touch {ran}")
    shown = Les(node.config)("hooks", "run", "elected", "--dry-run").stdout
    assert f"argv   {node.folder}/hooks.d/elected.d/10-hello elected" in shown
    assert f"LES_LEADER={node.address}" in shown
    assert '"reason":"operator","replay":true}' in shown
    (called,) = Les(node.config).json("hooks", "run", "elected", "--dry-run")
    assert json.loads(called["stdin"])["kind"] == called["env"]["LES_EVENT"] == "elected"
    assert not ran.exists()


def test_hooks_run_uses_the_term_and_members_of_a_daemon(leader: Daemon, follower: Daemon) -> None:
    (_, hello) = Les(follower.config).json("hooks", "run", "elected", "--dry-run")
    assert hello["env"]["LES_MEMBERS"].split() == [leader.address, follower.address]
    assert hello["env"]["LES_LEADER"] == follower.address


def test_hooks_run_of_an_unknown_event_is_a_usage_error(node: Daemon) -> None:
    assert Les(node.config)("hooks", "run", "crowned").exit_code == 2


# -- plugins and configuration -----------------------------------------------------------------------------------------


def test_plugins_list_tells_loaded_from_failed_and_why(node: Daemon, leader: Daemon) -> None:
    node.config.write_text(node.config.read_text() + "[plugins.nosuch]\n")
    listed = Les(node.config).json("plugins", "list")
    assert listed["daemon"] is False
    states = {plugin["name"]: plugin["state"] for plugin in listed["plugins"]}
    assert (states["scripts"], states["nosuch"]) == ("loaded", "failed")
    assert "is not installed; try: pip install les-hooks-nosuch" in Les(node.config)("plugins", "list").stdout
    assert Les(leader.config).json("plugins", "list")["daemon"] is True


def test_config_show_prints_what_is_in_force_and_where_it_comes_from(node: Daemon) -> None:
    lines = Les(node.config)("config", "show").stdout.splitlines()
    assert 'node.name = "a"' in lines
    assert len({line.partition(" ")[0] for line in lines}) == len(lines)
    with_origin = Les(node.config)("config", "show", "--origin").stdout
    assert f"{node.config}:2:1" in with_origin
    shown = Les(node.config).json("config", "show")
    assert {item["key"] for item in shown} >= {setting.key for setting in show(load_config(node.config))}


def test_config_schema_is_the_schema_of_the_file_with_the_defaults_of_installed_plugins() -> None:
    shown = json.loads(CliRunner().invoke(cli, ["config", "schema"]).stdout)
    plugins = shown["properties"]["plugins"].pop("properties")
    assert plugins["vip"]["properties"]["critical"]["default"] is True
    bare: Any = schema()
    del bare["properties"]["plugins"]["properties"]
    assert shown == bare
