"""Who led over the last day, drawn and told."""

import re
from typing import Any

import pytest

from les_plugins.dashboard.timeline import timeline
from tests.plugins.dashboard.samples import NOW, a_snapshot, address


def row(
    since: float, until: float | None, who: int = 0, ended: str | None = "leader-lost", term: int = 1
) -> dict[str, Any]:
    """A leadership, in hours from now."""
    return {
        "leader": address(who),
        "term": term,
        "since": NOW + since * 3600,
        "until": None if until is None else NOW + until * 3600,
        "ended": None if until is None else ended,
    }


def bars(*rows: dict[str, Any]) -> list[tuple[float, float, str]]:
    """Where each bar begins, how long it is, in percent, and of which kind it is."""
    found = re.findall(r'<rect x="([\d.]+)%" y="\d+" width="([\d.]+)%" height="10" class="bar (\w+)"', drawn(*rows))
    return [(float(x), float(width), kind) for x, width, kind in found]


def drawn(*rows: dict[str, Any]) -> str:
    return timeline(a_snapshot(rows=rows))


def test_a_day_is_the_whole_width() -> None:
    assert bars(row(-30, -12), row(-12, None, 1)) == [(0.0, 50.0, "past"), (50.0, 50.0, "now")]


@pytest.mark.parametrize("ended", ["this node stopped watching", "this node died", "leaving"])
def test_when_nobody_led_there_is_a_gap_and_when_nobody_looked_another(ended: str) -> None:
    found = bars(row(-24, -18), row(-12, -6, ended=ended), row(-3, -1))
    assert [kind for *_, kind in found] == ["past", "past", "past", "gap", "unknown", "gap"]
    assert found[3:] == [(25.0, 25.0, "gap"), (75.0, 12.5, "unknown"), (95.83, 4.17, "gap")]


def test_the_shortest_leadership_and_the_newest_one_can_be_seen() -> None:
    for found in (bars(row(-5, -4.9999)), bars(row(-0.0001, None))):
        assert all(width >= 0.05 and x + width <= 100.0 for x, width, _ in found)


def test_each_leader_has_a_lane_the_last_one_first() -> None:
    lanes = re.findall(r'class="lane">([^<]*)<', drawn(row(-9, -6), row(-6, -3, 1), row(-3, -1), row(-1, None, 2)))
    assert lanes == ["web-3", "web-1", "web-2"]


def test_every_bar_says_what_it_is_and_the_table_says_it_again() -> None:
    text = drawn(row(-2, -1, term=7), row(-0.5, None, 1, term=8))
    assert re.search(r"<title>web-1, term 7: from [\d:]+, until [\d:]+, leader-lost, for 1 h 0 min</title>", text)
    assert re.search(r"<title>nobody: from [\d:]+ until [\d:]+, for 30 min 0 s</title>", text)
    assert re.search(r"<title>web-2, term 8: from [\d:]+, leads now, for 30 min 0 s</title>", text)
    assert "2 as a table" in text
    assert text.index("leads now</td>") < text.index("leader-lost</td>")


def test_who_changes_the_leader_all_the_time_gets_a_page_of_bounded_size() -> None:
    rows = [row(-20 + i / 100, -20 + (i + 1) / 100, i % 30, term=i) for i in range(1000)]
    text = drawn(*rows)
    assert text.count("<rect") <= 401
    assert "the last 25 of 1000 as a table" in text
    assert len(text) < 120_000


def test_nothing_is_drawn_of_what_is_longer_ago() -> None:
    assert bars(row(-40, -25)) == []
    assert "Nobody has led in this time." in drawn(row(-40, -25))
