"""The page for users names every metric with its type and labels, and no other."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics

from les_plugins.metrics.counts import FAILOVER_BUCKETS
from les_plugins.metrics.gauges import ROLES
from les_plugins.metrics.lag import EVERY_SECONDS
from tests.plugins.metrics.samples import RECORDS, FakeNode, scrape

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", PAGE, re.MULTILINE)
SUFFIXES = {"counter": "_total", "info": "_info"}


def test_every_row_is_read() -> None:
    assert len(ROWS) == len(re.findall(r"^\| `", PAGE, re.MULTILINE)) > 40


async def test_every_metric_is_described_with_its_type_and_labels() -> None:
    text, _ = await scrape(FakeNode(), *RECORDS, accept="application/openmetrics-text;version=1.0.0")
    families: Iterable[Metric] = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # there
    told = {
        family.name + SUFFIXES.get(family.type, ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families
    }
    described = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in ROWS}
    assert described == told


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_named(role: str) -> None:
    (words,) = [tells for name, *_, tells in ROWS if name == "les_role"]
    assert f"`{role}`" in words


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"a wait of {EVERY_SECONDS:g} s" in PAGE
    assert f"{FAILOVER_BUCKETS[0] * 1000:g} ms to {FAILOVER_BUCKETS[-1]:g} s" in PAGE
