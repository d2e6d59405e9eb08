"""Output is kept within bounds, and what is dropped is counted."""

import pytest

from les_hooks.processes.output import KEPT_BYTES, LINE_BYTES, WINDOW_SECONDS, Lines


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def lines(seen: list[str]) -> Lines:
    return Lines(seen.append, now=0.0)


def test_lines_are_put_together_from_pieces(lines: Lines, seen: list[str]) -> None:
    for piece in (b"on", b"e\ntw", b"o\n", b"three"):
        lines.feed(piece, now=0.0)
    assert seen == ["one", "two"]
    lines.flush()
    assert seen == ["one", "two", "three"]
    assert lines.cut == 0


def test_a_character_split_between_reads_arrives_whole_and_a_broken_one_is_replaced(
    lines: Lines, seen: list[str]
) -> None:
    for piece in (b"\xc3", b"\xbc\n", b"\xff\n"):
        lines.feed(piece, now=0.0)
    assert seen == ["ü", "\ufffd"]


def test_blank_lines_are_left_out(lines: Lines, seen: list[str]) -> None:
    lines.feed(b"\n \n\x1b[0m\na\n", now=0.0)
    assert seen == ["a"]


def test_a_long_line_is_cut_and_the_next_one_is_whole(lines: Lines, seen: list[str]) -> None:
    lines.feed(b"x" * (LINE_BYTES + 100) + b"\nnext\n", now=0.0)
    assert seen == ["x" * LINE_BYTES, "next"]
    assert lines.cut == 100


@pytest.mark.parametrize("line", [b"y\n", b"\n", b"x" * 1000 + b"\n", b"x"])
def test_a_flood_of_any_kind_is_cut_once_and_said_once(lines: Lines, seen: list[str], line: bytes) -> None:
    flood = line * (8 * 1024 * 1024 // len(line))
    for start in range(0, len(flood), 8192):
        lines.feed(flood[start : start + 8192], now=1.0)
    assert sum(len(text) for text in seen) <= KEPT_BYTES + 100
    assert len(seen) <= KEPT_BYTES // 64 + 1
    assert lines.full
    assert lines.cut > len(flood) - 2 * KEPT_BYTES
    assert sum(text.startswith("(too much output") for text in seen) == 1


def test_after_a_window_lines_are_taken_again(lines: Lines, seen: list[str]) -> None:
    lines.feed(b"y\n" * KEPT_BYTES, now=0.0)
    lines.feed(b"lost\n", now=WINDOW_SECONDS - 1)
    seen.clear()
    lines.feed(b"heard\n", now=WINDOW_SECONDS)
    assert seen == ["heard"]
