"""How etcd does: told when that changes, and not at the pace of the calls."""

import math
from typing import Any

import structlog
from structlog.testing import CapturingLogger

from les_plugins.etcd.health import Health
from les_plugins.etcd.store import RefusedError, UnreachableError


def health_and_log() -> tuple[Health, CapturingLogger]:
    log = CapturingLogger()
    made: Any = structlog.wrap_logger(log, processors=[lambda logger, method, entry: ((), entry)])
    return Health(made), log


def told(log: CapturingLogger) -> list[tuple[str, Any]]:
    return [(call.kwargs["event"], call.kwargs.get("reason", call.kwargs.get("seconds"))) for call in log.calls]


def test_it_fails_from_the_first_call_that_fails_to_the_next_answer() -> None:
    health, log = health_and_log()
    health.failed(UnreachableError("a: refused"), 10.0)
    health.failed(UnreachableError("a: refused"), 11.0)
    assert (health.failing_since, health.why, health.refused) == (10.0, "a: refused", False)
    health.well(12.0, 12.5)
    assert (health.failing_since, health.why, health.answered) == (math.inf, "", 12.0)
    assert told(log) == [("etcd-failing", "a: refused"), ("etcd-answers", 2.5)]


def test_reasons_that_take_turns_are_not_told_at_their_pace() -> None:
    health, log = health_and_log()
    for quarter in range(80):
        health.failed(UnreachableError(f"reason {quarter % 2}"), quarter / 4)
    assert 2 <= len(log.calls) <= 4
    assert health.why == "reason 1"


def test_a_no_is_told_from_silence() -> None:
    health, _ = health_and_log()
    health.failed(RefusedError("a: wrong user or password"), 10.0)
    assert health.refused
    health.failed(UnreachableError("a: no answer"), 11.0)
    assert not health.refused


def test_a_no_to_one_thing_is_not_over_because_of_a_yes_to_another() -> None:
    """As for a user that may renew a lease and read keys, and not write them."""
    health, log = health_and_log()
    for second in range(8):
        health.failed(RefusedError("a: may not write"), float(second))
        health.well(second + 0.5, second + 0.6)
    assert (health.failing_since, health.answered) == (0.0, 7.5)
    assert told(log) == [("etcd-failing", "a: may not write")]
    health.well(9.0, 9.1)
    assert health.failing_since == math.inf
