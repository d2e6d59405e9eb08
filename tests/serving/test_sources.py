"""Who is let in, as arithmetic: no socket, and a clock that the test sets."""

import socket

import pytest

from les_hooks.serving import Limits, Rate, sources
from les_hooks.serving.sources import LOCAL, Refusal, Sources, source_of

LIMITS = Limits(
    connections=100,
    strangers=6,
    at_once=4,
    source=Rate(burst=8, per_second=2),
    everybody=Rate(burst=20, per_second=10),
)


class Clock:
    """Time as the test sets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def some(clock: Clock) -> Sources[str]:
    return Sources(LIMITS, clock)


@pytest.mark.parametrize(
    ("family", "address", "source"),
    [
        (socket.AF_INET, ("192.0.2.1", 4000), "192.0.2.1"),
        (socket.AF_INET6, ("2001:db8:1:2:3:4:5:6", 4000, 0, 0), "2001:db8:1:2::/64"),
        (socket.AF_INET6, ("2001:db8:1:2::", 4000, 0, 0), "2001:db8:1:2::/64"),
        (socket.AF_INET6, ("fe80::1%eth0", 4000, 0, 2), "fe80::/64"),
        (socket.AF_INET6, ("::1", 4000, 0, 0), "::/64"),
        (socket.AF_INET6, ("::ffff:192.0.2.1", 4000, 0, 0), "192.0.2.1"),
        (socket.AF_UNIX, "", LOCAL),
        (socket.AF_UNIX, b"\0abstract", LOCAL),
    ],
)
def test_a_source_is_what_one_host_has(family: int, address: object, source: str) -> None:
    """Of IPv6 addresses a host takes as many as it likes, out of one /64."""
    assert source_of(family, address) == source


def test_one_source_may_come_so_often_and_the_others_do_not_feel_it(some: Sources[str], clock: Clock) -> None:
    answers = [some.refusal("flooder") for _ in range(1000)]
    assert answers == [None] * 8 + [Refusal.SOURCE] * 992
    assert [some.refusal("member") for _ in range(8)] == [None] * 8
    clock.now = 1.0
    assert [some.refusal("flooder") for _ in range(3)] == [None, None, Refusal.SOURCE]


def test_all_together_may_come_so_often(some: Sources[str]) -> None:
    answers = [some.refusal(f"{number}") for number in range(30)]
    assert answers == [None] * 20 + [Refusal.ALL] * 10


def test_who_holds_too_many_loses_the_oldest_of_its_own(some: Sources[str]) -> None:
    for number in range(4):
        assert some.enter("holder", f"held {number}") is None
    assert some.enter("member", "a member") is None
    assert some.enter("holder", "held 4") == "held 0"
    assert some.enter("holder", "held 5") == "held 1"


def test_when_all_are_too_many_the_oldest_of_the_source_that_has_most_goes(some: Sources[str]) -> None:
    assert some.enter("member", "a member") is None
    assert [some.enter("x", f"x{number}") for number in range(2)] == [None] * 2
    assert [some.enter("y", f"y{number}") for number in range(3)] == [None] * 3
    assert some.enter("z", "z0") == "y0"
    assert some.enter("z", "z1") == "x0"


def test_who_has_proven_itself_counts_no_more_and_never_has_to_go(some: Sources[str]) -> None:
    some.enter("nat", "a member")
    some.leave("a member")
    for number in range(4):
        assert some.enter("nat", f"held {number}") is None
    for number in range(20):
        assert some.enter("nat", f"next {number}") != "a member"
    some.leave("a member")


def test_a_million_addresses_leave_no_more_than_a_few_thousand_behind(
    some: Sources[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MOST_REMEMBERED", 50)
    for number in range(1000):
        source = f"source {number}"
        some.refusal(source)
        some.enter(source, f"guest {number}")
    assert len(some._rates) == 50
    assert len(some._strangers) == len(some._source) == LIMITS.strangers


def test_a_source_that_keeps_coming_is_not_forgotten_for_those_that_came_once(
    some: Sources[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MOST_REMEMBERED", 5)
    let_in = 0
    for number in range(1000):
        let_in += some.refusal("flooder") is None
        some.refusal(f"{number}")
    assert let_in == LIMITS.source.burst
