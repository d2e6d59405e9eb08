"""The page for users names every part of the page."""

import re
from pathlib import Path

from les_plugins.dashboard.page import render
from tests.plugins.dashboard.samples import a_snapshot, a_status, webhooks

DOCS = (Path(__file__).parents[3] / "docs" / "dashboard.md").read_text(encoding="utf-8")


def test_every_part_is_described_in_its_order() -> None:
    page = render(a_snapshot(a_status(plugins=[webhooks({"name": "chat"})])), "v")
    described = re.findall(r"^\| ([A-Z][^|]*?) \|", DOCS, re.MULTILINE)
    assert described == re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
