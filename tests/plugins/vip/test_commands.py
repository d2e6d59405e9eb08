"""What a person sees of the addresses: `les vip status`, `les status`, `les check` and dry runs, of real daemons."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from les_plugins.vip.kernel import UNIT_LINES
from tests.cluster import until
from tests.needs import need_netns, need_program
from tests.network.cluster import TIMING, Cluster, NetDaemon
from tests.network.lan import Lan, ip
from tests.network.vip import ADDRESS_4, ADDRESS_6, ADDRESSES, table

# All that a node needs of root; who gets both of the unit is the same user without any other.
_RIGHTS = "-all,+net_admin,+net_raw"


def les_vip(daemon: NetDaemon, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run `les vip` in the folder of the node, as people do."""
    argv = [sys.executable, "-W", "error", "-m", "les_hooks", "vip", *words]
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environ}
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, cwd=daemon.folder, env=env)


def status_of(daemon: NetDaemon) -> Any:
    """`les vip status --json`."""
    done = les_vip(daemon, "status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@contextlib.contextmanager
def nodes(folder: Path, count: int, rights: Sequence[str], more: str = "", clients: int = 0) -> Iterator[Cluster]:
    """Nodes that share two addresses, each with no other capabilities than these."""
    need_netns()
    setpriv = need_program("setpriv")
    timing = f"{TIMING}\n{table(more=more)}"
    with (
        Lan(count, both=True, clients=clients) as lan,
        contextlib.closing(Cluster(folder, lan, timing=timing, silent=True)) as cluster,
    ):
        for daemon in cluster.daemons:
            kept = ",".join(rights)
            daemon.inside = (*daemon.host.inside, setpriv, "--no-new-privs", "--bounding-set", kept)
        yield cluster


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes that both work, with the two capabilities of the unit and no other."""
    with nodes(tmp_path_factory.mktemp("pair"), 2, [_RIGHTS], clients=1) as cluster:
        yield cluster


@pytest.fixture
def leader(pair: Cluster) -> NetDaemon:
    """The one that has the addresses."""
    found = pair.whole()
    until(lambda: all(each["held"] for each in status_of(found)["addresses"]), "it has the addresses")
    return found


@pytest.fixture
def follower(pair: Cluster, leader: NetDaemon) -> NetDaemon:
    """The other one."""
    return pair.followers(leader)[0]


def test_the_holder_shows_its_leases_and_the_other_who_answers(leader: NetDaemon, follower: NetDaemon) -> None:
    here = status_of(leader)
    assert here["problems"] == []
    for row, address, prefix in zip(here["addresses"], ADDRESSES, (24, 64), strict=True):
        assert (row["address"], row["prefix"], row["interface"], row["held"]) == (address, prefix, "eth0", True)
        assert 1.0 <= row["lifetime_left"] <= 2.0
        assert row["since"] <= row["announced"]
        assert (row["holder"], row["claimed_by"]) == (None, [])
    for row in status_of(follower)["addresses"]:
        assert (row["held"], row["lifetime_left"], row["since"], row["announced"]) == (False, None, None, None)
        assert row["holder"] == leader.host.mac
        assert row["claimed_by"][0]["mac"] == leader.host.mac
        assert row["claimed_by"][0]["seconds_ago"] < 1.0, "it has been asked just now"


def test_people_see_a_table(leader: NetDaemon, follower: NetDaemon) -> None:
    here = les_vip(leader, "status").stdout.splitlines()
    assert re.fullmatch("ADDRESS +INTERFACE +HERE +LEASE +ANNOUNCED +ANSWERED BY", here[0])
    assert re.fullmatch(r"10\.77\.0\.100/24  eth0       since [\d.]+ \w+( \d+ s)? +[12](\.\d)? s.*  this node", here[1])
    assert len(here) == 3
    assert "\x1b" not in "".join(here), "colours are for terminals"
    there = les_vip(follower, "status").stdout.splitlines()
    assert there == [
        "ADDRESS         INTERFACE  HERE  LEASE  ANNOUNCED  ANSWERED BY",
        f"10.77.0.100/24  eth0       no    -      -          {leader.host.mac}, now",
        f"fd77::100/64    eth0       no    -      -          {leader.host.mac}, now",
    ]


def test_status_has_a_line_about_them(leader: NetDaemon, follower: NetDaemon) -> None:
    assert f"loaded  holds {ADDRESS_4}, {ADDRESS_6}\n" in leader.les("status").stdout
    assert "loaded  holds nothing\n" in follower.les("status").stdout


def test_a_dry_run_names_the_addresses(leader: NetDaemon) -> None:
    told = leader.les("step-down", "--dry-run").stdout
    assert f"remove {ADDRESS_4}/32 on eth0" in told
    assert f"remove {ADDRESS_6}/128 on eth0" in told
    assert all(each["held"] for each in status_of(leader)["addresses"])


def test_check_finds_nothing_wrong_where_all_is_well(leader: NetDaemon) -> None:
    argv = [*leader.host.inside, sys.executable, "-m", "les_hooks", "check", "--json", "-c", str(leader.config)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert [each for each in json.loads(done.stdout)["findings"] if each["what"] == "vip"] == [], done.stdout


def test_a_stranger_that_claims_an_address_is_a_conflict_on_the_holder(leader: NetDaemon, follower: NetDaemon) -> None:
    (stranger,) = leader.host.lan.clients
    ip("-n", stranger.namespace, "addr", "add", f"{ADDRESS_4}/24", "dev", "eth0")
    try:
        row = status_of(leader)["addresses"][0]
        assert (row["held"], row["holder"], row["claimed_by"][0]["mac"]) == (True, None, stranger.mac)
        shown = les_vip(leader, "status").stdout
        assert "contended" in shown
        assert f"conflict  {ADDRESS_4} is claimed by {stranger.mac}, now, too" in shown
        assert "address-conflict" in leader.said()
        assert {claim["mac"] for claim in status_of(follower)["addresses"][0]["claimed_by"]} == {
            leader.host.mac,
            stranger.mac,
        }
    finally:
        ip("-n", stranger.namespace, "addr", "del", f"{ADDRESS_4}/24", "dev", "eth0")


def test_a_link_that_is_down_is_a_problem_that_is_shown(leader: NetDaemon, follower: NetDaemon) -> None:
    follower.host.unplug()
    try:
        words = "eth0 has no carrier"
        until(lambda: status_of(follower)["problems"] == [words], "it is noticed")
        assert f"problem  {words}" in les_vip(follower, "status").stdout
        assert f"loaded  {words}\n" in follower.les("status").stdout
    finally:
        follower.host.plug()
    until(lambda: status_of(follower)["problems"] == [], "it is over")


def test_an_unknown_action_and_no_daemon_are_told(leader: NetDaemon, tmp_path: Path) -> None:
    assert les_vip(leader, "stauts").returncode == 2
    (tmp_path / "les.toml").write_text(f'[node]\nstate_dir = "state"\n{table()}')
    argv = [sys.executable, "-m", "les_hooks", "vip", "status"]
    assert subprocess.run(argv, capture_output=True, timeout=30, check=False, cwd=tmp_path).returncode == 69


# -- at start ----------------------------------------------------------------------------------------------------------


def problems(daemon: NetDaemon) -> list[str]:
    """What its log complains of."""
    lines = [json.loads(line) for line in daemon.said().splitlines() if line.startswith("{")]
    return [line["problem"] for line in lines if line["event"] == "vip-problem"]


def test_without_the_capability_a_node_does_not_stand_and_says_which_line_it_takes(tmp_path: Path) -> None:
    with nodes(tmp_path, 1, ["-net_admin"]) as cluster:
        (daemon,) = cluster.daemons
        daemon.start()
        status = daemon.wait(lambda status: status["members"] and "CAP_" in status["members"][0]["unfit"], "is unfit")
        words = "this process lacks CAP_NET_ADMIN, without which it can have no address; put this into the unit: "
        assert words in status["members"][0]["unfit"]
        assert status["leader"] is None
        assert problems(daemon) == [f"{words}{UNIT_LINES}"]
        assert status_of(daemon)["problems"] == problems(daemon)


def test_what_check_would_say_is_in_the_log_once_and_nothing_twice(tmp_path: Path) -> None:
    with nodes(tmp_path, 1, [_RIGHTS], 'label = "les"') as cluster:
        (daemon,) = cluster.daemons
        text = daemon.config.read_text().replace(f'"{ADDRESS_6}/64"', f'"{ADDRESS_6}/64", "172.16.0.1/24 dev eth1"')
        daemon.config.write_text(text)
        ip("-n", daemon.host.namespace, "addr", "add", f"{ADDRESS_6}/64", "dev", "eth0", "nodad")
        daemon.start()
        until(lambda: len(problems(daemon)) >= 3, "all are told")
        assert sorted(problems(daemon)) == [
            f"{ADDRESS_6} is configured on eth0 already, and not by this plugin; unless this host needs it there, run: "
            f"ip address del {ADDRESS_6}/64 dev eth0",
            'label "les" does not go with eth0; write "eth0", or "eth0:" and a word',
            "there is no interface eth1",
        ]
