"""The judges of the tests of this folder see what they are to see."""

import pytest

from tests.bench.starts import Start
from tests.network.story import Line, mingled, overlap_seconds


def _lines(*words: str) -> list[Line]:
    """Of `a1 a1 b2`: work of a in term 1, again, and then of b in term 2, each a second after the one before."""
    return [Line(at=float(at), node=word[0], pid=1, term=int(word[1:]), word="works") for at, word in enumerate(words)]


@pytest.mark.parametrize(
    ("words", "overlap", "faults"),
    [
        ("a1 a1 b2 b2 a3", 0.0, 0),
        ("a1 b2 a1", 0.0, 1),
        ("a1 b2 a1 b2", 1.0, 1),
        ("a2 b1", 0.0, 1),
        ("a1 b1", 0.0, 1),
        ("a1 a1 b2 a1 a1 b2 c3 c3", 2.0, 1),
    ],
)
def test_work_side_by_side_is_seen(words: str, overlap: float, faults: int) -> None:
    lines = _lines(*words.split())
    assert overlap_seconds(lines) == overlap
    assert len(mingled(lines)) == faults


def test_two_that_lead_at_once_are_seen() -> None:
    assert Start(led=((1.0, 5.0), (2.0, 3.0))).double_seconds == 1.0
    assert Start(led=((1.0, 2.0), (2.0, 3.0))).double_seconds == 0.0
