"""What an operator is shown of a node on an etcd, while that does well, when it is gone, and before it is there."""

from pathlib import Path

import msgspec
import pytest

from les_hooks.http.shapes import Status
from tests.cluster import Daemon, free_ports
from tests.etcd.nodes import lone
from tests.etcd.server import Server


def shown(daemon: Daemon, word: str) -> str:
    """The line of `les status` that begins so, without its name; empty where there is none."""
    done = daemon.les("status")
    assert done.returncode == 0, done.stderr
    lines = (line for line in done.stdout.splitlines() if line.split()[:1] == [word])
    return next((line.removeprefix(word).strip() for line in lines), "")


@pytest.mark.timeout(90)
def test_a_node_on_an_etcd_says_how_that_does(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd") as etcd:
        daemon = lone(tmp_path / "a", 1, [etcd.url]).start()
        try:
            status = daemon.wait(lambda told: told["is_me"], "leads")
            msgspec.convert(status, Status)
            key = f"key of revision {status['term']}, lease of 5 s"
            assert shown(daemon, "backend") == f"etcd at {etcd.url}; {key}"
            assert "LINK" not in daemon.les("members").stdout
            checked = daemon.les("check")
            assert checked.returncode == 0, checked.stdout
            assert "seeds" not in checked.stdout
            assert "advertise" not in checked.stdout

            etcd.kill()
            gone = daemon.wait(lambda told: told["role"] == "follower" and told["leader"] is None, "has demoted")
            msgspec.convert(gone, Status)
            assert gone["unaccepted"] is None
            assert shown(daemon, "leader") == "not known, as the backend has no answer"
            assert shown(daemon, "backend").startswith("etcd has not answered for ")
            assert shown(daemon, "warning").endswith(f" s: {etcd.url}: connection refused")
            assert daemon.les("leader").returncode == 4
            assert daemon.les("check").returncode == 1

            etcd.start().wait()
            daemon.wait(lambda told: told["is_me"] and told["backend"]["failing"] is None, "leads again")
            assert shown(daemon, "warning") == ""
        finally:
            daemon.kill()


@pytest.mark.timeout(60)
def test_a_node_that_starts_without_its_etcd_says_what_it_waits_for(tmp_path: Path) -> None:
    ports = free_ports(2)
    one, other = (f"http://127.0.0.1:{port}" for port in ports)
    daemon = lone(tmp_path / "a", 1, [one, other]).start()
    try:
        status = daemon.wait(lambda told: told["backend"]["failing"], "misses its etcd")
        msgspec.convert(status, Status)
        assert shown(daemon, "role") == "joining, waiting for the backend"
        (warning,) = daemon.status()["warnings"]
        assert f"{one}: connection refused; {other}: connection refused" in warning
    finally:
        daemon.kill()


@pytest.mark.timeout(60)
def test_a_lease_that_is_longer_than_was_asked_for_is_warned_of(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd", flags=("--heartbeat-interval=500", "--election-timeout=5000")) as etcd:
        daemon = lone(tmp_path / "a", 1, [etcd.url]).start()
        try:
            status = daemon.wait(lambda told: told["is_me"], "leads")
            granted = status["backend"]["ttl"]
            assert granted > 5
            assert f"etcd gives leases of {granted} s and no shorter ones" in shown(daemon, "warning")
        finally:
            daemon.kill()
