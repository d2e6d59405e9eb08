"""`[cluster] backend`: what a plugin's backend asks of the rest of the file."""

from pathlib import Path

import pytest

from les_hooks.config import PEERS, advice, load_config, restart_keys
from les_hooks.errors import ConfigError
from les_plugins.etcd.settings import EtcdConfig
from tests.config.conftest import Load, Problems

NODE = '[node]\nadvertise = "10.0.0.1:4000"\n[cluster]\nbackend = "etcd"\n'


def test_the_nodes_find_their_leader_themselves_unless_a_plugin_is_named(load: Load) -> None:
    assert load("[cluster]\n").cluster.backend == PEERS
    config = load(NODE)
    assert config.cluster.backend == "etcd"
    assert "etcd" in config.wanted, "naming it is enough"


def test_no_port_wants_a_secret_where_nothing_listens(load: Load) -> None:
    assert load(f"{NODE}[plugins.etcd]\n").security.secret_file is None


def test_the_address_has_no_default_as_all_hosts_would_have_the_same(problems: Problems) -> None:
    assert problems('[cluster]\nbackend = "etcd"\n') == [
        'les.toml:2:1: node.advertise: names this node in the cluster, and has no default with backend = "etcd"; '
        'set it, such as "10.0.0.1:4000"'
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            'quorum = "majority"\nvoters = ["10.0.0.1:4000"]',
            'les.toml:5:1: cluster.quorum: is for backend = "peers"; with "etcd" the backend decides who leads: remove '
            "it, and voters",
        ),
        (
            'voters = ["10.0.0.1:4000"]',
            'les.toml:5:1: cluster.voters: is for backend = "peers"; with "etcd" no node votes: remove it',
        ),
        (
            'role = "witness"',
            'les.toml:5:1: cluster.role: "witness" is for backend = "peers"; with "etcd" no node votes, so it would '
            "do nothing: remove this node",
        ),
        (
            "[plugins.etcd]\nenabled = false",
            'les.toml:6:1: plugins.etcd.enabled: turns off what says who leads, backend = "etcd"; remove this line, or '
            "set another backend",
        ),
    ],
)
def test_what_only_the_nodes_themselves_can_do_is_refused(problems: Problems, lines: str, problem: str) -> None:
    assert problem in problems(f"{NODE}{lines}\n")


def test_votes_that_nobody_asks_for_are_not_asked_for(problems: Problems) -> None:
    assert len(problems(f'{NODE}quorum = "majority"\n')) == 1


def test_a_backend_without_the_table_that_it_needs_is_told_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "les.toml"
    file.write_text(NODE)
    with pytest.raises(ConfigError, match=r"les.toml:4:1: plugins.etcd.endpoints: is missing"):
        load_config(file, plugin_types=lambda _: {"etcd": EtcdConfig})


def test_an_observer_may_look_on(load: Load) -> None:
    assert load(f'{NODE}role = "observer"\n').cluster.role == "observer"


def test_what_has_no_effect_is_told(load: Load) -> None:
    config = load(f'{NODE}seeds = ["10.0.0.2:4000"]\n[timing]\nlease = "9s"\n')
    told = {one.key: one.message for one in advice(config)}
    assert told["cluster.seeds"] == 'has no effect with backend = "etcd": no node listens to others'
    assert "timing.lease" in told


def test_neither_the_backend_nor_its_table_changes_while_the_node_runs(load: Load) -> None:
    one, other = (load(f'{NODE}[plugins.etcd]\ntimeout = "{seconds}s"\n[plugins.vip]\n') for seconds in (1, 2))
    assert restart_keys(one, other) == ("plugins.etcd.timeout",)
    peers = load('[node]\nadvertise = "10.0.0.1:4000"\n[plugins.etcd]\ntimeout = "1s"\n[plugins.vip]\n')
    assert "cluster.backend" in restart_keys(peers, one)
