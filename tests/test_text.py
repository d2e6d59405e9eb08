import msgspec
import pytest

from les_hooks.text import encodable, printable


def test_plain_text_stays_as_it_is() -> None:
    assert printable("Köln, 10.0.0.1:4000, 日本") == "Köln, 10.0.0.1:4000, 日本"


@pytest.mark.parametrize(
    "foreign", ["\x1b[2J", "a\nb", "a\rb", "\x07", "\x9b31m", "\u202eabc", "\u2028", "\udc80", "\x00"]
)
def test_nothing_that_a_terminal_acts_on_is_left(foreign: str) -> None:
    shown = printable(foreign)

    assert shown.isprintable()
    assert "\\" in shown


def test_bytes_of_a_file_name_that_are_not_utf8_can_be_encoded_after_all() -> None:
    assert msgspec.json.decode(msgspec.json.encode(encodable("f\udcff"))) == "f\\udcff"
