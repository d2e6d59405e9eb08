"""What can be wrong in `les.toml`: all of it is told at once, in the order of the file, in words that help."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from les_hooks.config import SecurityConfig, key_help, load_config, show
from les_hooks.errors import ConfigError
from tests.config.conftest import Load, Problems


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    text = """\
[log]
format = "jsn"
[hoks]
[timing]
heartbeat = "1s"
failure = 3
[hooks]
dir = "x"
timeout = "10s"
[node]
name = "two words"
seeds = []
[cluster]
seeds = ["10.0.0.1:4000", "::1:4000", 3]
[plugins.vip]
order = true
"""
    assert problems(text) == [
        'les.toml:2:1: log.format: expected "auto", "console" or "json", got "jsn"; did you mean "json"?',
        "les.toml:3:2: hoks: unknown table; did you mean 'hooks'?",
        'les.toml:6:1: timing.failure: expected a duration as a string, such as "30s", got a whole number',
        'les.toml:11:1: node.name: "two words" is no name; use 1 to 64 of the characters A-Z a-z 0-9 . _ -, '
        'such as "two-words"',
        "les.toml:12:1: node.seeds: unknown key; it belongs in [cluster]",
        'les.toml:14:27: cluster.seeds[1]: "::1:4000" writes an IPv6 address without brackets, or another one in them',
        'les.toml:14:39: cluster.seeds[2]: expected an address as a string, such as "10.0.0.1:4000", '
        "got a whole number",
        "les.toml:16:1: plugins.vip.order: expected a whole number, got true",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[hooks]\n\n\n\n\n\ntimout = "3s"', "7:1: hooks.timout: unknown key; did you mean 'timeout'?"),
        ("[control]\nxyz = 1", "2:1: control.xyz: unknown key; known here: socket, group"),
        ("seeds = []", "1:1: seeds: unknown key; it belongs in [cluster]"),
        (
            "x = 1",
            "1:1: x: unknown key; known here: node, cluster, timing, security, hooks, control, http, log, plugins",
        ),
        ("[[nodes]]", "1:3: nodes: unknown table; did you mean 'node'?"),
        ("node = 3", "1:1: node: expected a table, got a whole number"),
        ("[[node]]", "1:3: node: expected a table, got a list"),
        ("[node]\nname = 3", '2:1: node.name: expected a name as a string, such as "web-1", got a whole number'),
        ("[node]\nstate_dir = 1.5", "2:1: node.state_dir: expected a path as a string, got a number"),
        ('[node]\nstate_dir = ""', '2:1: node.state_dir: "" is no path'),
        (
            '[node]\nstate_dir = "~/les"',
            '2:1: node.state_dir: "~/les" starts with ~, which only a shell understands; write the whole path',
        ),
        ('[node]\nadvertise = "h:0"', '2:1: node.advertise: "h:0" has no port between 1 and 65535'),
        ('[node]\nadvertise = "[::]:1"', '2:1: node.advertise: "[::]:1" is not the address of one node'),
        (
            '[cluster]\nname = ".."',
            '2:1: cluster.name: ".." is no name; use 1 to 64 of the characters A-Z a-z 0-9 . _ -, such as "node"',
        ),
        ('[cluster]\nseeds = "10.0.0.1:4000"', "2:1: cluster.seeds: expected a list, got a string"),
        ("[cluster]\nseeds = {}", "2:1: cluster.seeds: expected a list, got a table"),
        (
            '[cluster]\nquorum = "majorty"',
            '2:1: cluster.quorum: expected "members" or "majority", got "majorty"; did you mean "majority"?',
        ),
        ("[cluster]\nquorum = false", '2:1: cluster.quorum: expected "members" or "majority", got false'),
        (
            '[cluster]\nrole = "voter"',
            '2:1: cluster.role: expected "member", "witness" or "observer", got "voter"',
        ),
        (
            "[cluster]\nalone_after = 60",
            '2:1: cluster.alone_after: expected a duration or "never" as a string, such as "60s", got a whole number',
        ),
        ("[security]\ninsecure = 1", "2:1: security.insecure: expected true or false, got a whole number"),
        ('[timing]\nretry = "0s"', '2:1: timing.retry: "0s" is too short; "1ms" is the least'),
        ('[timing]\nhold = "9000h"', '2:1: timing.hold: "9000h" is longer than a year'),
        (
            "[log]\nlevel = 1979-05-27",
            '2:1: log.level: expected "debug", "info", "warning" or "error", got a date or time',
        ),
        ("[plugins]\nvip = true", "2:1: plugins.vip: expected a table, got true"),
        ("plugins = []", "1:1: plugins: expected tables such as [plugins.vip], got a list"),
        ("[plugins.vip]\norder = 10000000", "2:1: plugins.vip.order: expected int <= 1000000"),
    ],
)
def test_each_problem_has_its_place_its_key_and_its_advice(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [f"les.toml:{problem}"]


def test_a_port_that_others_reach_wants_a_secret_certificates_or_a_line_that_says_so(
    problems: Problems, load: Load
) -> None:
    text = '[node]\nbind = "10.0.0.1:4000"\n'
    assert problems(text) == [
        'les.toml:2:1: node.bind: "10.0.0.1:4000" can be reached from other hosts, and whoever reaches it can take '
        "part and become the leader. Run `les secret new /etc/les/secret`, copy the file to every node and add the "
        "line 'secret_file = \"/etc/les/secret\"' under [security]; or make certificates with `les ca init` and "
        "`les ca issue`, for [security.tls]; or, where only hosts that you trust reach it, add 'insecure = true' there"
    ]
    for line in ("insecure = true", 'secret_file = "secret"', 'tls = {ca_file = "a", cert_file = "b", key_file = "c"}'):
        assert load(f"{text}[security]\n{line}").node.advertise == "10.0.0.1:4000"
    assert SecurityConfig(public=True).insecure is False


def test_certificates_are_three_files(problems: Problems) -> None:
    text = '[node]\nbind = "10.0.0.1:4000"\n[security.tls]\nca_file = "ca.crt"\nkei_file = 1\n'
    assert problems(text) == [
        "les.toml:3:11: security.tls.cert_file: is missing, and has no default",
        "les.toml:3:11: security.tls.key_file: is missing, and has no default",
        "les.toml:5:1: security.tls.kei_file: unknown key; did you mean 'key_file'?",
    ]


def test_a_secret_or_certificates_close_what_strangers_may_ask(load: Load) -> None:
    tls = '[security.tls]\nca_file = "a"\ncert_file = "b"\nkey_file = "c"\n'
    assert load("").security.public
    assert not load('[security]\nsecret_file = "secret"').security.public
    assert not load(tls).security.public
    assert load(f'[security]\npublic = true\nsecret_file = "secret"\n{tls}').security.public


def test_a_credential_of_systemd_takes_the_place_of_its_file(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "les-secret").touch()
    (folder / "les-key").touch()
    environ = {"HOME": "/home/u", "CREDENTIALS_DIRECTORY": str(folder)}
    text = '[security]\nsecret_file = "secret"\n[security.tls]\nca_file = "a"\ncert_file = "b"\nkey_file = "c"\n'
    config = load(text, environ=environ)
    assert config.security.secret_file == folder / "les-secret"
    assert config.origins["security.secret_file"] == "$CREDENTIALS_DIRECTORY"
    assert config.security.tls is not None
    assert config.security.tls.key_file == folder / "les-key"
    assert config.security.tls.cert_file == tmp_path / "b"
    assert load("", environ=environ).security.secret_file == folder / "les-secret"
    assert load("", environ=environ).security.tls is None


def test_a_secret_in_the_place_of_its_file_is_refused_and_not_repeated(problems: Problems) -> None:
    secret = f"les_{'a' * 43}"
    (problem,) = problems(f'[security]\nsecret_file = "{secret}"\n')
    assert problem.startswith("les.toml:2:1: security.secret_file: holds a secret itself")
    assert secret not in problem


def test_limits_are_sizes_and_numbers(load: Load, problems: Problems) -> None:
    limits = load('[hooks]\nuser = "nobody"\nlimits = {memory = "512MiB", files = 64}').hooks.limits
    assert (limits.memory, limits.processes, limits.files) == (2**29, 512, 64)
    assert problems('[hooks.limits]\nmemory = "512"\nprocesses = 0\n') == [
        'les.toml:2:1: hooks.limits.memory: "512" is no size; write a whole number and its unit (KiB, MiB or GiB), '
        'such as "512MiB"',
        "les.toml:3:1: hooks.limits.processes: expected int >= 1",
    ]
    assert problems('[hooks.limits]\nmemory = "1KiB"\n') == [
        'les.toml:2:1: hooks.limits.memory: "1KiB" is not between "16MiB" and "1048576GiB"'
    ]


@pytest.mark.parametrize("bind", ["127.0.0.1:4000", "[::1]:4000", "localhost:4000"])
def test_loopback_needs_no_such_line(load: Load, bind: str) -> None:
    assert load(f'[node]\nbind = "{bind}"').node.advertise == bind


@pytest.mark.parametrize(
    ("bind", "why", "example"),
    [
        ("0.0.0.0:4001", "is no address that others can use", "10.0.0.1:4001"),
        ("[::]:4001", "is no address that others can use", "10.0.0.1:4001"),
        ("[::]:0", "is no address that others can use", "10.0.0.1:4000"),
        ("127.0.0.1:0", "leaves the port to the system", "10.0.0.1:4000"),
    ],
)
def test_a_bind_that_names_no_node_wants_an_advertise(problems: Problems, bind: str, why: str, example: str) -> None:
    assert problems(f'security.insecure = true\nnode.bind = "{bind}"') == [
        f'les.toml:2:6: node.advertise: bind "{bind}" {why}; set advertise to the address that others reach this '
        f'node at, such as "{example}"'
    ]


def test_a_loopback_address_means_nothing_to_seeds_on_other_hosts(problems: Problems, load: Load) -> None:
    assert problems('[cluster]\nseeds = ["127.0.0.1:4000", "10.0.0.2:4000"]') == [
        'les.toml:2:1: node.advertise: "127.0.0.1:4000" means another host to the seed "10.0.0.2:4000"; '
        "set bind, or advertise, to the address that the seeds reach this node at"
    ]
    assert load('[cluster]\nseeds = ["127.0.0.1:4000", "[::1]:4001", "web:4000"]').cluster.seeds


def test_no_seeds_are_allowed(load: Load) -> None:
    assert load("[cluster]\nseeds = []").cluster.seeds == ()


def test_a_seed_that_is_listed_twice_is_probably_another(problems: Problems) -> None:
    assert problems('[cluster]\nseeds = ["[::1]:4000", "a:1", "[0::1]:4000"]') == [
        'les.toml:2:31: cluster.seeds[2]: "[::1]:4000" is listed twice; is another node meant?'
    ]


def test_more_seeds_than_a_cluster_holds_are_refused(problems: Problems) -> None:
    seeds = ", ".join(f'"h:{port}"' for port in range(1, 258))
    assert problems(f"[cluster]\nseeds = [{seeds}]") == ["les.toml:2:1: cluster.seeds: expected array of length <= 256"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'heartbeat = "1s"\n',
            '2:1: timing.heartbeat: "1s" is more than a third of failure, "1500ms"; heartbeat = "1s" and '
            'failure = "3s" would do',
        ),
        (
            'failure = "1s"\n',
            '2:1: timing.heartbeat: "500ms" is more than a third of failure, "1s"; heartbeat = "500ms" and '
            'failure = "1500ms" would do',
        ),
    ],
)
def test_three_heartbeats_fit_into_failure(problems: Problems, text: str, problem: str) -> None:
    assert problems(f"[timing]\n{text}") == [f"les.toml:{problem}"]


@given(st.integers(1, 10**6), st.integers(1, 10**6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_the_advised_pair_of_heartbeat_and_failure_do(load: Load, heartbeat: int, failure: int) -> None:
    text = f'[timing]\nheartbeat = "{heartbeat}ms"\nfailure = "{failure}ms"\n'
    try:
        load(text)
    except ConfigError as error:
        assert heartbeat * 3 > failure
        words = str(error).split('"')
        load(f'[timing]\nheartbeat = "{words[5]}"\nfailure = "{words[7]}"\n')
    else:
        assert heartbeat * 3 <= failure


def test_the_path_of_the_socket_must_fit_into_107_bytes(problems: Problems, load: Load) -> None:
    name = "s" * 107
    assert problems(f'node.state_dir = "/{"s" * 100}"') == [
        "les.toml:1:6: control.socket: the path of the socket has 114 bytes, and a Unix socket's has at most 107; "
        'set socket to a shorter one, such as "/run/les/control.sock"'
    ]
    assert load(f'control.socket = "/{name[1:]}"')
    assert len(problems(f'control.socket = "/{name}"')) == 1


@pytest.mark.parametrize("name", ['q"uote', "new\nline", "esc\x1b[31m", "\u202ebidi", "nul\0"])
def test_a_foreign_name_cannot_play_tricks_with_the_terminal(problems: Problems, name: str) -> None:
    written = "".join(f"\\U{ord(character):08X}" for character in name)
    for text in (f'[node]\nname = "{written}"', f'[node]\n"{written}" = 1', f'[plugins."{written}"]'):
        (problem,) = problems(text)
        assert problem.isprintable()


def test_a_huge_value_is_quoted_in_part(problems: Problems) -> None:
    (problem,) = problems(f'[node]\nbind = "{"x" * 100_000}"')
    assert len(problem) < 200


def test_thousands_of_problems_end_in_a_count(problems: Problems) -> None:
    lines = problems("[node]\n" + "".join(f"key{index} = 1\n" for index in range(5000)))
    assert len(lines) == 201
    assert lines[-1] == "les.toml: and 4800 problems more"


def test_what_was_refused_is_not_complained_of_again(problems: Problems) -> None:
    text = 'node.bind = 1\nnode.name = 2\ntiming.failure = "x"\ntiming.heartbeat = "1h"\nhooks.timeout = []\n'
    assert len(problems(text)) == 4


WORDS = [word for help_ in key_help() for word in help_.key.split(".")]
LINES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(WORDS).map(lambda word: f"[{word}]"),
    st.tuples(
        st.sampled_from(WORDS),
        st.sampled_from(['"5s"', "1", "true", '["h:1"]', '"json"', '"h:0"', "{}", "[[]]", "nan", "0x" + "f" * 5000]),
    ).map(" = ".join),
)


@given(st.lists(LINES, max_size=12).map("\n".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_text_is_a_configuration_or_a_config_error(load: Load, text: str) -> None:
    with suppress(ConfigError):
        assert show(load(text.encode("utf-8", "replace")))


@given(st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_configuration_or_a_config_error(load: Load, data: bytes) -> None:
    with suppress(ConfigError):
        assert show(load(data))


def test_the_folder_of_scripts_is_no_key_of_their_plugin(tmp_path: Path) -> None:
    """Two keys for one thing would leave open which one holds."""

    class Table(msgspec.Struct):
        dir: str = "hooks.d"

    path = tmp_path / "les.toml"
    path.write_text('[node]\nname = "a"\n[plugins.scripts]\ndir = "elsewhere"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, plugin_types=lambda names: dict.fromkeys(names, Table))
    assert str(caught.value).endswith("les.toml:4:1: plugins.scripts.dir: unknown key; it belongs in [hooks]")
