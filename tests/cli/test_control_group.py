"""A real daemon with `[control] group`: what the commands of a member of it may do, and what is recorded."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.cluster import Daemon, free_ports
from tests.control.guests import open_folder
from tests.needs import les_as_nobody, need_root

_NOBODYS_GROUP = 65534


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """A cluster of one whose socket the group of nobody may use."""
    need_root()
    (port,) = free_ports(1)
    with open_folder() as folder:
        more = f'[control]\nsocket = "{folder}/control.sock"\ngroup = "{_NOBODYS_GROUP}"\n'
        daemon = Daemon(folder / "a", port, [port], more)
        daemon.socket = folder / "control.sock"
        daemon.start().wait_settled()
        yield daemon
        daemon.kill()


@pytest.mark.parametrize(
    "command", ["status", "members", "leader", "plugins list", "hooks list", "maintenance", "step-down --dry-run"]
)
def test_who_is_in_the_group_may_ask(daemon: Daemon, command: str) -> None:
    done = les_as_nobody(*command.split(), "--socket", str(daemon.socket))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("command", ["step-down", "maintenance on", "maintenance off", "transfer b", "reload", "leave"])
def test_who_is_in_the_group_may_change_nothing_and_that_is_recorded(daemon: Daemon, command: str) -> None:
    done = les_as_nobody(*command.split(), "--socket", str(daemon.socket))
    assert done.returncode == 77
    assert f"is not for uid {_NOBODYS_GROUP}, which may only ask" in done.stderr
    assert "run it with `sudo`" in done.stderr
    records = [json.loads(line) for line in (daemon.folder / "state" / "audit.jsonl").read_text().splitlines()]
    assert records[-1]["action"] == "operator.refused"
    assert records[-1]["uid"] == _NOBODYS_GROUP
    assert not [record for record in records if record["action"] == "operator.request"]
    assert os.path.exists(f"/proc/{daemon.status()['node']['pid']}")


def test_the_story_of_the_trail_tells_it(daemon: Daemon) -> None:
    les_as_nobody("leave", "--socket", str(daemon.socket))
    assert "uid 65534 may not leave: it may only ask" in daemon.les("audit", "show").stdout
