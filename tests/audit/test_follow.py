"""Following a trail: nothing is missed and nothing comes twice, whatever becomes of the file."""

import contextlib
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from les_hooks.audit.follow import Follower
from les_hooks.audit.record import MOST_RECORD_BYTES


class Waited(Exception):  # noqa: N818  (it is no error, but an end)
    """There was nothing to do but wait, and nothing more is going to happen."""


class Naps:
    """What happens while the follower waits: one step each time."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = iter(steps)

    def __call__(self) -> None:
        step = next(self._steps, None)
        if step is None:
            raise Waited
        step()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"old\n")
    return path


def append(path: Path, data: bytes) -> Callable[[], None]:
    def write() -> None:
        with path.open("ab") as file:
            file.write(data)

    return write


def rotate(path: Path) -> Callable[[], object]:
    return lambda: path.rename(path.with_name("audit.jsonl.1"))


def followed(path: Path, *steps: Callable[[], object]) -> list[bytes]:
    """What is told until nothing happens any more."""
    lines = []
    with Follower(path, Naps(*steps)) as follower, contextlib.suppress(Waited):
        for line in follower.lines():
            lines.append(line)  # noqa: PERF402  (what came before the end counts)
    return lines


def test_what_is_appended_comes_and_what_was_there_does_not(path: Path) -> None:
    assert followed(path, append(path, b"one\ntwo\n"), append(path, b"three\n")) == [b"one\n", b"two\n", b"three\n"]


def test_what_comes_between_the_making_and_the_reading_is_not_missed(path: Path) -> None:
    with Follower(path) as follower:
        append(path, b"one\n")()
        assert list(islice(follower.lines(), 1)) == [b"one\n"]


def test_a_line_is_told_once_it_is_whole(path: Path) -> None:
    assert followed(path, append(path, b"on"), append(path, b"e\ntw")) == [b"one\n"]


def test_a_rotation_loses_nothing(path: Path) -> None:
    old = path.with_name("audit.jsonl.1")

    def rotate_late() -> None:
        """The last record goes to the old file, after the follower has read all that was there."""
        rotate(path)()
        append(old, b"two\n")()
        append(path, b"three\n")()

    assert followed(path, append(path, b"one\n"), rotate_late) == [b"one\n", b"two\n", b"three\n"]


def test_a_file_that_is_gone_until_the_next_record_is_waited_for(path: Path) -> None:
    assert followed(path, rotate(path), lambda: None, append(path, b"one\n")) == [b"one\n"]


def test_a_trail_that_is_not_there_yet_is_told_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert followed(path, append(path, b"one\n")) == [b"one\n"]


def test_a_file_that_is_emptied_in_place_begins_anew(path: Path) -> None:
    assert followed(path, lambda: os.truncate(path, 0), append(path, b"one\n")) == [b"one\n"]


def test_a_torn_end_that_is_cut_off_or_closed_is_no_line(path: Path) -> None:
    append(path, b'{"torn')()
    cut = (lambda: os.truncate(path, 4), append(path, b"one\n"))
    assert followed(path, *cut) == [b"one\n"]
    append(path, b'{"torn')()
    assert followed(path, append(path, b"\ntwo\n")) == [b'{"torn\n', b"two\n"]


def test_what_has_no_line_end_takes_no_memory(path: Path) -> None:
    lines = followed(path, append(path, b"x" * 1_000_000), append(path, b"\none\n"))
    assert lines[-1] == b"one\n"
    assert max(map(len, lines)) <= 4 * MOST_RECORD_BYTES
