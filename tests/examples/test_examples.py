"""The examples are run as they are."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tomli
from msgspec.structs import replace

from les_hooks import load_config
from les_hooks.config import advice
from les_hooks.daemon import load_config as load_with_plugins
from les_plugins.etcd import EtcdConfig
from tests.backends.peers.fakes import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
ON_ETCD = sorted((EXAMPLES / "etcd").glob("*.toml"))
NODES = sorted({file for file in EXAMPLES.glob("*/*.toml") if file.name != "pyproject.toml"} - set(ON_ETCD))


@contextmanager
def running(example: str, folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The example with a cluster of one, and the address of its node."""
    port = free_port()
    (folder / "hooks.d").mkdir()
    (folder / "les.toml").write_text(
        f'[node]\nname = "a"\nbind = "127.0.0.1:{port}"\nstate_dir = "state"\n[cluster]\nseeds = ["127.0.0.1:{port}"]\n'
    )
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(EXAMPLES / example), "les.toml"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process, f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines(process: "subprocess.Popen[str]", most: int) -> list[str]:
    """What it prints first."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip() for _ in range(most)]


@pytest.mark.timeout(30)
def test_the_library_tells_events_and_acts_while_it_leads(tmp_path: Path) -> None:
    with running("library.py", tmp_path) as (process, address):
        told = lines(process, 5)
    assert {line.split()[0] for line in told} == {"demoted", "started", "elected", "leader-changed", "leading"}
    assert f"elected {address} first" in told, (tmp_path / "log").read_text()


@pytest.mark.timeout(30)
def test_leader_changed_is_called_with_the_leader(tmp_path: Path) -> None:
    with running("leader_changed.py", tmp_path) as (process, address):
        assert lines(process, 1) == [address], (tmp_path / "log").read_text()


@pytest.mark.parametrize("file", NODES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_whatever_others_reach_has_the_secret_that_its_readme_has_les_init_make(file: Path) -> None:
    config = load_with_plugins(file)
    readme = (file.parent / "README.md").read_text()
    assert config.security.secret_file == Path("/etc/les/secret")
    assert not config.security.insecure
    first = config.cluster.seeds[0]
    assert f"les init /etc/les --bind {first}" in readme
    copied = re.findall(r"^ *(?:for host in|ssh) ([\d. ]+?)(?:;| mkdir)", readme, flags=re.MULTILINE)
    others = [seed.rpartition(":")[0] for seed in config.cluster.seeds[1:]]
    assert [each.split() for each in copied] == [others], "and that it copies to all the others"


def test_the_three_nodes_differ_in_what_is_their_own_and_find_each_other() -> None:
    files = sorted((EXAMPLES / "three-nodes").glob("*.toml"))
    configs = [load_config(file) for file in files]
    assert [config.node.name for config in configs] == [file.stem for file in files] == ["a", "b", "c"]
    assert len({config.cluster for config in configs}) == 1
    assert tuple(str(config.node.advertise) for config in configs) == tuple(map(str, configs[0].cluster.seeds))
    assert {config.hooks for config in configs} == {configs[0].hooks}
    texts = [file.read_text().splitlines() for file in files]
    different = [first for first, *others in zip(*texts, strict=True) if any(other != first for other in others)]
    assert len(different) == 3  # name, bind, and the comment that names the host


def test_the_nodes_on_an_etcd_differ_in_what_is_their_own_and_meet_under_one_prefix() -> None:
    configs = [load_with_plugins(file) for file in ON_ETCD]
    assert [config.node.name for config in configs] == ["a", "b", "c"]
    assert len({config.node.advertise for config in configs}) == 3
    assert len({config.cluster for config in configs}) == 1
    assert len({config.plugins["etcd"].config for config in configs}) == 1
    assert [advice(config) for config in configs] == [()] * 3
    texts = [file.read_text().splitlines() for file in ON_ETCD]
    assert (
        len([lines for lines in zip(*texts, strict=True) if len(set(lines)) > 1]) == 3
    )  # name, advertise, and the host
    etcd, readme = configs[0].plugins["etcd"].config, (EXAMPLES / "etcd" / "README.md").read_text()
    assert isinstance(etcd, EtcdConfig)
    assert etcd.password_file is not None
    assert f"grant-permission --prefix=true {etcd.username} readwrite {etcd.prefix}/" in readme
    assert f"--etcd {etcd.endpoints[0]} --advertise {configs[0].node.advertise}" in readme
    override = (EXAMPLES / "etcd" / "les-override.conf").read_text()
    assert f"LoadCredential={etcd.password_file.name}:/etc/les/{etcd.password_file.name}" in override


def test_two_nodes_and_a_witness_have_the_same_voters_and_nothing_to_advise() -> None:
    a, b, witness = (
        load_config(EXAMPLES / "two-nodes-and-a-witness" / f"{name}.toml") for name in ("a", "b", "witness")
    )
    assert [config.cluster.role for config in (a, b, witness)] == ["member", "member", "witness"]
    assert a.cluster == b.cluster == replace(witness.cluster, role=a.cluster.role)
    assert a.cluster.seeds == a.cluster.voters == (a.node.advertise, b.node.advertise, witness.node.advertise)
    assert {config.timing for config in (a, b, witness)} == {a.timing}
    assert [advice(config) for config in (a, b, witness)] == [()] * 3


def test_the_two_web_servers_differ_in_what_is_their_own_and_share_an_address() -> None:
    folder = EXAMPLES / "two-web-servers"
    a, b = (load_with_plugins(folder / f"{name}.toml") for name in ("a", "b"))
    assert (a.node.name, b.node.name) == ("a", "b")
    assert a.cluster == b.cluster
    assert a.cluster.seeds == (a.node.advertise, b.node.advertise)
    assert a.plugins == b.plugins
    assert advice(a) == advice(b) == ()
    assert {"vip", "checks"} <= a.plugins.keys()
    texts = [(folder / f"{name}.toml").read_text().splitlines() for name in ("a", "b")]
    assert len([pair for pair in zip(*texts, strict=True) if pair[0] != pair[1]]) == 3  # name, bind, and the comment


def test_what_les_asks_haproxy_is_what_haproxy_answers() -> None:
    folder = EXAMPLES / "two-web-servers"
    haproxy = (folder / "haproxy.cfg").read_text()
    (check,) = tomli.loads((folder / "a.toml").read_text())["plugins"]["checks"]["check"]
    url = urlsplit(check["http"])
    assert f"bind {url.netloc}\n" in haproxy
    assert f"monitor-uri {url.path}\n" in haproxy
    hosts = [seed.partition(":")[0] for seed in load_config(folder / "a.toml").cluster.seeds]
    assert re.findall(r"server [ab] (\S+):8080 check", haproxy) == hosts


def test_haproxy_takes_its_configuration() -> None:
    """Where it is installed; nothing else in the tests wants it, so that it may be missing in any case."""
    haproxy = shutil.which("haproxy") or pytest.skip("needs the program haproxy")
    command = [haproxy, "-c", "-f", str(EXAMPLES / "two-web-servers" / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
