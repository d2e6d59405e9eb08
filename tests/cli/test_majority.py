"""What the commands tell and do where a majority of voters decides: two nodes and a witness, as real daemons."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Les
from tests.cluster import Cluster, Daemon, until


@pytest.fixture(scope="module")
def duo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The nodes a and b, and the witness c."""
    cluster = Cluster(tmp_path_factory.mktemp("duo"), 3)
    voters = ", ".join(f'"{daemon.address}"' for daemon in cluster.daemons)
    for daemon in cluster.daemons:
        own = f'[cluster]\nquorum = "majority"\nvoters = [{voters}]\n'
        role = 'role = "witness"\n' if daemon.name == "c" else ""
        text = daemon.config.read_text().replace("[cluster]\n", own + role)
        daemon.config.write_text(text.replace("[timing]\n", '[timing]\nlease = "1s"\n'))
    with cluster:
        cluster.wait_leader()
        yield cluster


def _three(duo: Cluster) -> tuple[Daemon, Daemon, Daemon]:
    """The leader, the other one that could lead, and the witness; once both could."""
    witness = duo.daemons[2]
    until(lambda: sum(not place["why"] for place in witness.status()["succession"]) == 2, "two can lead")
    leader = duo.wait_leader()
    other = next(daemon for daemon in duo.daemons[:2] if daemon is not leader)
    return leader, other, witness


def _voters(daemon: Daemon) -> dict[str, list[str]]:
    """The rows of the table of voters, by address."""
    lines = Les(daemon.config)("status").stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("VOTER"))
    rows = [line.split() for line in lines[at + 1 : at + 4]]
    return {row[1]: row for row in rows}


def test_the_leader_shows_the_votes_that_it_has(duo: Cluster) -> None:
    leader, _, _ = _three(duo)
    until(lambda: all(row[-1] == leader.name for row in _voters(leader).values()), "all vote for it")
    assert "majority       2 of 3 voters; 3 heard, 3 granted, lease 1 s" in Les(leader.config)("status").stdout


def test_another_voter_shows_its_own_vote(duo: Cluster) -> None:
    leader, other, witness = _three(duo)
    for daemon in (other, witness):
        assert _voters(daemon)[daemon.address][2:] == ["itself", leader.name]
        assert _voters(daemon)[leader.address][2:] == ["heard"]


def test_a_witness_is_shown_as_one_and_can_lead_nothing(duo: Cluster) -> None:
    leader, other, witness = _three(duo)
    members = {member["address"]: member for member in Les(other.config).json("members")}
    assert members[witness.address]["part"] == "witness"
    assert "witness" in Les(other.config)("members").stdout
    refused = Les(leader.config)("transfer", witness.name)
    assert refused.exit_code == 1
    assert "cannot lead: a witness votes, and never leads" in refused.stderr


def test_a_witness_takes_no_maintenance_and_has_no_hooks_to_list(duo: Cluster) -> None:
    *_, witness = _three(duo)
    les = Les(witness.config)
    refused = les("maintenance", "on")
    assert refused.exit_code == 1
    assert "a witness votes, and never leads" in refused.stderr
    told = les("hooks", "list")
    assert (told.exit_code, told.stdout) == (0, "this node is a witness, which loads no plugins and runs no hooks\n")
    assert les.json("hooks", "list") == {"daemon": True, "hooks": []}


def test_a_transfer_moves_leadership_there_and_back(duo: Cluster) -> None:
    leader, other, _ = _three(duo)
    for giver, taker in ((leader, other), (other, leader)):
        result = Les(giver.config)("transfer", taker.name)
        assert result.exit_code == 0, result.output
        assert duo.wait_leader() is taker
        _three(duo)


def test_where_both_are_in_maintenance_even_the_witness_says_why_nobody_leads(duo: Cluster) -> None:
    leader, other, witness = _three(duo)
    for daemon in (other, leader):
        assert Les(daemon.config)("maintenance", "on", "--reason", f"disk of {daemon.name}").exit_code == 0
    try:
        status = witness.wait(lambda status: all(place["why"] for place in status["succession"]), "sees nobody fit")
        why = {place["name"]: place["why"] for place in status["succession"]}
        assert "disk of a" in why["a"]
        assert "disk of b" in why["b"]
        assert why["c"] == "a witness votes, and never leads"
        witness.wait(lambda status: status["leader"] is None, "has no leader")
        assert "no leader: nobody is eligible" in Les(witness.config)("status").stdout
    finally:
        for daemon in (other, leader):
            Les(daemon.config)("maintenance", "off")
    _three(duo)


def test_a_node_that_hears_too_few_voters_says_so_and_a_lost_one_is_a_warning(duo: Cluster) -> None:
    """The last test here: it ends two of the three."""
    leader, other, witness = _three(duo)
    for daemon in (leader, witness):
        daemon.kill()
    status = other.wait(lambda status: status["leader"] is None, "has no leader")
    other.wait(lambda status: any("hears 1 of 3 voters" in place["why"] for place in status["succession"]), "says why")
    shown = Les(other.config)("status").stdout
    assert "majority       2 of 3 voters; 1 heard, lease 1 s" in shown
    assert f"{other.name} ({other.address})  hears 1 of 3 voters, and needs 2" in shown
    for daemon in (leader, witness):
        assert any(daemon.address in warning for warning in status["warnings"])
        assert _voters(other)[daemon.address][2:] == ["not", "heard"]
