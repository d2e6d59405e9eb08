"""How long the kernel may keep an address."""

import math

from hypothesis import given
from hypothesis import strategies as st

from les_plugins.vip.lease import LATENESS_SECONDS, most_seconds, pace

LIFETIMES = st.integers(min_value=2, max_value=3600)


@given(LIFETIMES)
def test_where_nobody_waits_for_it_it_is_kept_as_long_as_configured(lifetime: int) -> None:
    assert most_seconds(lifetime, math.inf) == lifetime


@given(LIFETIMES, st.floats(min_value=0, max_value=1e6))
def test_it_is_gone_when_others_may_lead_though_the_kernel_is_late(lifetime: int, release_left: float) -> None:
    seconds = most_seconds(lifetime, release_left)
    assert 0 <= seconds <= lifetime
    assert seconds == 0 or seconds + LATENESS_SECONDS <= release_left


@given(LIFETIMES, st.floats(min_value=1.5, max_value=1e6))
def test_no_second_is_given_away(lifetime: int, release_left: float) -> None:
    seconds = most_seconds(lifetime, release_left)
    assert seconds == lifetime or seconds + 1 + LATENESS_SECONDS + 0.05 > release_left


@given(LIFETIMES)
def test_a_renewal_and_another_may_be_missed(lifetime: int) -> None:
    assert 3 * pace(lifetime) < lifetime
