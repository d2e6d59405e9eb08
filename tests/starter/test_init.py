"""`les init` as a user calls it: what it writes is valid, and nothing of the user's is touched."""

import json
import os
import re
import stat
import sysconfig
from pathlib import Path

import click.testing
import msgspec
import pytest
import tomli

from les_hooks.cli import cli
from les_hooks.cli import init as init_command
from les_hooks.cli.program import program
from les_hooks.config import advice, key_help, load_config, show
from les_hooks.daemon import load_config as load_with_plugins
from les_hooks.errors import StartError
from les_hooks.events import EventKind
from les_hooks.security import read_secrets
from les_hooks.starter import NewFile, needs_of, scripts, unit_file, write_all
from les_plugins.scripts import ScriptsConfig
from tests.cluster import Cluster
from tests.starter.test_unit import NEEDS

CHECKOUT = Path(__file__).parents[2]


def init(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["init", *arguments])


def test_a_new_folder_is_a_valid_node(tmp_path: Path) -> None:
    assert init(str(tmp_path)).exit_code == 0
    config = load_config(tmp_path / "les.toml")
    assert config.hooks.dir == tmp_path / "hooks.d"
    assert config.node.state_dir == tmp_path / "state"
    assert [s.key for s in show(config) if s.origin.startswith(str(tmp_path))] == ["node.state_dir"]


def test_three_folders_of_one_machine_are_one_cluster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 3)
    seeds = ",".join(daemon.address for daemon in cluster.daemons)
    for daemon in cluster.daemons:
        made = init(str(daemon.folder), "--name", daemon.name, "--bind", daemon.address, "--seeds", seeds, "--force")
        assert made.exit_code == 0, made.output
        assert daemon.les("check").returncode == 0, daemon.les("check").stdout
    with cluster:
        leader = cluster.wait_leader()
        assert [daemon.status()["leader"] for daemon in cluster.daemons] == [leader.address] * 3
        for daemon in cluster.daemons:
            checked = daemon.les("check")
            assert checked.returncode == 0, checked.stdout


def test_the_folder_of_the_unit_leaves_the_state_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(init_command, "_SYSTEM_FOLDER", tmp_path)
    result = init(str(tmp_path))
    assert "state_dir" not in result.stderr
    assert "\n#state_dir =" in (tmp_path / "les.toml").read_text(encoding="utf-8")
    environ = {"STATE_DIRECTORY": "/var/lib/les"}
    assert load_config(tmp_path / "les.toml", environ=environ).node.state_dir == Path("/var/lib/les")


def test_the_tight_unit_and_a_state_of_ones_own_do_not_go_together(tmp_path: Path) -> None:
    assert "take state_dir out of" in init(str(tmp_path / "tight")).stderr
    assert "state_dir" not in init(str(tmp_path / "relaxed"), "--root-scripts").stderr


@pytest.mark.parametrize("flags", [(), ("--root-scripts", "--bind", "127.0.0.1:4567", "--seeds", "127.0.0.1:4568")])
def test_les_check_has_nothing_to_say_about_it(tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert init(str(tmp_path), *flags).exit_code == 0
    result = click.testing.CliRunner().invoke(
        cli, ["check", "-c", str(tmp_path / "les.toml")], env={"STATE_DIRECTORY": str(tmp_path / "state")}
    )
    assert result.exit_code == 0, result.output


def test_flags_are_written_down(tmp_path: Path) -> None:
    seeds = "10.0.0.1:4000, b.example.org:4000"
    result = init(str(tmp_path / "etc" / "les"), "--name", "a-1", "--bind", "10.0.0.1:4000", "--seeds", seeds)
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "etc" / "les" / "les.toml")
    assert (config.node.name, config.node.bind) == ("a-1", "10.0.0.1:4000")
    assert config.cluster.seeds == ("10.0.0.1:4000", "b.example.org:4000")


def test_voters_and_a_witness_are_written_down(tmp_path: Path) -> None:
    voters = "10.0.0.1:4000,10.0.0.2:4000,10.0.0.3:4000"
    result = init(str(tmp_path), "--bind", "10.0.0.3:4000", "--voters", voters, "--witness")
    assert result.exit_code == 0, result.output
    assert "hooks.d" not in result.stdout
    assert not (tmp_path / "hooks.d").exists()
    cluster = load_config(tmp_path / "les.toml").cluster
    assert (cluster.quorum, cluster.role) == ("majority", "witness")
    assert cluster.voters == cluster.seeds == tuple(voters.split(","))


def test_an_observer_is_written_down_beside_voters_and_without_any(tmp_path: Path) -> None:
    assert init(str(tmp_path / "votes"), "--voters", "127.0.0.1:4001", "--observer").exit_code == 0
    assert init(str(tmp_path / "members"), "--seeds", "127.0.0.1:4001", "--observer").exit_code == 0
    assert (tmp_path / "members" / "hooks.d" / "leader-changed.d").is_dir()
    made = [load_config(tmp_path / name / "les.toml").cluster for name in ("votes", "members")]
    assert [(cluster.quorum, cluster.role) for cluster in made] == [("majority", "observer"), ("members", "observer")]


def test_addresses_are_written_down_and_the_unit_lets_them_move(tmp_path: Path) -> None:
    flags = ("--vip", "10.0.0.100/24", "--vip", "fd00::100/64 dev eth1", "--interface", "eth0")
    assert init(str(tmp_path), *flags).exit_code == 0
    config = load_with_plugins(tmp_path / "les.toml").plugins["vip"]
    assert config.own == {"addresses": ["10.0.0.100/24", "fd00::100/64 dev eth1"], "interface": "eth0"}
    assert needs_of(config.config) == NEEDS["vip"]
    assert (tmp_path / "les.service").read_text(encoding="utf-8") == unit_file(
        program(), tmp_path / "les.toml", root_scripts=False, needs=NEEDS
    )


def test_nodes_that_meet_in_etcd_have_a_name_and_neither_port_nor_secret(tmp_path: Path) -> None:
    etcd = "http://10.0.0.8:2379,http://10.0.0.9:2379"
    assert init(str(tmp_path), "--etcd", etcd, "--advertise", "10.0.0.1:4000", "--observer").exit_code == 0
    config = load_with_plugins(tmp_path / "les.toml")
    assert (config.cluster.backend, config.cluster.role, config.node.advertise) == ("etcd", "observer", "10.0.0.1:4000")
    assert config.plugins["etcd"].own == {"endpoints": etcd.split(",")}
    assert advice(config) == ()
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (("--etcd", "http://a:2379"), "--etcd goes with --advertise"),
        (("--etcd", "http://a:2379", "--bind", "10.0.0.1:4000"), "--bind is for nodes that reach each other"),
        (("--etcd", "http://a:2379", "--seeds", "a:4000", "--voters", "a:4000"), "--seeds, --voters is for nodes"),
        (("--etcd", "http://a:2379", "--insecure"), "--insecure is for nodes that reach each other"),
        (("--etcd", "http://a:2379", "--advertise", "a:1", "--witness"), "--witness is for nodes that vote"),
        (("--interface", "eth0"), "--interface goes with --vip"),
        (("--vip", "10.0.0.100/24", "--observer"), "no address ever comes to a node with --observer"),
        (("--vip", "10.0.0.100/24", "--witness", "--voters", "127.0.0.1:4000"), "comes to a node with --witness"),
        (("--witness", "--seeds", "127.0.0.1:4001"), "--witness goes with --voters"),
        (("--witness", "--observer", "--voters", "127.0.0.1:4000"), "not both"),
    ],
)
def test_roles_that_make_no_sense_are_refused(tmp_path: Path, flags: tuple[str, ...], advice: str) -> None:
    result = init(str(tmp_path / "new"), *flags)
    assert result.exit_code == 2
    assert advice in result.stderr
    assert not (tmp_path / "new").exists()


def test_an_address_that_others_reach_gets_a_secret_that_the_unit_hands_over(tmp_path: Path) -> None:
    result = init(str(tmp_path), "--bind", "10.0.0.1:4000")
    config, secret = load_config(tmp_path / "les.toml"), tmp_path / "secret"
    assert config.security.secret_file == secret
    assert not config.security.insecure
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    (made,) = read_secrets(secret).accepted
    assert f"LoadCredential=les-secret:{secret}" in (tmp_path / "les.service").read_text(encoding="utf-8")
    assert f"scp -p {secret} NODE:{secret}" in result.stdout
    assert made.reveal() not in result.output


def test_a_secret_that_was_copied_from_the_first_node_is_kept(tmp_path: Path) -> None:
    init(str(tmp_path), "--bind", "10.0.0.1:4000")
    held = read_secrets(tmp_path / "secret")
    result = init(str(tmp_path), "--bind", "10.0.0.2:4000", "--force")
    assert read_secrets(tmp_path / "secret") == held
    assert "scp" not in result.stdout
    assert f"takes {tmp_path / 'secret'}: the secret that is there, {held.fingerprints[0]}\n" in result.stdout
    (tmp_path / "secret").write_text("cut", encoding="utf-8")
    result = init(str(tmp_path), "--bind", "10.0.0.2:4000", "--force")
    assert result.exit_code == 78
    assert "a secret in it has 3 characters" in result.stderr


def test_an_address_that_others_reach_may_do_without_by_a_flag_that_says_so(tmp_path: Path) -> None:
    result = init(str(tmp_path), "--bind", "10.0.0.1:4000", "--insecure")
    assert load_config(tmp_path / "les.toml").security.insecure
    assert "whoever reaches 10.0.0.1:4000 can become the leader" in result.stderr
    assert "ANYBODY" in (tmp_path / "les.toml").read_text(encoding="utf-8")
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--bind", "0.0.0.0:4000"), "advertise"),
        (("--bind", "nowhere"), "--bind: node.bind:"),
        (("--name", "a b"), "--name: node.name:"),
        (("--seeds", "x"), "--seeds: cluster.seeds"),
        (("--vip", "10.0.0.100/24"), "--vip: plugins.vip: has no interface for 10.0.0.100"),
        (("--vip", "10.0.0.100", "--interface", "eth0"), "--vip: plugins.vip.addresses[0]: "),
        (("--vip", "10.0.0.100/24", "--interface", "e/0"), "--interface: plugins.vip.interface: "),
        (("--etcd", "http://a", "--advertise", "a:1"), "--etcd: plugins.etcd.endpoints[0]: "),
        (("--etcd", "http://a:1", "--advertise", "a"), "--advertise: node.advertise: "),
        (("--voters", "127.0.0.1:4001", "--witness"), "--witness: cluster.role: a witness does nothing but vote"),
        (("--voters", "127.0.0.1:4000", "--observer"), "--observer: cluster.role: an observer has no vote"),
    ],
)
def test_flags_that_would_be_no_configuration_write_nothing(
    tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    result = init(str(tmp_path / "new"), *flags)
    assert result.exit_code == 78
    assert message in result.stderr
    assert not (tmp_path / "new").exists()


def test_every_key_is_in_the_file_with_its_default(tmp_path: Path) -> None:
    init(str(tmp_path))
    text = (tmp_path / "les.toml").read_text(encoding="utf-8")
    for key in key_help():
        name = key.key.rpartition(".")[2]
        if key.key == "node.state_dir":
            assert '\nstate_dir = "state"\n' in text
            continue
        assert f"\n#{name} =" in text if key.derived else f"\n#{name} = {key.default.strip('`')}\n" in text


def test_the_defaults_that_it_shows_hold_without_them(tmp_path: Path) -> None:
    init(str(tmp_path))
    path = tmp_path / "les.toml"
    before = show(load_with_plugins(path))
    text = path.read_text(encoding="utf-8")
    # Not the table whose keys have no default.
    path.write_text(re.sub(r"(?m)^#([a-z_]+ = |\[plugins)", r"\1", text), encoding="utf-8")
    set_there = tomli.loads(path.read_text(encoding="utf-8"))
    assert set_there["timing"]["failure"] == "1500ms"
    after = show(load_with_plugins(path))
    assert [(setting.key, setting.value) for setting in after] == [(s.key, s.value) for s in before]


def test_the_keys_of_the_bundled_plugin_are_in_the_file_and_on_the_page(tmp_path: Path) -> None:
    init(str(tmp_path))
    text = (tmp_path / "les.toml").read_text(encoding="utf-8")
    page = (CHECKOUT / "docs" / "configuration.md").read_text(encoding="utf-8")
    given = {"dir", "timeout"}
    own = [field for field in msgspec.structs.fields(ScriptsConfig) if field.name not in given]
    assert [field.name for field in own] == ["grace", "path"]
    for field in own:
        value = "5s" if field.name == "grace" else field.default
        assert f'\n#{field.name} = "{value}"\n' in text
        assert f'\n{field.name} = "{value}" ' in page


def test_a_group_that_may_ask_gets_a_socket_that_it_can_reach(tmp_path: Path) -> None:
    assert init(str(tmp_path), "--control-group", "ops").exit_code == 0
    config = load_with_plugins(tmp_path / "les.toml")
    assert (config.control.group, config.control.socket) == ("ops", Path("/run/les/control.sock"))
    unit = (tmp_path / "les.service").read_text(encoding="utf-8")
    assert "\nRuntimeDirectory=les\nSupplementaryGroups=ops\n" in unit


def test_what_is_there_is_never_replaced_without_force(tmp_path: Path) -> None:
    mine = tmp_path / "hooks.d" / "README.md"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    result = init(str(tmp_path))
    assert result.exit_code == 1
    assert str(mine) in result.stderr
    assert "--force" in result.stderr
    assert mine.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hooks.d"]

    script = tmp_path / "hooks.d" / "elected.d" / "mine"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    assert init(str(tmp_path), "--force").exit_code == 0
    assert mine.read_text(encoding="utf-8") != "mine"
    assert script.exists()


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "les"
    folder.mkdir()
    (folder / "les.toml").symlink_to(elsewhere)
    assert init(str(folder)).exit_code == 1, "a link to nothing is something"
    assert init(str(folder), "--force").exit_code == 0
    assert not elsewhere.exists()


def test_scripts_come_for_every_event_and_none_can_run(tmp_path: Path) -> None:
    old = os.umask(0o002)
    try:
        init(str(tmp_path / "les"))
    finally:
        os.umask(old)
    hooks = tmp_path / "les" / "hooks.d"
    folders = {path.name for path in hooks.iterdir() if path.is_dir()}
    assert folders == {f"{kind}.d" for kind in EventKind}
    files = [path for path in hooks.rglob("*") if path.is_file()]
    samples = {path.name for path in (CHECKOUT / "hooks.d").iterdir() if path.name != "README.md"}
    assert {path.name for path in files} == {"README.md", *(f"{name}.disabled" for name in samples)}
    assert all(not path.stat().st_mode & 0o111 for path in files)
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o022 for path in [hooks, *hooks.rglob("*")]), "umask 002"
    readme = (hooks / "README.md").read_text(encoding="utf-8")
    assert all(f"`{kind}.d`" in readme for kind in EventKind)


def test_an_installed_package_has_the_samples_as_shared_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "share" / "les-hooks" / "hooks.d"
    shared.mkdir(parents=True)
    (shared / "README.md").touch()
    monkeypatch.setattr(scripts, "_DISTRIBUTION", "les-hooks-of-which-there-is-none")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path) if name == "data" else "")
    assert scripts.samples_folder() == shared


def test_machines_get_json(tmp_path: Path) -> None:
    written = json.loads(init(str(tmp_path), "--json").stdout)
    assert written["ok"]
    assert str(tmp_path / "les.toml") in written["written"]
    refused = init(str(tmp_path), "--json")
    assert refused.exit_code == 1
    assert str(tmp_path / "les.service") in json.loads(refused.stdout)["exists"]


def test_root_scripts_gives_the_relaxed_unit(tmp_path: Path) -> None:
    init(str(tmp_path), "--root-scripts")
    text = (tmp_path / "les.service").read_text(encoding="utf-8")
    assert "DynamicUser=no" in text
    assert f"-c {tmp_path / 'les.toml'}" in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"file/les\.toml: cannot be written"):
        write_all([NewFile(path=tmp_path / "file" / "les.toml", text="")])
