"""Who posts what, and what is news."""

import pytest

from les_hooks import Event, EventKind, Reason
from les_plugins.webhook.settings import Endpoint, SendFrom
from les_plugins.webhook.who import Standing, State, fact_of, is_news, place
from tests.fake_context import an_event

A, B, ME = "10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"
PLAIN = Endpoint(name="hook", url="https://hooks.example/")


def told(kind: EventKind, *, seq: int = 7, leader: str | None = A, role: str = "follower", **fields: object) -> Event:
    """An event as this node, ME, is told it."""
    return an_event(kind, seq=seq, leader=leader, role=role, node=ME, **fields)


def placed(event: Event, *later: Event, endpoint: Endpoint = PLAIN) -> State | None:
    """What becomes of the event where others were told of before it came here."""
    standing = Standing()
    for each in (event, *later):
        standing = standing.after(each)
    return place(event, endpoint, standing)


@pytest.mark.parametrize("kind", ["started", "stopping", "elected", "demoted", "reasserted"])
def test_a_node_posts_what_happens_to_itself(kind: str) -> None:
    assert placed(told(EventKind(kind))) is State.QUEUED


@pytest.mark.parametrize("kind", ["leader-changed", "member-joined", "member-left", "member-lost"])
def test_what_all_nodes_are_told_is_posted_by_the_leader_and_kept_for_a_while_by_others(kind: str) -> None:
    assert placed(told(EventKind(kind), role="leader", leader=ME)) is State.QUEUED
    assert placed(told(EventKind(kind))) is State.HELD
    assert placed(told(EventKind(kind), leader=None)) is State.HELD


def test_what_came_late_goes_by_who_leads_by_now() -> None:
    lost = told(EventKind.MEMBER_LOST, seq=1, leader=None)
    assert placed(lost, told(EventKind.ELECTED, seq=2, role="leader", leader=ME)) is State.QUEUED
    assert placed(lost, told(EventKind.LEADER_CHANGED, seq=2, leader=B)) is None
    joined = told(EventKind.MEMBER_JOINED, seq=1, leader=A)
    assert placed(joined, told(EventKind.LEADER_CHANGED, seq=2, leader=A)) is State.HELD
    assert placed(joined, told(EventKind.LEADER_CHANGED, seq=2, leader=B)) is None
    assert placed(joined, told(EventKind.MEMBER_LOST, seq=0, leader=B)) is State.HELD, "older news changes nothing"


def test_send_from_decides_for_all_events() -> None:
    by_node = Endpoint(name="hook", url="https://hooks.example/", send_from=SendFrom.NODE)
    by_leader = Endpoint(name="hook", url="https://hooks.example/", send_from=SendFrom.LEADER)
    assert placed(told(EventKind.MEMBER_LOST), endpoint=by_node) is State.QUEUED
    assert placed(told(EventKind.STARTED), endpoint=by_leader) is State.HELD
    assert placed(told(EventKind.STARTED, role="leader", leader=ME), endpoint=by_leader) is State.QUEUED


def test_an_endpoint_gets_the_events_that_it_names() -> None:
    endpoint = Endpoint(name="hook", url="https://hooks.example/", events=(EventKind.ELECTED,))
    assert placed(told(EventKind.DEMOTED), endpoint=endpoint) is None
    assert placed(told(EventKind.ELECTED), endpoint=endpoint) is State.QUEUED


def test_a_replay_is_news_only_where_the_fact_was_not_written() -> None:
    event = told(EventKind.LEADER_CHANGED, term=4, replay=True)
    fact = fact_of(event)
    assert fact is not None
    assert not is_news(event, fact.value)
    assert is_news(event, "")
    assert is_news(event, f"3 {A}")
    assert is_news(told(EventKind.LEADER_CHANGED, term=4), fact.value), "not a replay"


def test_a_leader_that_applies_everything_again_after_a_reload_is_no_news() -> None:
    elected = fact_of(told(EventKind.ELECTED, role="leader", term=4))
    assert elected is not None
    assert not is_news(told(EventKind.REASSERTED, role="leader", term=4, replay=True), elected.value)
    assert is_news(told(EventKind.REASSERTED, role="leader", term=5), elected.value)


def test_the_demotion_of_a_start_is_news_where_the_daemon_died_as_the_leader() -> None:
    event = told(EventKind.DEMOTED, reason=Reason.STARTUP, leader=None)
    elected = fact_of(told(EventKind.ELECTED, role="leader"))
    assert elected is not None
    assert is_news(event, elected.value)
    assert not is_news(event, "")
    assert not is_news(event, "follower")


@pytest.mark.parametrize("reason", [Reason.CRASHED, Reason.RELOAD])
def test_a_demotion_that_only_undoes_says_nothing(reason: Reason) -> None:
    event = told(EventKind.DEMOTED, reason=reason)
    assert not is_news(event, "leader 3")
    assert fact_of(event) is None
