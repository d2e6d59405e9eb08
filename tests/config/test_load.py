"""Finding and reading `les.toml`, and the defaults of what it does not say."""

import os
from pathlib import Path

import pytest

from les_hooks.config import Config, load_config
from les_hooks.errors import ConfigError
from tests.config.conftest import Load, Problems

SAMPLE = """\
[node]
name = "a"
bind = "0.0.0.0:4000"
advertise = "10.0.0.1:4000"
state_dir = "/var/lib/les"

[cluster]
name = "web"
seeds = ["10.0.0.1:4000", "10.0.0.2:4000", "[2001:db8::3]:4000", "Web-4.example:4000"]
quorum = "members"

[timing]
heartbeat = "250ms"
failure = "1s"
settle = "0s"
hold = "1m"
retry = "2s"
loop_rate = "10s"

[security]
insecure = true

[hooks]
dir = "scripts"
timeout = "10s"

[plugins.vip]
critical = true
addresses = ["10.0.0.100/24"]

[control]
socket = "run/les.sock"

[log]
format = "json"
level = "debug"
audit = "/var/log/les.jsonl"
"""


def test_every_key_reaches_its_place(load: Load, tmp_path: Path) -> None:
    config = load(SAMPLE)
    assert config.node.name == "a"
    assert config.node.listen == ("0.0.0.0", 4000)
    assert config.node.advertise == "10.0.0.1:4000"
    assert config.node.state_dir == Path("/var/lib/les")
    assert config.cluster.name == "web"
    assert config.cluster.seeds[2:] == ("[2001:db8::3]:4000", "web-4.example:4000")
    timing = config.timing
    assert (timing.heartbeat, timing.failure, timing.settle) == (0.25, 1.0, 0.0)
    assert (timing.hold, timing.retry, timing.loop_rate) == (60.0, 2.0, 10.0)
    assert config.security.insecure
    assert (config.hooks.dir, config.hooks.timeout) == (tmp_path / "scripts", 10.0)
    assert config.control.socket == tmp_path / "run/les.sock"
    assert (config.log.format, config.log.level, config.log.audit) == ("json", "debug", Path("/var/log/les.jsonl"))
    vip = config.plugins["vip"]
    assert (vip.enabled, vip.critical, vip.timeout, vip.order) == (True, True, 10.0, 0)
    assert dict(vip.own) == {"addresses": ["10.0.0.100/24"]}
    assert (config.source, config.base) == (Path("les.toml"), tmp_path)


def test_an_empty_file_is_all_defaults_and_scripts_is_on(load: Load, tmp_path: Path) -> None:
    config = load("")
    state = Path("/home/u/.local/state/les/host.example")
    assert (config.node.name, config.node.state_dir) == ("host.example", state)
    assert config.node.bind == config.node.advertise == "127.0.0.1:4000"
    assert (config.cluster.name, config.cluster.seeds, config.cluster.quorum) == ("les", (), "members")
    assert (config.timing.heartbeat, config.timing.failure, config.timing.hold) == (0.5, 1.5, 30.0)
    assert config.hooks.dir == tmp_path / "hooks.d"
    assert config.control.socket == state / "control.sock"
    assert config.log.audit == state / "audit.jsonl"
    assert list(config.plugins) == ["scripts"]
    assert config.plugins["scripts"].enabled


def test_a_host_name_that_is_no_name_is_made_one(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "my host\x1b[31m\n")
    assert load("").node.name == "my-host-31m"


def test_the_state_directory_is_what_systemd_made(load: Load) -> None:
    config = load("", environ={"STATE_DIRECTORY": "/var/lib/les/a:/var/lib/other"})
    assert config.node.state_dir == Path("/var/lib/les/a")
    assert config.origins["node.state_dir"] == "$STATE_DIRECTORY"


def test_roots_state_is_under_var(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load("").node.state_dir == Path("/var/lib/les")


def test_without_home_the_state_directory_must_be_set(problems: Problems) -> None:
    assert problems("", environ={}) == [
        "default: node.state_dir: has no default, for $HOME is not set; set state_dir to a folder of this node's own"
    ]


def test_a_relative_state_directory_in_the_environment_is_refused(problems: Problems) -> None:
    assert problems("", environ={"STATE_DIRECTORY": "les"}) == [
        '$STATE_DIRECTORY: node.state_dir: "les" is no absolute path; set state_dir instead'
    ]


def test_flags_win_over_the_file(load: Load) -> None:
    flags = {"cluster.seeds": (["10.0.0.9:4000"], "--seeds"), "node.bind": ("10.0.0.1:4001", "--bind-port")}
    config = load(SAMPLE, flags=flags)
    assert (config.cluster.seeds, config.node.bind) == (("10.0.0.9:4000",), "10.0.0.1:4001")
    assert config.origins["cluster.seeds"] == "--seeds"
    assert config.origins["cluster.name"] == "les.toml:8:1"


def test_flags_start_a_node_without_a_file(load: Load, tmp_path: Path) -> None:
    config = load(None, flags={"timing.loop_rate": ("2s", "--loop-rate")})
    assert (config.timing.loop_rate, config.source, config.base) == (2.0, None, tmp_path)


def test_a_problem_with_a_flag_names_the_flag(problems: Problems) -> None:
    assert problems(None, flags={"cluster.seeds": (["10.0.0.9:4000", "b"], "--seeds")}) == [
        '--seeds: cluster.seeds[1]: "b" is not host:port'
    ]


def test_neither_file_nor_flags_says_where_was_looked_and_what_to_do(problems: Problems) -> None:
    assert problems(None) == [
        "no configuration: there is neither les.toml nor etc/les.toml, and no flag was given; `les init` writes a file"
    ]


def test_the_second_place_is_read_when_the_first_has_no_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/les.toml").write_text('[hooks]\ndir = "h"\n')
    config = load(None)
    assert config.source == Path("etc/les.toml")
    assert config.hooks.dir == tmp_path / "etc/h"


def test_a_named_file_must_be_there_whatever_the_flags_say(tmp_path: Path) -> None:
    missing = tmp_path / "x.toml"
    with pytest.raises(ConfigError) as caught:
        load_config(missing, flags={"node.name": ("a", "--name")})
    assert str(caught.value) == f"{missing}: there is no such file; `les init` writes one"


def read_problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).removeprefix(str(path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert read_problem(tmp_path) == ": is not a file; give the path of the file itself"


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "les.toml")
    assert read_problem(tmp_path / "les.toml") == ": is not a file; give the path of the file itself"


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "les.toml").symlink_to("les.toml")
    assert read_problem(tmp_path / "les.toml") == ": cannot be read: Too many levels of symbolic links"
    assert read_problem(Path("a\0b")).endswith(": is no path")


def test_two_mebibytes_are_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "les.toml").write_bytes(b"#" * (2 << 20))
    assert read_problem(tmp_path / "les.toml") == ": is larger than 1 MiB, so it is hardly a configuration"


def test_bytes_that_are_not_utf8_are_shown_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "les.toml").write_bytes(b"# one\n# \xe4\n")
    assert read_problem(tmp_path / "les.toml") == ":2: is not UTF-8 from here on; save it as UTF-8"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[node\n", "les.toml:1:6: no TOML: expected ']' at the end of a table declaration"),
        ("[node]\nname = a\n", "les.toml:2:8: no TOML: invalid value"),
        ("a = 1\na = 2\nb = 3", "les.toml:2:6: no TOML: this key is set already"),
        ("[node]\n[node]\n", "les.toml:2:6: no TOML: cannot declare ('node',) twice"),
        ("a = " + "[" * 5000, "les.toml: has tables or lists more than 32 deep"),
        ("a = " + "[" * 40 + "]" * 40, "les.toml: has tables or lists more than 32 deep"),
        ("a." * 40 + "b = 1", "les.toml: has tables or lists more than 32 deep"),
        ("a = " + "9" * 5000, "les.toml: has a number with thousands of digits"),
    ],
)
def test_what_is_not_toml_is_one_problem_with_its_place(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_windows_files_and_unicode_have_the_same_places(problems: Problems) -> None:
    text = '\ufeff# hällo\r\n[node]\r\n  "näme" = 1\r\n'
    assert problems(text) == ["les.toml:3:3: node.\"näme\": unknown key; did you mean 'name'?"]


def test_a_configuration_cannot_be_changed(load: Load) -> None:
    config: Config = load(SAMPLE)
    with pytest.raises(AttributeError):
        config.node.name = "b"  # type: ignore[misc]  # this is what must fail
    with pytest.raises(TypeError):
        config.plugins["x"] = config.plugins["vip"]  # type: ignore[index]  # as above
