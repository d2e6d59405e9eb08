"""What operators and scripts have of nodes that have their leader from etcd: one server, three nodes, on loopback."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import Daemon, close, until
from tests.etcd.nodes import CLUSTER, PREFIX, TTL_SECONDS, lone
from tests.etcd.server import Server
from tests.network.story import mingled, parse


@dataclass(frozen=True)
class Trio:
    """Three nodes `a`, `b`, `c`, of which the first may lead from the beginning."""

    etcd: Server
    daemons: list[Daemon]

    def leader(self) -> Daemon:
        """Wait until all are there and fit, and accept one that leads; return it."""

        def look() -> Daemon | None:
            statuses = [daemon.status() for daemon in self.daemons]
            if not all(len(status.get("members", ())) == len(self.daemons) for status in statuses):
                return None
            if not all(member["fit"] for member in statuses[0]["members"]):
                return None
            acting = [daemon for daemon, status in zip(self.daemons, statuses, strict=True) if status["is_me"]]
            agreed = len({status["leader"] for status in statuses}) == 1
            return acting[0] if agreed and len(acting) == 1 else None

        return until(look, "one leader for all")

    def line(self) -> list[str]:
        """Who leads and who would after it, by address."""
        return [member["address"] for member in self.daemons[0].status()["members"]]


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    folder = tmp_path_factory.mktemp("moves")
    with Server(folder / "etcd") as etcd:
        story = folder / "story"
        daemons = [lone(folder / name, number, [etcd.url], story=story) for number, name in enumerate("abc", start=1)]
        try:
            yield Trio(etcd, [daemon.start() for daemon in daemons])
        finally:
            close(daemons)
        assert mingled(parse(story)) == []


@pytest.fixture
def trio(_shared: Trio) -> Trio:
    """All of them fit, with one leader."""
    _shared.leader()
    return _shared


def test_the_term_is_a_number_that_etcd_itself_compares(trio: Trio) -> None:
    """So a script can have a write refused once another leads."""
    leader = trio.leader()
    term = leader.status()["term"]
    keys = trio.etcd.ctl("get", "--prefix", f"{PREFIX}/{CLUSTER}/line/", "--sort-by=CREATE", "--keys-only").split()
    assert len(keys) == len(trio.daemons)
    write = f'create("{keys[0]}") = "{term}"\n\nput /mine yes\n\nput /mine no\n\n'
    assert trio.etcd.ctl("txn", stdin=write).startswith("SUCCESS")
    leader.les("step-down")
    until(lambda: trio.leader() is not leader, "another leads")
    assert trio.etcd.ctl("txn", stdin=write).startswith("FAILURE")


def test_who_steps_down_is_the_last_in_line_afterwards(trio: Trio) -> None:
    leader, line = trio.leader(), trio.line()
    assert leader.les("step-down").returncode == 0
    until(lambda: trio.leader().address == line[1], "the next in line leads")
    assert trio.line() == [*line[1:], line[0]]


def test_who_was_in_maintenance_is_the_last_in_line_afterwards(trio: Trio) -> None:
    leader, line = trio.leader(), trio.line()
    assert leader.les("maintenance", "on").returncode == 0
    second = next(daemon for daemon in trio.daemons if daemon.address == line[1])
    second.wait(lambda status: status["is_me"], "leads")
    assert leader.les("maintenance", "off").returncode == 0
    assert trio.leader() is second
    assert trio.line() == [*line[1:], line[0]]


def test_leadership_goes_to_whom_it_is_given(trio: Trio) -> None:
    leader, line = trio.leader(), trio.line()
    began = time.monotonic()
    moved = leader.les("transfer", line[2])
    assert moved.returncode == 0, moved.stderr
    # The command starts a Python, too.
    assert time.monotonic() - began < TTL_SECONDS * 3 / 4, "nobody waits for a lease"
    assert trio.leader().address == line[2]


def _elsewhere(daemon: Daemon, part: str) -> Daemon:
    """Put a node into another cluster."""
    text = daemon.config.read_text(encoding="utf-8")
    text = text.replace(f'name = "{CLUSTER}"', f'name = "other"\nrole = "{part}"')
    daemon.config.write_text(text, encoding="utf-8")
    return daemon


def test_an_observer_never_leads_and_another_cluster_is_none_of_ours(trio: Trio, tmp_path: Path) -> None:
    """Both in the same etcd, under the same prefix."""
    leader = trio.leader()
    observer = _elsewhere(lone(tmp_path / "observer", 4, [trio.etcd.url]), "observer")
    member = _elsewhere(lone(tmp_path / "member", 5, [trio.etcd.url]), "member")
    try:
        observer.start()
        observer.wait(lambda status: len(status["members"]) == 1, "has its first view")
        assert observer.status()["leader"] is None
        member.start()
        observer.wait(lambda status: status["leader"] == member.address, "follows the member")
    finally:
        close([observer, member])
    assert trio.leader() is leader
    assert len(trio.line()) == len(trio.daemons)
