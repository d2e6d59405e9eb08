"""Foreign text is made harmless before it reaches a log, a terminal or a variable."""

import pytest

from les_hooks.text import plain


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain ünïcode 日本", "plain ünïcode 日本"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("a\tb", "a b"),
        ("two\nlines\r\n", "twolines"),
        ("nul\0bell\x07del\x7fcsi\x9b31m", "nulbelldelcsi31m"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\u2028\ud800", ""),
        ("\x1b", ""),
    ],
)
def test_nothing_that_steers_a_terminal_or_ends_a_line_is_left(text: str, clean: str) -> None:
    assert plain(text) == clean
