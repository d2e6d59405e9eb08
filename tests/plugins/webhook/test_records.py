"""What is left in the audit cannot be made a flood by a receiver, and nothing is left out of the counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from les_plugins.webhook.records import PACE_SECONDS, Records
from les_plugins.webhook.workers import Happening
from tests.fake_context import FakeContext


class Clock:
    """Seconds that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def context() -> FakeContext:
    """Where the records go."""
    return FakeContext(name="webhook", config=None)


def counts(context: FakeContext) -> list[tuple[str, Any]]:
    """What was recorded, and for how many."""
    return [(record["action"], record["count"]) for record in context.audited]


def test_the_first_is_recorded_at_once_and_the_others_together(clock: Clock, context: FakeContext) -> None:
    records = Records(context, clock)
    for _ in range(1000):
        records(Happening.GIVEN_UP, "hook", reason="status 401")
    assert counts(context) == [("given-up", 1)]
    clock.now = PACE_SECONDS
    records.flush()
    assert counts(context) == [("given-up", 1), ("given-up", 999)]
    assert context.audited[1]["reason"] == "status 401"
    assert context.audited[1]["outcome"] == "failure"
    clock.now += PACE_SECONDS
    records.flush()
    assert len(context.audited) == 2, "nothing has happened since"


def test_endpoints_and_kinds_are_apart(clock: Clock, context: FakeContext) -> None:
    records = Records(context, clock)
    records(Happening.FAILING, "one")
    records(Happening.FAILING, "two")
    records(Happening.RECOVERED, "one")
    records.dropped("one", 7)
    assert counts(context) == [("failing", 1), ("failing", 1), ("recovered", 1), ("dropped", 7)]
    assert [record["outcome"] for record in context.audited] == ["failure", "failure", "success", "dropped"]


def test_at_the_end_all_that_waits_is_recorded(clock: Clock, context: FakeContext) -> None:
    records = Records(context, clock)
    records.dropped("one", 1)
    records.dropped("one", 5)
    records.flush(all_of_it=True)
    assert counts(context) == [("dropped", 1), ("dropped", 5)]


@pytest.mark.parametrize(
    ("leave", "action"),
    [
        (lambda records: records.unwritten("n-1", "disk full"), "unwritten"),
        (lambda records: records.enabled("hook"), "enabled"),
        (lambda records: records.replayed("hook", 3), "replayed"),
        (lambda records: records.set_aside(Path("/x"), "damaged"), "outbox-set-aside"),
        (lambda records: records.degraded("disk full"), "outbox-degraded"),
        (lambda records: records.degraded(""), "outbox-recovered"),
    ],
)
def test_each_has_its_action_in_audit_and_log(
    clock: Clock, context: FakeContext, leave: Callable[[Records], None], action: str
) -> None:
    leave(Records(context, clock))
    assert [record["action"] for record in context.audited] == [action]
    assert [entry["event"] for entry in context.logged] == [f"webhook-{action}"]
