"""Addresses that are not four numbers, and nodes that are not ours."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests import original
from tests.network.cluster import Cluster, NetDaemon
from tests.network.lan import Lan


@pytest.mark.parametrize("lan", ["ipv6"], indirect=True)
def test_a_cluster_that_has_nothing_but_ipv6_elects_and_replaces_its_leader(two: Cluster) -> None:
    leader = two.whole()
    assert leader.address.startswith("[fd77::")
    [follower] = two.followers(leader)
    leader.lose()
    assert two.agreed(follower) is follower
    assert f"member.lost {leader.address} timeout" in follower.news()


def test_a_seed_whose_name_gets_another_address_is_found_there(tmp_path: Path, lan: Lan) -> None:
    """The other one knows nobody, and leads alone until it is found."""
    here, there = lan.hosts
    here.names.write_text("10.77.0.99 other.test\n", encoding="utf-8")
    one = NetDaemon(tmp_path / "one", here, ["other.test:4000"], tmp_path / "story")
    other = NetDaemon(tmp_path / "other", there, [there.address], tmp_path / "story")
    one.start()
    other.start()
    other.wait(lambda status: status["is_me"], "leads alone")
    one.wait(lambda status: status["backend"]["dialed"] == ["10.77.0.99:4000"], "dials where nobody is")
    here.names.write_text(f"{there.ip} other.test\n", encoding="utf-8")
    one.wait(lambda status: status["leader"] == there.address, "follows the other one")
    for daemon in (one, other):
        daemon.lose()


def test_ours_and_an_original_on_another_host_are_one_cluster(two: Cluster) -> None:
    ours, host = two.daemons[0], two.daemons[1].host
    command = [
        *(*host.inside, sys.executable, "-P", original.__file__),
        *("--bind-interface", host.ip, "--advertise-addr", host.address, "--loop-rate", "0.2"),
        *("--seeds", f"{ours.address},{host.address}"),
    ]
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(process.kill)
        ours.start()
        status = ours.wait(lambda status: status["leader"] == host.address, "accepts the original, which was first")
        assert {member["kind"] for member in status["members"]} == {"original", "les"}
        ours.mark()
        # Silence: it is asked, does not answer within three seconds, and is missed after `failure` more.
        host.unplug()
        ours.wait(lambda status: status["is_me"], "leads when the original's host is gone")
        assert f"member.lost {host.address} timeout" in ours.news()
