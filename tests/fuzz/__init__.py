"""Whatever strangers send: for each parser of foreign bytes what must hold of any bytes at all.

`oracles` says what must hold, `script` does so of the election, `strategies` and `mutation` make what to try. The tests
here try some of it, the same at each run; `by_hand` tries millions, and `corpus` keeps what was worth trying.
"""

from hypothesis import HealthCheck, settings

__all__ = ["BOUNDED"]

BOUNDED = settings(
    derandomize=True,
    database=None,
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""How much the tests of this folder try."""
