"""What an operator is warned of, whatever the engine tells or leaves out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from les_hooks.config import Quorum
from les_hooks.control.warnings import node_warnings, warnings, why_unaccepted
from les_hooks.daemon import Node
from les_hooks.daemon.pages import Pages
from les_hooks.daemon.setup import Demotion
from les_hooks.members import Part
from les_hooks.security import Credentials
from tests.control.people import a_member

VOTER = {"address": "10.0.0.1:4000", "name": "a", "heard": True, "agrees": True, "granted": False}
AWAY = {**VOTER, "address": "10.0.0.2:4000", "name": "b", "heard": False}


def test_the_engine_s_own_warnings_come_first() -> None:
    engine = {"warnings": ["the state directory does not survive"], "quorum": {"mode": "members"}}
    assert warnings(engine) == ["the state directory does not survive"]


@pytest.mark.parametrize("engine", [{}, {"quorum": None, "warnings": None}, {"quorum": {"mode": "majority"}}])
def test_an_engine_that_tells_nothing_is_no_warning(engine: dict[str, object]) -> None:
    assert warnings(engine) == []


def test_a_voter_that_is_not_heard_is_told() -> None:
    unknown = {**AWAY, "name": None, "address": "10.0.0.3:4000"}
    assert warnings({"quorum": {"voters": [VOTER, AWAY, unknown]}}) == [
        "the voter b (10.0.0.2:4000) is not heard",
        "the voter 10.0.0.3:4000 is not heard",
    ]


@pytest.mark.parametrize(("count", "bears"), [(2, 0), (4, 1), (6, 2)])
def test_an_even_number_of_voters_is_told(count: int, bears: int) -> None:
    (warning,) = warnings({"quorum": {"voters": [VOTER] * count}})
    assert warning == f"{count} voters bear the loss of {bears}, as {count - 1} would; add a witness"


def test_an_odd_number_is_not() -> None:
    assert warnings({"quorum": {"voters": [VOTER] * 3}}) == []


def _config(quorum: Quorum, role: Part, *voters: str) -> object:
    return SimpleNamespace(
        node=SimpleNamespace(advertise=VOTER["address"]),
        cluster=SimpleNamespace(quorum=quorum, role=role, voters=voters),
    )


def _a_node(**changed: Any) -> Node:
    """A node with nothing to complain of, but for what is given."""
    given = {
        "config": _config(Quorum.MEMBERS, Part.MEMBER),
        "demotion": Demotion(lambda *_words, **_fields: None),
        "upkeep": SimpleNamespace(damage=""),
        "pages": None,
        "credentials": Credentials(),
    }
    return cast("Node", SimpleNamespace(**{**given, **changed}))


def _ended(demotion: Demotion, event: str, plugin: str | None, outcome: str) -> None:
    demotion.record("hook.finished", outcome, event="demoted", event_id=event, plugin=plugin)


def test_a_demotion_that_failed_is_told_until_one_succeeds() -> None:
    node = _a_node()
    assert node_warnings(node) == []
    _ended(node.demotion, "1", "scripts", "timeout")
    _ended(node.demotion, "1", "vip", "success")
    (warning,) = node_warnings(node)
    assert warning.startswith("the last demotion did not succeed: the hooks of scripts failed")
    _ended(node.demotion, "2", "scripts", "success")
    assert node_warnings(node) == []


def test_a_demotion_whose_hooks_were_not_called_is_told() -> None:
    node = _a_node()
    _ended(node.demotion, "1", None, "superseded")
    (warning,) = node_warnings(node)
    assert warning.startswith("the last demotion was given up before all its hooks were called")


def test_a_maintenance_that_cannot_be_read_is_told() -> None:
    (warning,) = node_warnings(_a_node(upkeep=SimpleNamespace(damage="JSON is malformed")))
    assert "whether this node is in maintenance cannot be read (JSON is malformed), so it may lead" in warning


def test_pages_of_plugins_that_are_not_shown_are_told() -> None:
    pages = Pages(url="http://127.0.0.1:4080/", token=False, refused={"x": "why"})
    assert node_warnings(_a_node(pages=pages)) == ["the pages of the plugin x are not shown: why"]


def test_a_member_without_a_vote_is_told_so() -> None:
    (warning,) = node_warnings(_a_node(config=_config(Quorum.MAJORITY, Part.MEMBER, "10.0.0.2:4000")))
    assert warning.startswith("this node has no vote: 10.0.0.1:4000 is not among the voters")


@pytest.mark.parametrize(
    ("part", "voter"), [(Part.MEMBER, VOTER["address"]), (Part.WITNESS, VOTER["address"]), (Part.OBSERVER, "x:1")]
)
def test_who_has_a_vote_or_is_to_have_none_is_not(part: Part, voter: str) -> None:
    assert node_warnings(_a_node(config=_config(Quorum.MAJORITY, part, voter))) == []


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (
            {"quorum": {"voters": [VOTER, {**VOTER, "address": "10.0.0.2:4000", "agrees": False}]}},
            "the voters or leases",
        ),
        ({"quorum": {"voters": [{**VOTER, "agrees": False}]}}, ""),
        ({"quorum": {"mode": "members"}}, ""),
        ({}, ""),
    ],
)
def test_a_leader_by_other_votes_is_told_from_one_that_is_just_new(engine: dict[str, object], why: str) -> None:
    assert why_unaccepted(a_member("b", role="leader"), engine).startswith(why)
    assert bool(why_unaccepted(a_member("b", role="leader"), engine)) == bool(why)


def test_a_file_of_the_secret_that_cannot_be_used_any_more_is_told(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x" * 40)
    file.chmod(0o600)
    credentials = Credentials(file)
    file.unlink()
    credentials.refresh()
    (warning,) = node_warnings(_a_node(credentials=credentials))
    assert warning.startswith("the secret from before is in force, for the file has changed: [security] secret_file")
