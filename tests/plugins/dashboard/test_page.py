"""What the page says, from what a node tells of itself."""

import re
from typing import Any

import pytest

from les_plugins.dashboard.page import render
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.webhook.outbox.rows import Tally
from les_plugins.webhook.report import shown
from tests.plugins.dashboard.samples import (
    HOSTILE,
    NOW,
    a_member,
    a_plugin,
    a_record,
    a_snapshot,
    a_status,
    address,
    hostile,
    webhooks,
)
from tests.plugins.dashboard.test_markup import read


def seen(snapshot: Snapshot) -> str:
    """The text of the page, with single blanks."""
    return " ".join(read(render(snapshot, "v").replace("<", " <").replace("> ", ">")).text.split())


def says(status: dict[str, Any], *words: str) -> None:
    text = seen(a_snapshot(status))
    assert [each for each in words if each not in text] == [], text


def passed_over(index: int, why: str, **fields: Any) -> dict[str, Any]:
    """Three members, one of which would not lead."""
    status = a_status()
    status["members"][index] |= {"fit": False, "unfit": why, **fields}
    status["succession"][index]["why"] = why
    return status


def test_who_leads_since_when_and_in_which_term() -> None:
    since = re.search(r"since ([\d:]+) , for (.*?), in term (\d+), at ([\d.:]+)", seen(a_snapshot()))
    assert since is not None
    assert since.groups()[1:] == ("5 h 11 min", "12", "10.0.0.1:4000")


def test_what_is_not_known_of_the_past_is_not_claimed() -> None:
    assert "since" not in seen(a_snapshot(rows=[])).partition("senior since")[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"leader": None}, "Nobody leads web-1 (10.0.0.1:4000) is next in line."),
        (
            {"leader": None, "unaccepted": {"name": "x", "address": "y:1", "why": "the voters differ"}},
            "x (y:1) leads, but this node does not accept it: the voters differ.",
        ),
        ({"leader": None, "settled": False}, "Looking for the others This node waits for a first member or seed."),
        ({"leader": None, "settled": False, "alone_in": 42.0}, "it leads alone in 42 s unless somebody answers"),
        ({"is_me": True, "role": "leader", "authority": 1.25}, "leads authority 1.25 s"),
    ],
)
def test_why_nobody_leads_and_what_this_node_does(fields: dict[str, Any], words: str) -> None:
    says(a_status(**fields), words)


def test_where_nobody_is_eligible_the_line_says_why() -> None:
    status = a_status(leader=None)
    for place in status["succession"]:
        place["why"] = "unit nginx: is failed"
    says(status, "Nobody is eligible; the line of succession says why.", "unit nginx: is failed")


def test_each_in_the_line_waits_for_the_one_before_who_could_lead() -> None:
    status = a_status(4)
    status["succession"][1]["why"] = "database: no answer"
    status["members"][2]["direct"] = False
    says(
        status,
        "1 web-1 10.0.0.1:4000, leader, direct link, 0.42 ms",
        "nothing: it leads",
        "database: no answer",
        "10.0.0.3:4000, follower, relayed by others",
        "web-1 to go; next in line",
        "web-3 to go",
    )


def test_a_witness_an_original_and_who_has_no_stamp_are_told_apart() -> None:
    status = a_status(4)
    status["members"][2] |= {"part": "witness", "start_time": None}
    status["members"][3] |= {"kind": "original", "fit": False}
    says(status, "follower, witness, direct link", "no stamp", "follower, original, unfit")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (a_status(), "Nothing needs attention."),
        (passed_over(1, "database: no answer"), "This node is unfit: database: no answer"),
        (a_status(warnings=["mend me"]), "mend me"),
        (a_status(guard=None), "The guard does not run"),
        (
            a_status(plugins=[a_plugin("vip", "", state="failed", why="no pyroute2")]),
            "The plugin vip cannot be used: no pyroute2",
        ),
        (
            a_status(maintenance={"on": True, "until": NOW + 90, "left": 90.0, "note": "new disk", "uid": 0}),
            "This node is in maintenance for another 1 min 30 s: new disk",
        ),
        (
            a_status(audit={"path": "/a", "seq": 4, "degraded": "No space left", "dropped": 3}),
            "The audit trail is degraded: No space left; 3 records lost",
        ),
        (
            a_status(plugins=[webhooks({"name": "chat", "state": "disabled", "disabled": "answered 410"})]),
            "The webhook chat is disabled: answered 410",
        ),
    ],
)
def test_what_needs_attention_is_said(status: dict[str, Any], words: str) -> None:
    text = seen(a_snapshot(status, last=[]))
    assert words in text
    assert text.count("Nothing needs attention.") == (words == "Nothing needs attention.")


KEY = "etcd at http://10.0.0.9:2379; key of revision 7, lease of 5 s"
STORE = {"summary": KEY, "failing": None}
SILENT = {"summary": "etcd has not answered for 9 s", "failing": 9.0}


def test_where_members_meet_in_a_store_there_is_nothing_of_links() -> None:
    text = seen(a_snapshot(a_status(backend=STORE)))
    assert "link" not in text.lower()
    assert KEY in text


@pytest.mark.parametrize("settled", [True, False])
def test_without_an_answer_of_the_store_that_is_why_nobody_is_known_to_lead(settled: bool) -> None:
    says(a_status(leader=None, settled=settled, backend=SILENT), "No leader known etcd has not answered for 9 s.")


def test_a_majority_says_how_the_votes_stand() -> None:
    status = a_status()
    voters = [{"address": address(index), "heard": index != 2} for index in range(3)]
    status["backend"]["quorum"] = {"mode": "majority", "majority": 2, "voters": voters}
    says(status, "2 of 3 votes, 2 heard")


def test_failed_hooks_come_first_and_only_the_last_call_counts() -> None:
    hook = "hook.finished"
    last = [
        a_record(1, hook, 50, plugin="vip", event="elected", outcome="failure", reason="once"),
        a_record(2, hook, 40, plugin="vip", event="demoted", outcome="failure", reason="no such interface"),
        a_record(3, hook, 30, plugin="vip", event="elected", duration_ms=12.5),
        a_record(4, hook, 20, plugin="scripts", event="elected", outcome="superseded"),
    ]
    text = seen(a_snapshot(last=last))
    hooks = text[text.index("outcome time") :]
    assert hooks.index("no such interface") < hooks.index("superseded") < hooks.index("took 12.5 ms")
    assert "once" not in text
    assert "The last call of these hooks failed: vip on demoted" in text


def test_events_are_told_in_sentences_the_newest_first() -> None:
    text = seen(a_snapshot())
    events = text[text.index("Recent events") : text.index("Hooks How")]
    assert events.index("web-3 has joined") < events.index("web-1 leads leader-lost") < events.index("web-2 leads")
    assert "what an earlier run left is cleared startup" in events
    assert "what an operator asked for failed: reload les.toml:3:1: no" in events
    assert "this node no longer leads" not in events


def test_a_leader_that_is_gone_keeps_its_name() -> None:
    snapshot = a_snapshot(a_status(2))
    names = {**snapshot.names, address(2): "web-3"}
    told = Snapshot(now=NOW, status=snapshot.status, history=snapshot.history, records=snapshot.records, names=names)
    assert "web-3 is lost" in seen(told)
    assert "10.0.0.3:4000 is lost" in seen(snapshot)


def test_webhooks_are_there_only_where_they_are_loaded() -> None:
    assert "Webhooks" not in seen(a_snapshot())
    endpoint = {"name": "chat", "state": "failing", "queued": 41, "oldest_seconds": 731.0, "failed": 2, "error": "503"}
    says(
        a_status(plugins=[webhooks(endpoint)]),
        "Webhooks",
        "The webhook chat is failing: 503",
        "chat 41 12 min 11 s 2 failing: 503",
    )


@pytest.mark.parametrize(
    "said", [None, [], "odd", {"endpoints": None}, {"endpoints": [None, 7, {}]}, {"endpoints": {"a": 1}}]
)
def test_another_plugins_words_are_not_trusted_to_have_a_shape(said: object) -> None:
    assert "This node" in seen(a_snapshot(a_status(plugins=[a_plugin("webhook", "", status=said)])))


def test_what_the_plugin_webhook_says_is_understood() -> None:
    said = shown("chat", Tally(), None, NOW)
    assert {"name", "state", "queued", "oldest_seconds", "failed", "disabled", "error"} <= set(said)
    assert said["state"] == "ok"
    says(a_status(plugins=[webhooks(dict(said))]), "chat 0 0")


def test_hostile_words_stay_words_everywhere() -> None:
    page = render(a_snapshot(hostile()), "v")
    plain = read(render(a_snapshot(a_status(20, own=7)), "v"))
    told = read(page)
    assert set(told.tags) - set(plain.tags) <= {"ul", "li"}
    assert {name for name, _ in told.attributes} <= {name for name, _ in plain.attributes}
    assert not [name for name, _ in told.attributes if name.startswith("on") or name == "style"]
    assert told.text.count("<img src=x onerror=") > 10
    assert not set("\u202e\u2066\x1b") & set(page)
    assert page.encode()


def test_what_comes_from_elsewhere_is_escaped_in_every_field() -> None:
    """Each text of the status in turn, so that none is forgotten."""
    count = 0
    for place in texts(
        a_status(plugins=[webhooks({"name": "a", "state": "failing", "error": "c"}), a_plugin("d", "e")])
    ):
        status = a_status(plugins=[webhooks({"name": "a", "state": "failing", "error": "c"}), a_plugin("d", "e")])
        *way, last = place
        holder: Any = status
        for step in way:
            holder = holder[step]
        holder[last] = HOSTILE
        page = render(a_snapshot(status), "v")
        assert "<img" not in page, place
        assert "\u202e" not in page, place
        count += 1
    assert count > 40


def texts(value: Any, *way: Any) -> list[tuple[Any, ...]]:
    """The ways to all texts in it."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in texts(item, *way, key)]
    if isinstance(value, list):
        return [place for index, item in enumerate(value) for place in texts(item, *way, index)]
    return [way] if isinstance(value, str) else []


def test_a_node_that_is_alone_or_knows_nobody_has_a_page() -> None:
    assert "No other member yet." in seen(a_snapshot(a_status(1, own=0)))
    empty = a_status(1, own=0) | {"members": [], "succession": [], "leader": None, "settled": False}
    assert "Nobody is known yet." in seen(a_snapshot(empty, rows=[], last=[]))


def test_members_round_this_node_are_drawn_each_once() -> None:
    for count in (2, 3, 9, 10, 30):
        page = render(a_snapshot(a_status(count)), "v")
        assert page.count('class="spoke"') == count - 1
        assert page.count('class="dot ') == count
    relayed = a_status()
    relayed["members"] = [a_member(0, direct=False), a_member(1), a_member(2)]
    assert render(a_snapshot(relayed), "v").count('class="spoke relayed"') == 1


def test_the_page_names_its_files_by_what_is_in_them() -> None:
    page = render(a_snapshot(), "abc")
    assert re.findall(r'(?:href|src)="(/dashboard[^"]*)"', page) == [
        "/dashboard.svg?abc",
        "/dashboard.css?abc",
        "/dashboard.js?abc",
    ]
    assert "leader-changed" in page.partition('data-kinds="')[2]
