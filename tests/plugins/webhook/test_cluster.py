"""A real cluster tells one receiver: each thing once, by whoever leads, and `les webhooks` about it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, Daemon, until
from tests.plugins.webhook.threaded import Thread

TABLE = """
[[plugins.webhook.endpoints]]
name = "hook"
url = "{url}"
allow_http = true
retry = ["0s", "100ms"]
"""


@pytest.fixture
def receiver() -> Iterator[Thread]:
    """A receiver."""
    with Thread().serving() as made:
        yield made


def heard(receiver: Thread, kind: str, **fields: object) -> list[dict[str, Any]]:
    """The events of this kind that came, each once."""
    found = {event["id"]: event["data"] for event in receiver.events if event["data"]["kind"] == kind}
    return [data for data in found.values() if fields.items() <= data.items()]


def asked(daemon: Daemon, *words: str, code: int = 0) -> Any:
    """What `les webhooks` prints as JSON."""
    done = daemon.les("webhooks", *words, "--json")
    assert (done.returncode, done.stderr) == (code, "")
    return json.loads(done.stdout)


def test_the_loss_of_the_leader_is_told_once_and_by_its_successor(tmp_path: Path, receiver: Thread) -> None:
    with Cluster(tmp_path, 3, TABLE.format(url=receiver.url)) as cluster:
        first = cluster.wait_leader()
        until(lambda: heard(receiver, "leader-changed"), "the first election is told")
        until(lambda: len(heard(receiver, "started")) == 3, "each node tells of itself")
        receiver.events.clear()
        first.kill()
        second = cluster.wait_leader()
        until(lambda: heard(receiver, "leader-changed", leader=second.address), "the second election is told")
        (lost,) = until(lambda: heard(receiver, "member-lost"), "the loss is told")
        assert (lost["member"], lost["node"]) == (first.address, second.address)
        assert [event["node"] for event in heard(receiver, "elected")] == [second.address]

        first.start()
        cluster.wait_leader()
        (demoted,) = until(lambda: heard(receiver, "demoted", node=first.address), "what the crash left untold is told")
        assert demoted["reason"] == "startup"
        until(lambda: heard(receiver, "member-joined", member=first.address, node=second.address), "it is back")
    until(lambda: len(heard(receiver, "stopping")) == 3, "all say goodbye")
    assert len(heard(receiver, "member-lost", member=first.address)) == 1
    copies = Counter((event["kind"], event["member"], event["leader"]) for event in heard(receiver, "leader-changed"))
    assert set(copies.values()) == {1}


def test_an_operator_sees_what_was_given_up_and_has_it_posted_again(tmp_path: Path, receiver: Thread) -> None:
    receiver.status = 403
    with Cluster(tmp_path, 1, TABLE.format(url=receiver.url)) as cluster:
        node = cluster.daemons[0]
        node.wait_settled()
        until(lambda: len(asked(node, "failed")) >= 3, "all is refused")
        (row,) = asked(node, "list")
        assert (row["name"], row["state"], row["queued"], row["error"]) == ("hook", "failing", 0, "status 403")
        assert "status 403" in node.les("webhooks", "list").stdout
        letters = asked(node, "failed", "--endpoint", "hook")
        assert letters[0]["id"] in node.les("webhooks", "failed").stdout
        assert asked(node, "test", "hook", code=1)["verdict"] == "refused"
        assert asked(node, "replay", "nobody-1", code=1) == {}
        assert node.les("webhooks", "replay").returncode == 2
        assert node.les("webhooks", "replay", "--endpoint", "hok").returncode == 1

        receiver.status = 204
        assert asked(node, "replay", letters[0]["id"]) == {"hook": 1}
        assert asked(node, "replay", "--since", "1h") == {"hook": len(letters) - 1}
        until(lambda: {event["id"] for event in receiver.events} == {row["id"] for row in letters}, "they arrive")
        said = node.les("webhooks", "test", "hook")
        assert said.returncode == 0
        assert "> webhook-id: test-" in said.stdout
        assert "< HTTP 204" in said.stdout
        assert "webhook" in node.les("status").stdout


def test_what_waits_goes_to_the_url_that_a_reload_brings(tmp_path: Path, receiver: Thread) -> None:
    with Thread(status=503).serving() as down, Cluster(tmp_path, 1, TABLE.format(url=down.url)) as cluster:
        node = cluster.daemons[0]
        node.wait_settled()
        until(lambda: asked(node, "list")[0]["failures"] > 2, "it fails")
        node.config.write_text(node.config.read_text().replace(down.url, receiver.url))
        assert node.les("reload").returncode == 0
        until(lambda: heard(receiver, "elected"), "it arrives elsewhere")
        until(lambda: asked(node, "list")[0]["queued"] == 0, "all does")
        assert not heard(receiver, "reasserted"), "a reload is no news"
        kinds = [event["data"]["kind"] for event in receiver.events]
        assert kinds.index("elected") < kinds.index("leader-changed")
