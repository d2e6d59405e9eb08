"""What strangers can have written into the log is bounded, and nothing is lost without a word."""

import logging

import structlog
from structlog.testing import capture_logs

from les_hooks.serving import Bucket, Sparing


def test_the_next_line_says_how_many_were_left_out() -> None:
    now = [0.0]
    with capture_logs() as logs:
        sparing = Sparing(structlog.get_logger(), Bucket(2, 5.0, lambda: now[0]))
        for number in range(7):
            sparing.write(logging.INFO, "nonsense", number=number)
        now[0] = 5.0
        for number in range(7, 9):
            sparing.write(logging.INFO, "nonsense", number=number)
    assert [(line["number"], line.get("unlogged")) for line in logs] == [(0, None), (1, None), (7, 5)]


def _write_each_second(sparing: Sparing, now: list[float], seconds: int) -> None:
    for _ in range(seconds):
        now[0] += 1.0
        for peer in ("10.0.0.2", "10.0.0.3"):
            sparing.write(logging.INFO, "refused", peer=peer)


def test_what_goes_on_and_on_is_said_once_and_again_after_ten_minutes_or_when_something_has_changed() -> None:
    now = [0.0]
    with capture_logs() as logs:
        sparing = Sparing(structlog.get_logger(), once=True, clock=lambda: now[0])
        _write_each_second(sparing, now, 600)
        assert [line["peer"] for line in logs] == ["10.0.0.2", "10.0.0.3"]
        _write_each_second(sparing, now, 1)
        assert [(line["peer"], line.get("unlogged")) for line in logs[2:]] == [("10.0.0.2", 1198), ("10.0.0.3", None)]
        sparing.forget()
        _write_each_second(sparing, now, 2)
    assert len(logs) == 6


def test_what_was_said_is_remembered_of_so_many_only() -> None:
    now = [0.0]
    with capture_logs() as logs:
        sparing = Sparing(structlog.get_logger(), Bucket(1000, 1.0), once=True, clock=lambda: now[0])
        for number in (*range(65), 64, 0):
            sparing.write(logging.INFO, "refused", number=number)
    assert [line["number"] for line in logs] == [*range(65), 0]
