import io
import os
from pathlib import Path

import pytest

from les_hooks.audit import Action, Audit, Damage, Entry, read
from les_hooks.audit.record import MOST_RECORD_BYTES
from les_hooks.config import LogFormat
from les_hooks.log import make_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    audit = Audit(
        path, node="a", cluster="web", boot=1, wall=lambda: 0.0, log=make_log(LogFormat.JSON, stream=io.StringIO())
    )
    audit.record(Action.NODE_STARTED)
    audit.close()
    return path


def test_records_come_back_with_their_lines(path: Path) -> None:
    entries = [entry for entry in read(path) if isinstance(entry, Entry)]

    assert [(entry.line, entry.record["action"]) for entry in entries] == [(1, "audit.opened"), (2, "node.started")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"hello \x1b[2J\n", "is not JSON"),
        (b"\xff\xfe\n", "is not JSON"),
        (b"[" * 9000 + b"\n", "is not JSON"),
        (b"\n", "is not JSON"),
        (b"[1]\n", "is not a record of les.audit/1"),
        (b'{"schema":"les.audit/2"}\n', "is not a record of les.audit/1"),
        (b'{"schema":"les.audit/1","seq":3}\n', "lacks time, boot"),
        (b'{"schema":"les.audit/1","se', "is cut short"),
        (b"x" * 5 * MOST_RECORD_BYTES + b"\n", "is cut short, or longer than a record can be"),
    ],
)
def test_what_is_no_record_is_reported_with_its_line_and_the_rest_is_read(path: Path, text: bytes, why: str) -> None:
    good = path.read_bytes()
    path.write_bytes(good + text + (good if text.endswith(b"\n") else b""))

    found = list(read(path))

    damage = found[2]
    assert isinstance(damage, Damage)
    assert damage.line == 3
    assert damage.why.startswith(why)
    assert damage.text.isprintable()
    assert len(damage.text) < 1000
    assert all(isinstance(entry, Entry) for entry in (*found[:2], *found[3:]))


def test_a_file_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none"))


def test_an_endless_line_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 8 << 20)

    (damage,) = read(path)

    assert isinstance(damage, Damage)
