"""What a scrape answers: all numbers, in the format that is wanted, and what is known where the node says nothing."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from les_hooks.events import EventKind
from les_plugins.metrics.counts import OTHER
from les_plugins.metrics.gauges import MEMBER_STATES
from tests.fake_context import FakeContext
from tests.plugins.metrics.samples import RECORDS, A, B, FakeNode, endpoint, record, scrape, status

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def parse_openmetrics(text: str) -> Iterable[Metric]:
    """Read it as a scraper does that is strict."""
    found: Iterable[Metric] = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # there
    return found


async def numbers(node: FakeNode, *records: Mapping[str, Any], ctx: FakeContext | None = None) -> dict[str, Any]:
    """The samples of an answer: a number by name, or numbers by their labels' values."""
    text, _ = await scrape(node, *records, ctx=ctx)
    found: dict[str, Any] = {}
    for family in parse_text(text):
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            if labels:
                found.setdefault(sample.name, {})[labels[0] if len(labels) == 1 else labels] = sample.value
            else:
                found[sample.name] = sample.value
    return found


async def test_who_wants_openmetrics_gets_it_and_its_parser_reads_every_line() -> None:
    text, content_type = await scrape(FakeNode(), *RECORDS, accept=OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse_openmetrics(text)}
    assert families["les_role"].type == "stateset"
    assert families["les_build"].type == "info"
    assert families["les_elections"].type == "counter"
    assert families["les_failover_duration_seconds"].type == "histogram"
    assert all(family.documentation for family in families.values())


async def test_all_others_get_the_text_of_prometheus_with_the_same_numbers() -> None:
    def samples(families: Iterable[Metric]) -> set[tuple[str, str]]:
        return {(each.name, str(sorted(each.labels.items()))) for family in families for each in family.samples}

    odd = [f"application/openmetrics-text;version={version}" for version in ("zero", "1.0.x", "9.\N{SNOWMAN}")]
    for accept in ("", "text/plain", "text/html", "\N{SNOWMAN};;=,", *odd):
        text, content_type = await scrape(FakeNode(), *RECORDS, accept=accept)
        assert content_type.startswith("text/plain; version=0.0.4")
        other, _ = await scrape(FakeNode(), *RECORDS, accept=OPENMETRICS)
        assert samples(parse_text(text)) == samples(parse_openmetrics(other))


async def test_no_sample_is_told_twice_and_none_tells_when_it_was_made() -> None:
    text, _ = await scrape(FakeNode(), *RECORDS)
    names = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names))
    assert not [name for name in names if "_created" in name]


async def test_the_status_is_read() -> None:
    found = await numbers(FakeNode())
    assert found["les_status_available"] == 1
    assert {role for role, number in found["les_role"].items() if number} == {"leader"}
    assert (found["les_leading"], found["les_term"], found["les_authority_seconds"]) == (1, 7, 1.43)
    assert found["les_members"] == {"fit": 1, "unfit": 1, "witness": 1, "observer": 0}
    assert found["les_link_rtt_seconds"] == {B: 0.0125}
    assert found["les_links"] == 2
    assert found["les_certificate_expiry_timestamp_seconds"] == 1893553445.0
    assert found["les_events_waiting"] == {"role": 1, "membership": 2}
    assert found["les_plugin_loaded"] == {"scripts": 1, "vip": 0, "webhook": 1}
    assert found["les_voters"] == {"configured": 3, "heard": 2, "granted": 1}


@pytest.mark.parametrize(
    ("part", "fit", "state"),
    [
        ("member", True, "fit"),
        ("member", False, "unfit"),
        ("witness", False, "witness"),
        ("observer", True, "observer"),
    ],
)
async def test_a_member_is_counted_once_and_only_who_may_lead_is_fit(part: str, fit: bool, state: str) -> None:
    found = await numbers(FakeNode(status(members=[{"address": A, "part": part, "fit": fit}])))
    assert found["les_members"] == {each: int(each == state) for each in MEMBER_STATES}
    assert found["les_fit"] == int(state == "fit")


async def test_without_a_leader_there_is_none_in_the_answer() -> None:
    told = status(role="follower", leader=None, leader_name=None, is_me=False, authority=0.0)
    found = await numbers(FakeNode(told))
    assert (found["les_leading"], found["les_leader_known"]) == (0, 0)
    assert "les_leader_info" not in found


async def test_without_voters_there_is_nothing_of_votes() -> None:
    found = await numbers(FakeNode(status(backend={"links": [], "quorum": {"mode": "members"}})))
    assert not [name for name in found if "vote" in name]


@pytest.mark.parametrize(("failing", "told"), [(None, 0.0), (12.5, 12.5)])
async def test_another_backend_has_no_links_and_tells_for_how_long_it_fails(failing: float | None, told: float) -> None:
    found = await numbers(FakeNode(status(backend={"summary": "etcd", "failing": failing, "lease": "1f"})))
    assert not [name for name in found if "link" in name or "vote" in name]
    assert found["les_backend_failing_seconds"] == told
    assert found["les_status_available"] == 1


async def test_a_backend_may_say_nothing_of_itself() -> None:
    found = await numbers(FakeNode(status(backend={})))
    assert found["les_status_available"] == 1
    assert not [name for name in found if "link" in name or "backend" in name]


async def test_queues_of_webhooks_are_told_by_endpoint() -> None:
    found = await numbers(FakeNode())
    assert found["les_webhook_queued_deliveries"] == {"chat": 3, "pager": 3}
    assert found["les_webhook_oldest_seconds"] == {"chat": 0, "pager": 12.5}
    assert found["les_webhook_deliveries_total"] == {"chat": 40, "pager": 40}
    assert found["les_webhook_failing"] == {"chat": 0, "pager": 1}


@pytest.mark.parametrize("said", [None, {}, {"endpoints": 7}, {"endpoints": [endpoint("x", queued="many")]}, []])
async def test_a_webhook_plugin_that_says_something_else_costs_only_its_own_numbers(said: object) -> None:
    plugins = [{"name": "webhook", "state": "loaded", "hooks": [], "status": said}]
    found = await numbers(FakeNode(status(plugins=plugins)))
    assert found["les_status_available"] == 1
    assert not found.get("les_webhook_queued_deliveries")


@pytest.mark.parametrize(
    "node",
    [
        FakeNode(error=RuntimeError("a bug\nof ours")),
        FakeNode(told={"node": "what"}),
        FakeNode(told={}),
        FakeNode(told=status(term=10**400)),
    ],
    ids=["raises", "is something else", "is empty", "holds what no number can"],
)
async def test_where_the_node_cannot_be_asked_what_was_counted_is_told(node: FakeNode) -> None:
    ctx = FakeContext(config=None)
    found = await numbers(node, *RECORDS, ctx=ctx)
    assert found["les_status_available"] == 0
    assert "les_leading" not in found
    assert found["les_elections_total"] == {"leader-lost": 1}
    assert found["process_resident_memory_bytes"] > 0
    assert [each["event"] for each in ctx.logged] == ["status-unavailable"]


async def test_a_status_that_takes_too_long_is_not_waited_for() -> None:
    class Slow(FakeNode):
        async def status(self) -> Mapping[str, Any]:
            await asyncio.Event().wait()
            return {}

    found = await numbers(Slow(), *RECORDS)
    assert found["les_status_available"] == 0
    assert found["les_demotions_total"] == {"outranked": 1}


async def test_hostile_names_stay_one_label() -> None:
    evil = 'x"} 1\nles_leading 1\n\ud800\u202e'
    members = [{"address": evil, "part": evil, "fit": True}]
    links = [{"address": evil, "rtt": math.inf}]
    told = status(leader=evil, leader_name=evil, members=members, backend={"links": links}, is_me=False)
    text, _ = await scrape(FakeNode(told), record(evil, evil, reason=evil), record("leader.elected", reason=evil))
    assert "les_leading 1" not in text.splitlines()
    found = await numbers(FakeNode(told), record("leader.elected", reason=evil))
    assert found["les_elections_total"] == {OTHER: 1}
    assert found["les_link_rtt_seconds"] == {'x"} 1\\nles_leading 1\\n\\ud800\\u202e': math.inf}


async def test_outcomes_of_hooks_are_there_before_they_happen() -> None:
    """Prometheus sees no increase in a series that begins with 1."""
    found = await numbers(FakeNode())
    outcomes = ("success", "failure", "timeout", "superseded")
    assert found["les_hook_calls_total"] == {(EventKind.ELECTED, outcome, "scripts"): 0 for outcome in outcomes}
