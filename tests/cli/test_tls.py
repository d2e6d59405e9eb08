"""Three real daemons with what `les ca` made: they elect, renew and die without a word that is not theirs."""

import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from les_hooks.cli import cli
from tests.cli.conftest import Les
from tests.cli.crashes import crash_is_told, said
from tests.cluster import Cluster, Daemon, until
from tests.security.files import DAY, TestAuthority

HOST = "127.0.0.1"


def ca(*words: str) -> None:
    result = CliRunner().invoke(cli, ["ca", *words])
    assert result.exit_code == 0, result.output


def issue(folder: Path, daemon: Daemon, *words: str) -> None:
    """Make a certificate, and copy it to the node, each file in one step."""
    ca("issue", daemon.name, *words, "--ca", str(folder))
    for name in ("ca.crt", f"{daemon.name}.crt", f"{daemon.name}.key"):
        copied = shutil.copy(folder / name, daemon.folder / f".{name}.new")
        os.replace(copied, daemon.folder / name)


def with_tls(daemon: Daemon) -> None:
    lines = f'ca_file = "ca.crt"\ncert_file = "{daemon.name}.crt"\nkey_file = "{daemon.name}.key"\n'
    daemon.config.write_text(f"{daemon.config.read_text()}\n[security.tls]\n{lines}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one."""
    folder = tmp_path_factory.mktemp("authority") / "les-ca"
    ca("init", str(folder))
    return folder


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Cluster]:
    """Three voters with certificates."""
    cluster = Cluster(tmp_path_factory.mktemp("trio"), 3)
    voters = ", ".join(f'"{daemon.address}"' for daemon in cluster.daemons)
    for daemon in cluster.daemons:
        text = daemon.config.read_text()
        text = text.replace("[cluster]\n", f'[cluster]\nquorum = "majority"\nvoters = [{voters}]\n')
        # A busy machine is to lose nobody here: what must be quick is measured elsewhere.
        text = text.replace('failure = "500ms"', 'failure = "2s"')
        daemon.config.write_text(text.replace("[timing]\n", '[timing]\nlease = "8s"\n'))
        with_tls(daemon)
        issue(authority, daemon, HOST)
    with cluster:
        cluster.wait_leader()
        yield cluster


def test_the_status_says_that_it_is_in_force_and_until_when(trio: Cluster) -> None:
    leader = trio.wait_leader()
    security = leader.status()["security"]
    assert (security["mode"], security["public"]) == ("tls", False)
    assert security["certificate"]["hosts"] == [HOST]
    assert len(leader.wait(lambda status: len(status["backend"]["links"]) == 2, "is linked")["warnings"]) == 0
    until_when = time.strftime("%Y-%m-%d", time.gmtime(security["certificate"]["expires"]))
    assert f"TLS (certificate until {until_when})" in Les(leader.config)("status").stdout


def test_no_daemon_loads_what_makes_certificates(trio: Cluster) -> None:
    for daemon in trio.daemons:
        assert daemon.process is not None
        mapped = Path(f"/proc/{daemon.process.pid}/maps").read_text()
        assert "_ssl" in mapped
        assert "cryptography" not in mapped


def test_check_finds_nothing_wrong(trio: Cluster) -> None:
    assert Les(trio.daemons[0].config).json("check")["ok"]


@pytest.mark.parametrize("renewal", ["certificate", "certificate and key"])
def test_a_renewal_is_taken_while_one_leads(trio: Cluster, authority: Path, renewal: str) -> None:
    leader, term = trio.wait_leader(), trio.daemons[0].status()["term"]
    for daemon in trio.daemons:
        before = daemon.said().count("certificate-read")
        issue(authority, daemon, *(("--renew",) if renewal == "certificate" else ("--force", HOST)))
        until(partial(said, daemon, "certificate-read", before + 1), "it is read")
        assert not [each for each in daemon.status()["warnings"] if "certificate" in each]
    assert (trio.wait_leader(), trio.daemons[0].status()["term"]) == (leader, term)


def test_what_is_left_of_a_daemon_that_died_is_told_over_tls(trio: Cluster) -> None:
    """So that another leads long before the lease runs out."""
    crash_is_told(trio)


# -- what does not start -----------------------------------------------------------------------------------------------


@pytest.fixture
def lone(tmp_path: Path) -> Daemon:
    """A node with TLS, whose files are not there yet."""
    daemon = Daemon(tmp_path / "a", 4999, [4999])
    with_tls(daemon)
    return daemon


def test_a_certificate_of_another_address_is_no_start(lone: Daemon, authority: Path) -> None:
    issue(authority, lone, "10.0.0.9", "--force")
    result = lone.les("run")
    assert result.returncode == 78
    assert f"names 10.0.0.9, and not {HOST}, which others know this node by" in result.stderr
    told = Les(lone.config)("check")
    assert told.exit_code == 1
    assert f"[security.tls] cert_file {lone.folder / 'a.crt'}: names 10.0.0.9" in told.stdout


def test_files_that_are_not_there_are_no_start(lone: Daemon) -> None:
    result = lone.les("run")
    assert result.returncode == 78
    assert "ca.crt: is not there; copy it there; `les ca init` makes one" in result.stderr


def test_check_warns_of_the_last_month(lone: Daemon, tmp_path: Path) -> None:
    now = time.time() - 800 * DAY
    files = TestAuthority(tmp_path / "old", made=now).issue("a", HOST, now=now, folder=lone.folder)
    files.ca.rename(lone.folder / "ca.crt")
    (finding,) = Les(lone.config).json("check")["findings"]
    assert "the certificate of this node expires in 2" in finding["message"]
    assert not finding["problem"]
