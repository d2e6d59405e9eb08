"""Which endpoint is asked first, and what is told of each."""

import msgspec
import pytest

from les_plugins.etcd.endpoints import Endpoints

A, B, C = "http://a:1", "http://b:2", "http://c:3"


class Clock:
    now = 100.0
    wall = 1_700_000_000.0


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints((A, B, C), clock=lambda: Clock.now, wall=lambda: Clock.wall)


def told(endpoints: Endpoints, url: str) -> dict[str, object]:
    return next(each for each in endpoints.status() if each["endpoint"] == url)


def test_the_one_that_worked_last_is_first(endpoints: Endpoints) -> None:
    assert endpoints.turn() == (A, B, C)
    endpoints.worked(B)
    assert endpoints.turn() == (B, C, A)


def test_those_that_failed_are_behind_those_that_did_not(endpoints: Endpoints) -> None:
    endpoints.failed(A, "refused")
    endpoints.worked(B)
    endpoints.failed(C, "refused")
    endpoints.worked(A)
    endpoints.failed(A, "refused")
    assert endpoints.turn() == (A, B, C)


def test_it_has_failed_since_its_first_failure_by_a_clock_that_nobody_sets(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints.failed(A, "no answer within 1 s")
    monkeypatch.setattr(Clock, "now", 107.0)
    endpoints.failed(A, "connection refused")
    monkeypatch.setattr(Clock, "wall", 5000.0)
    assert told(endpoints, A)["failing_since"] == 4993.0
    assert told(endpoints, A)["error"] == "connection refused"
    endpoints.worked(A)
    assert told(endpoints, A)["failing_since"] is None
    assert told(endpoints, A)["error"] is None


def test_what_is_told_is_plain_json(endpoints: Endpoints) -> None:
    endpoints.told_version(B, "3.4.23")
    endpoints.told_version(C, "")
    expected = {"endpoint": B, "used": False, "failing_since": None, "error": None, "version": "3.4.23"}
    assert msgspec.json.decode(msgspec.json.encode(endpoints.status()))[1] == expected
    assert told(endpoints, C)["version"] is None
    assert endpoints.version(C) is not None, "it need not be asked again"


def test_one_that_failed_may_come_back_as_another_version(endpoints: Endpoints) -> None:
    endpoints.told_version(B, "3.4.23")
    endpoints.failed(B, "refused")
    assert endpoints.version(B) is None


def test_an_endpoint_of_another_etcd_does_not_belong(endpoints: Endpoints) -> None:
    assert endpoints.belongs(A, 1)
    assert not endpoints.belongs(B, 2)
    assert endpoints.belongs(C, 1)


def test_an_etcd_that_was_made_anew_is_believed_once_all_are_of_it(endpoints: Endpoints) -> None:
    assert endpoints.belongs(A, 1)
    assert not endpoints.belongs(A, 2)
    assert not endpoints.belongs(B, 2)
    assert endpoints.belongs(C, 2)
    assert endpoints.belongs(A, 2)
    assert not endpoints.belongs(B, 1)
