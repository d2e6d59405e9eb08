"""A trail of several files: rotated ones are found and read in the order of their records, compressed or not."""

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from les_hooks.audit.files import find, lines, lines_backwards, opened
from les_hooks.audit.record import MOST_RECORD_BYTES


def text(*seqs: int) -> bytes:
    """The lines of records with these numbers."""
    return b"".join(json.dumps({"schema": "les.audit/1", "seq": seq}).encode() + b"\n" for seq in seqs)


def names(path: Path) -> list[str]:
    return [file.path.name for file in find(path).files]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A present file with the records 7 and 8."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(text(7, 8))
    return path


def test_rotated_files_come_in_the_order_of_their_records_whatever_they_are_called(path: Path) -> None:
    path.with_name("audit.jsonl.1").write_bytes(text(5, 6))
    path.with_name("audit.jsonl-20261122").write_bytes(text(3, 4))
    path.with_name("audit.jsonl.10.gz").write_bytes(gzip.compress(text(1, 2)))
    path.with_name("audit.jsonl.old").write_bytes(b"torn\n" + text(2))
    assert names(path) == [
        "audit.jsonl.10.gz",
        "audit.jsonl.old",
        "audit.jsonl-20261122",
        "audit.jsonl.1",
        "audit.jsonl",
    ]
    assert [file.first_seq for file in find(path).files] == [1, 2, 3, 5, 7]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_files_are_read_as_they_were(path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    path.with_name(f"audit.jsonl.1{ending}").write_bytes(pack(text(1, 2)))
    first, _ = find(path).files
    assert first.packed
    with opened(first.path) as file:
        assert list(lines(file)) == text(1, 2).splitlines(keepends=True)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_compressed_file_that_ends_too_early_is_an_error_after_what_could_be_read(
    path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = path.with_name(f"audit.jsonl.1{ending}")
    packed.write_bytes(pack(text(*range(1, 20_000)))[:-30])
    with opened(packed) as file, pytest.raises(OSError, match=r"cannot be unpacked further|CRC"):
        list(lines(file))


def test_a_file_that_is_just_being_compressed_is_read_once(path: Path) -> None:
    path.with_name("audit.jsonl.1").write_bytes(text(1, 2))
    path.with_name("audit.jsonl.1.gz").write_bytes(gzip.compress(text(1)))
    assert names(path) == ["audit.jsonl.1", "audit.jsonl"]


def test_a_new_file_without_a_record_comes_last(path: Path) -> None:
    path.rename(path.with_name("audit.jsonl.1"))
    path.touch()
    assert names(path) == ["audit.jsonl.1", "audit.jsonl"]


def test_rotated_files_are_enough(path: Path) -> None:
    path.rename(path.with_name("audit.jsonl.1"))
    assert names(path) == ["audit.jsonl.1"]


def test_without_any_file_there_is_no_trail(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find(tmp_path / "audit.jsonl")
    with pytest.raises(FileNotFoundError):
        find(tmp_path / "nowhere" / "audit.jsonl")


def test_what_is_left_out_is_said_and_what_is_no_rotation_is_not_looked_at(path: Path) -> None:
    path.with_name("audit.jsonl~").write_bytes(text(1))
    path.with_name("audit.jsonl.swp").write_bytes(text(1))
    path.with_name("other.jsonl").write_bytes(text(1))
    path.with_name("audit.jsonl.1").write_bytes(b"no trail\n")
    path.with_name("audit.jsonl.2.gz").write_bytes(b"no gzip\n")
    path.with_name("audit.jsonl.3.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    os.mkfifo(path.with_name("audit.jsonl.4"))
    found = find(path)
    assert [file.path for file in found.files] == [path]
    assert {skipped.name: why.partition(" ")[0] for skipped, why in found.skipped} == {
        "audit.jsonl.1": "has",
        "audit.jsonl.2.gz": "cannot",
        "audit.jsonl.3.zst": "is",
    }


def test_a_pipe_in_place_of_the_trail_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit.jsonl")
    with pytest.raises(OSError, match="is no plain file"):
        find(tmp_path / "audit.jsonl")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"one",
        b"one\n\ntwo\r and a half\ntorn",
        b"x" * 70_000 + b"\nlast\n",
        b"first\n" + b"".join(b"%d\n" % number for number in range(40_000)),
        (b"y" * 9_000 + b"\n") * 40,
        b"z" * 65_535 + b"\n" + b"z" * 65_536 + b"\n",
    ],
    ids=["empty", "blank", "torn", "mixed", "long", "many", "wide", "blocks"],
)
def test_lines_come_backwards_as_they_come_forwards_with_where_they_begin(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        backwards = list(lines_backwards(file))
    expected = content.split(b"\n")
    whole = [line + b"\n" for line in expected[:-1]] + ([expected[-1]] if expected[-1] else [])
    assert [line for _, line in reversed(backwards)] == [line[-MOST_RECORD_BYTES:] for line in whole]
    for before, line in backwards:
        assert content[before:].partition(b"\n")[0].endswith(line.removesuffix(b"\n"))
        assert before == 0 or content[before - 1 : before] == b"\n" or len(line) >= MOST_RECORD_BYTES


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000 + b"\nlast\n")
    with path.open("rb") as file:
        assert [len(line) for line in lines(file)] == [MOST_RECORD_BYTES, 5]
        assert [len(line) for _, line in lines_backwards(file)] == [5, MOST_RECORD_BYTES]
