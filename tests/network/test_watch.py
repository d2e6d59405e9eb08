"""What is made of echoes and holders: holes, stalls, and times with two holders. Values only, without a network."""

from pathlib import Path

import pytest

from tests.network import echo
from tests.network.lan import Lan
from tests.network.watch import Answers, Holding, Watch, side_by_side

_A, _B = "10.77.0.100", "fd77::100"


def _holding(at: float, *hosts: int) -> Holding:
    return Holding(at=at, hosts=frozenset(hosts))


@pytest.mark.parametrize(
    ("begin", "end", "hole"),
    [
        (1.0, 4.0, 2.0),  # wholly within
        (2.5, 2.6, 2.0),  # it began before, and is over later
        (4.0, 9.0, 5.0),  # nothing came any more: it lasts to the end
        (0.0, 1.0, 1.0),  # nothing came before
    ],
)
def test_a_hole_counts_whole_when_a_part_of_it_lies_within(begin: float, end: float, hole: float) -> None:
    assert Answers(at=[1.0, 1.5, 2.0, 4.0], stalls=[]).hole(begin, end) == hole


def test_what_the_client_itself_did_not_ask_is_told_apart() -> None:
    answers = Answers(at=[], stalls=[(1.0, 1.0), (2.0, 2.5), (8.0, 9.0)])
    assert answers.stalled(0.0, 5.0) == 0.5
    assert answers.stalled(2.2, 8.1) == pytest.approx(0.3)
    assert answers.stalled(5.0, 6.0) == 0.0


def test_two_holders_count_as_long_as_they_are_two() -> None:
    held = [_holding(0.0, 1), _holding(1.0, 1, 2), _holding(2.0, 2), _holding(3.0, 2, 3)]
    assert side_by_side(held, 0.0, 10.0) == 8.0
    assert side_by_side(held, 1.5, 3.5) == 1.0
    assert side_by_side(held, 2.0, 3.0) == 0.0


def _watch(folder: Path) -> Watch:
    """One that looks at nothing: three hosts that are never made."""
    lan = Lan(3, clients=1)
    return Watch(folder, lan.hosts, lan.clients[0], [_A, _B])


def test_holders_are_read_line_by_line_for_each_address(tmp_path: Path) -> None:
    watch = _watch(tmp_path)
    (tmp_path / "holders").write_text("1.0 1 0\n2.0 5 4\nlooked 7 0.012\n3.0 2")
    assert watch.everywhere(_A) == [_holding(1.0, 1), _holding(2.0, 1, 3)]
    assert watch.everywhere(_B) == [_holding(1.0), _holding(2.0, 3)]
    assert watch.looks() == (7, 0.012)


def test_a_host_that_the_client_cannot_reach_is_no_holder_until_it_is_back(tmp_path: Path) -> None:
    watch = _watch(tmp_path)
    (tmp_path / "holders").write_text("1.0 1 0\n3.0 3 0\n")
    watch.away(watch.hosts[0], 2.0)
    assert watch.holdings(_A) == [_holding(1.0, 1), _holding(2.0), _holding(3.0, 2)]
    watch.back(watch.hosts[0])
    assert watch.holders(_A) == {1, 2}


def test_answers_and_stalls_are_told_apart_and_half_a_record_waits(tmp_path: Path) -> None:
    watch = _watch(tmp_path)
    records = [(0, 1.0, 1.1), (1, 1.0, 1.2), (echo.STALL, 1.0, 2.0), (0, 2.0, 2.1)]
    packed = b"".join(echo.RECORD.pack(*record) for record in records)
    (tmp_path / "echoes").write_bytes(packed[:-1])
    assert watch.answers(_A) == Answers(at=[1.1], stalls=[(1.0, 2.0)])
    (tmp_path / "echoes").write_bytes(packed)
    assert watch.answers(_A).at == [1.1, 2.1]
    assert watch.answers(_B).at == [1.2]
