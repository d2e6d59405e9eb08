"""What `les status` prints of answers that tell much, or little: hand-made ones, as any daemon could give them."""

from collections.abc import Mapping
from typing import Any

import pytest

from les_hooks.cli.status import members_table, show

NODE = {"name": "a", "address": "10.0.0.1:4000", "version": "0.1.0", "pid": 812, "uptime": 60.0, "stopping": False}


def _member(name: str, **changed: object) -> dict[str, object]:
    number = ord(name) - ord("a") + 1
    given = {
        "address": f"10.0.0.{number}:4000",
        "name": name,
        "kind": "les",
        "part": "member",
        "role": "follower",
        "fit": True,
        "unfit": "",
        "direct": True,
        "start_time": 1772352000.0 + number,
        "version": "0.1.0",
    }
    return {**given, **changed}


def _place(name: str, why: str = "") -> dict[str, str]:
    return {"address": f"10.0.0.{ord(name) - ord('a') + 1}:4000", "name": name, "why": why}


def _answer(**changed: object) -> dict[str, Any]:
    given = {
        "node": NODE,
        "cluster": "web",
        "role": "follower",
        "term": 7,
        "leader": "10.0.0.2:4000",
        "leader_name": "b",
        "authority": 0.0,
        "settled": True,
        "members": [_member("b", role="leader"), _member("a")],
        "lanes": {"role": 0, "membership": 0},
        "plugins": [],
        "audit": {"path": "/var/lib/les/audit.jsonl", "seq": 4711, "degraded": None, "dropped": 0},
        "guard": 813,
        "state_dir": "/var/lib/les",
        "config": {"source": "/etc/les/les.toml", "loaded": 0.0},
        "security": {"mode": "insecure", "summary": "open: insecure = true", "fingerprints": [], "public": True},
        "backend": {"address": "10.0.0.1:4000", "links": [], "dialed": []},
    }
    return {**given, **changed}


def _shown(capsys: pytest.CaptureFixture[str], answer: Mapping[str, Any]) -> list[str]:
    show(answer)
    return capsys.readouterr().out.splitlines()


def _voter(name: str, /, **changed: object) -> dict[str, object]:
    given = {"address": _place(name)["address"], "name": name, "heard": True, "agrees": True, "granted": False}
    return {**given, **changed}


def test_what_a_daemon_does_not_tell_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n".join(_shown(capsys, _answer()))
    for word in ("majority", "votes", "VOTER", "maintenance", "warning", "WHY UNFIT", "no leader"):
        assert word not in shown


def test_a_witness_and_an_observer_are_called_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    members = [_member("a"), _member("b", part="witness"), _member("c", part="observer", role="joining")]
    members_table(members, None)
    roles = [line.split("4000")[1].split("  ")[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert roles == ["follower", "witness", "observer, joining"]


def test_why_somebody_is_unfit_stands_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    members_table([_member("a"), _member("b", fit=False, unfit="maintenance: new disk")], None)
    header, fit, unfit = capsys.readouterr().out.splitlines()
    assert header.endswith("WHY UNFIT")
    assert fit.endswith("0.1.0")
    assert "follower, unfit" in unfit
    assert unfit.endswith("maintenance: new disk")


def test_without_a_leader_each_node_has_a_line_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    places = [_place("b", "disk full"), _place("a", "maintenance: new disk"), _place("c", "a witness votes")]
    shown = _shown(capsys, _answer(leader=None, leader_name=None, succession=places))
    at = shown.index("no leader: nobody is eligible")
    assert shown[at + 1 : at + 4] == [
        "  b (10.0.0.2:4000)  disk full",
        "  a (10.0.0.1:4000)  maintenance: new disk",
        "  c (10.0.0.3:4000)  a witness votes",
    ]


def test_without_a_leader_who_could_lead_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    places = [_place("b", "disk full"), _place("a")]
    shown = _shown(capsys, _answer(leader=None, leader_name=None, succession=places))
    assert "leader         none yet; a (10.0.0.1:4000) is next in line" in shown
    assert not any(line.startswith("no leader") for line in shown)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"summary": "6 checks, 1 unfit", "checks": []}, "6 checks, 1 unfit"),
        ({"calls": 3, "urls": [1, 2]}, "calls: 3, urls: 2"),
    ],
)
def test_a_plugin_is_told_in_its_own_summary_or_in_numbers(
    status: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = {"name": "x", "version": "1", "state": "loaded", "why": "", "status": status}
    assert _shown(capsys, _answer(plugins=[plugin]))[-1].split("loaded")[1].strip() == words


STORE = {"summary": "etcd at http://10.0.0.9:2379; key of revision 7, lease of 5 s", "failing": None}


def test_where_members_meet_in_a_store_that_has_a_line_and_links_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _answer(backend=STORE))
    assert f"backend        {STORE['summary']}" in shown
    assert not [line for line in shown if "LINK" in line or "direct" in line]


def test_without_an_answer_of_the_store_no_leader_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    silent = {"summary": "etcd has not answered for 9 s", "failing": 9.0}
    shown = _shown(capsys, _answer(leader=None, leader_name=None, succession=[_place("a")], backend=silent))
    assert "backend        etcd has not answered for 9 s" in shown
    assert "leader         not known, as the backend has no answer" in shown


def test_a_node_that_joins_a_store_waits_for_no_seed(capsys: pytest.CaptureFixture[str]) -> None:
    silent = {"summary": "etcd has not answered for 9 s", "failing": 9.0}
    shown = _shown(capsys, _answer(role="joining", settled=False, leader=None, members=[], backend=silent))
    assert "role           joining, waiting for the backend" in shown
    assert not [line for line in shown if "ADDRESS" in line]


def test_a_node_that_may_wait_for_ever_names_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _answer(role="joining", settled=False, alone_in=None))
    assert "role           joining, waiting for a first member or seed" in shown


@pytest.mark.parametrize(
    ("part", "words"), [("witness", "not needed: a witness runs nothing"), ("member", "not running")]
)
def test_only_who_runs_something_misses_its_guard(part: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"guard          {words}" in _shown(capsys, _answer(guard=None, node={**NODE, "part": part}))


def test_a_leader_that_only_others_accept_is_no_next_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    other = {"address": "10.0.0.2:4000", "name": "b", "why": "the voters or leases differ"}
    shown = _shown(capsys, _answer(leader=None, leader_name=None, unaccepted=other, succession=[_place("b")]))
    assert (
        "leader         b (10.0.0.2:4000) leads, but this node does not accept it: the voters or leases differ" in shown
    )


QUORUM = {
    "mode": "majority",
    "voters": [_voter("a"), _voter("b"), _voter("c", agrees=False), _voter("d", name=None, heard=False)],
    "majority": 3,
    "lease": 4.0,
    "vote": "10.0.0.2:4000",
    "waiting": 0.0,
}


def _voters_shown(shown: list[str]) -> list[list[str]]:
    at = next(i for i, line in enumerate(shown) if line.startswith("VOTER"))
    return [line.split() for line in shown[at + 1 : at + 5]]


def test_the_majority_is_told_in_a_line_and_each_voter_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _answer(backend={"quorum": QUORUM}))
    assert "majority       3 of 4 voters; 2 heard, lease 4 s" in shown
    assert _voters_shown(shown) == [
        ["a", "10.0.0.1:4000", "itself", "b"],
        ["b", "10.0.0.2:4000", "heard"],
        ["c", "10.0.0.3:4000", "disagrees"],
        ["-", "10.0.0.4:4000", "not", "heard"],
    ]


def test_a_leader_tells_which_votes_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    voters = [_voter("a", granted=True), _voter("b", granted=True), _voter("c"), _voter("d", heard=False)]
    quorum = {**QUORUM, "voters": voters, "vote": "10.0.0.1:4000"}
    shown = _shown(capsys, _answer(role="leader", backend={"quorum": quorum}))
    assert "majority       3 of 4 voters; 3 heard, 2 granted, lease 4 s" in shown
    assert [words[3:] for words in _voters_shown(shown)[:3]] == [["a"], ["a"], []]


def test_a_voter_that_has_just_started_says_that_it_withholds_its_vote(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n".join(_shown(capsys, _answer(backend={"quorum": {**QUORUM, "waiting": 3.2}})))
    assert "vote           withheld for another 3.2 s" in shown


@pytest.mark.parametrize("quorum", [None, {}, {"mode": "members"}, {"mode": "majority"}, [], "majority"])
def test_an_engine_that_tells_less_of_its_votes_is_shown_all_the_same(
    quorum: object, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _shown(capsys, _answer(backend={"quorum": quorum}))
    assert not any(line.startswith("VOTER") for line in shown)


def test_each_warning_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _answer(warnings=["the voter c is not there", "b has other voters\x1b[2J"]))
    assert [line for line in shown if line.startswith("warning")] == [
        "warning        the voter c is not there",
        "warning        b has other voters\\x1b[2J",
    ]


def test_maintenance_of_this_node_tells_until_when_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    standing = {"on": True, "until": 1772352000.0, "note": "new disk", "uid": 0, "left": 60.0}
    (line,) = (line for line in _shown(capsys, _answer(maintenance=standing)) if line.startswith("maintenance"))
    assert line == "maintenance    until 2026-03-01T08:00:00Z: new disk"


LONG = "the disk of the database is full, and the one that it should be moved to has not been delivered yet, sorry"


def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it a terminal of 80 columns; not as a fixture, as what captures is put in place after those."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def test_on_a_narrow_terminal_a_reason_stands_below_its_member(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _narrow(monkeypatch)
    members = [_member("a", fit=False, unfit=LONG), _member("b", part="observer", role="joining", direct=False)]
    members_table(members, None)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert [line[:7] for line in shown[1:]] == ["   a   ", "    the", "    not", "   b   "]
    assert " ".join(line.strip() for line in shown[2:4]) == LONG


def test_on_a_narrow_terminal_no_line_is_longer_than_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _narrow(monkeypatch)
    shown = _shown(
        capsys,
        _answer(
            members=[_member("a", fit=False, unfit=LONG), _member("b", part="observer")],
            leader=None,
            leader_name=None,
            succession=[_place("a", LONG), _place("b", "an observer neither votes nor leads")],
            warnings=[LONG],
            maintenance={"on": True, "until": 1772352000.0, "note": LONG, "uid": 0, "left": 60.0},
            backend={"quorum": {**QUORUM, "waiting": 3.2}},
        ),
    )
    assert max(map(len, shown)) <= 80
    assert " ".join(" ".join(shown).split()).count("delivered yet, sorry") == 3


def test_where_the_page_is_is_shown_and_whether_it_asks_for_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    url = "http://127.0.0.1:4080/"
    assert [line for line in _shown(capsys, _answer()) if "page" in line] == []
    (line,) = [line for line in _shown(capsys, _answer(http={"url": url, "token": False})) if "page" in line]
    assert line.split() == ["page", url]
    (line,) = [line for line in _shown(capsys, _answer(http={"url": url, "token": True})) if "page" in line]
    assert line.endswith(f"{url} (asks for the token)")
