"""How often something may happen, on a clock that the test sets."""

import pytest

from les_hooks.serving import Rate


def test_so_many_at_once_and_then_at_the_pace() -> None:
    now = [0.0]
    bucket = Rate(burst=3, per_second=2).bucket(lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_it_says_how_long_until_the_next_one() -> None:
    now = [0.0]
    bucket = Rate(burst=1, per_second=4).bucket(lambda: now[0])
    assert bucket.wait_seconds() == 0.0
    bucket.take()
    assert bucket.wait_seconds() == pytest.approx(0.25)
    now[0] = 0.2
    assert bucket.wait_seconds() == pytest.approx(0.05)
    now[0] = 0.25
    assert bucket.wait_seconds() == 0.0
    assert bucket.take()
