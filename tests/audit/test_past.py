"""What a trail tells of leaderships, over rotated files; a start reads the end of it, within bounds."""

import gzip
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from les_hooks.audit.files import TrailFile, find
from les_hooks.audit.leaderships import Leaderships
from les_hooks.audit.past import read_all, recall
from tests.audit.records import changed, elected, record


def text(*records: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in records)


OLD = [changed(1, "b:1"), *(record(second, "hook.finished") for second in range(2, 50))]
MIDDLE = [changed(60, "c:1", term=2), record(61, "hook.finished", reason='"action":"leader.changed"')]
DEAD = [*elected(70, term=3), record(75, "hook.finished"), record(76, "hook.finished")]
NEW = [record(90, "audit.opened", boot=2), record(90, "node.started", boot=2), changed(91, "b:1", term=4, boot=2)]
ROWS = [
    ("b:1", 1, "leader-lost"),
    ("c:1", 2, "first"),
    ("a:1", 3, "this node died"),
    ("b:1", 4, None),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trail in three files, one of them compressed."""
    path = tmp_path / "audit.jsonl"
    path.with_name("audit.jsonl.2.gz").write_bytes(gzip.compress(text(*OLD)))
    path.with_name("audit.jsonl.1").write_bytes(b'{"torn\n' + text(*MIDDLE, *DEAD))
    path.write_bytes(text(*NEW))
    return path


def brief(history: Leaderships) -> list[tuple[str, int, str | None]]:
    return [(row.leader, row.term, row.ended) for row in history.rows]


def recalled(path: Path, **bounds: Any) -> Leaderships:
    history = Leaderships()
    recall(find(path).files, history, **bounds)
    return history


def test_all_files_tell_one_story(path: Path) -> None:
    history = Leaderships()
    complaints: list[TrailFile] = []
    read_all(find(path).files, history, lambda file, _: complaints.append(file))
    assert brief(history) == ROWS
    assert complaints == []


def test_the_end_is_read_backwards_and_tells_the_same(path: Path) -> None:
    history = Leaderships()
    read_all(find(path).files, history, lambda *_: None)
    assert recalled(path).rows == history.rows


def test_a_process_that_died_was_there_until_its_last_record_of_any_kind(path: Path) -> None:
    died = recalled(path).rows[2]
    assert (died.until or 0.0) - died.since == 6


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [
        ({"most_bytes": 0}, []),
        ({"most_bytes": len(text(*NEW))}, ROWS[3:]),
        ({"most_bytes": len(text(*NEW, *DEAD))}, ROWS[2:]),
        ({"most_bytes": len(text(*NEW, *DEAD, *MIDDLE)) + 500}, ROWS[1:]),
        ({"most_bytes": 1_000_000}, ROWS),
        ({"most_seconds": 0.5, "clock": itertools.count().__next__}, []),
        ({"most_seconds": 4, "clock": itertools.count().__next__}, ROWS[3:]),
        ({"most_seconds": 1_000, "clock": itertools.count().__next__}, ROWS),
    ],
)
def test_a_start_looks_at_so_much_and_for_so_long(
    path: Path, bounds: Mapping[str, Any], rows: Sequence[tuple[str, int, str | None]]
) -> None:
    """What is left out is the beginning; a compressed file counts only as a whole."""
    assert brief(recalled(path, **bounds)) == rows


def test_what_is_kept_is_bounded_where_every_line_matters(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(text(*(changed(n % 3600, f"n{n}:1", term=n, note="x" * 1000) for n in range(10_000))))
    rows = recalled(path).rows
    assert 5_000 < len(rows) < 8_000
    assert rows[-1].term == 9_999


def test_a_file_that_cannot_be_read_on_is_told_and_the_others_are_read(path: Path) -> None:
    packed = path.with_name("audit.jsonl.2.gz")
    packed.write_bytes(packed.read_bytes()[:-20])
    history = Leaderships()
    complaints: list[str] = []
    read_all(find(path).files, history, lambda file, _: complaints.append(file.path.name))
    assert (brief(history), complaints) == (ROWS, ["audit.jsonl.2.gz"])
    assert brief(recalled(path)) == ROWS[1:]
