"""Markup: nothing becomes HTML by accident."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from les_plugins.dashboard.markup import table, tag
from tests.plugins.dashboard.samples import HOSTILE


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_text_and_attributes_are_escaped_and_elements_are_not() -> None:
    inner = tag("b", "1 < 2")
    assert tag("p", inner, " & ", 3, title='"') == '<p title="&quot;"><b>1 &lt; 2</b> &amp; 3</p>'


def test_what_cannot_be_seen_is_shown() -> None:
    assert tag("p", "a\u202eb\x1b\n\ud800") == r"<p>a\u202eb\x1b\n\ud800</p>"


def test_nothing_is_left_of_what_is_not_there() -> None:
    assert tag("p", None, False, [], "", ["a", None], hidden=True, title=None, id=False) == "<p hidden>a</p>"


def test_names_of_attributes_are_those_of_html() -> None:
    assert (
        tag("meta", class_="a", aria_label="b", viewBox="0 0 1 1")
        == '<meta class="a" aria-label="b" viewBox="0 0 1 1">'
    )


def test_a_table_has_a_caption_and_says_what_its_columns_are() -> None:
    assert table("c", {"x": "", "y": "when"}, [tag("tr", tag("td", 1))]) == (
        '<table><caption class="unseen">c</caption><thead><tr><th scope="col">x</th><th scope="col" class="when">y</th>'
        "</tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
    )


@given(st.one_of(st.text(), st.text(alphabet="<>&'\"/ =abci\u202e\ud800")))
def test_no_text_gets_out_of_its_place(text: str) -> None:
    seen = read(tag("p", text, title=text + HOSTILE))
    assert seen.tags == ["p"]
    assert [name for name, _ in seen.attributes] == ["title"]
    assert tag("p", text).encode()
