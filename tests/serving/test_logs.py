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
