"""The locator finds every key that the parser finds, exactly where it was written."""

from collections.abc import Iterator, Mapping

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from les_hooks.config.places import Position, locate
from les_hooks.config.toml_text import KeyPath, toml_string

NAMES = ("a", "b-1", "c d", "e.f", 'g"h', "ü", "", "i]j", "k=l", "#m")
SCALARS = st.sampled_from(
    ["1", "-0.5", "true", "1979-05-27 07:32:00", '"x # y = ]"', "'z\"}'", '"""p\n[q]\n"r""s"""""', "'''t\n'u''v'''"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
BLANKS = st.sampled_from(["", "\n", "# [x] = 1\n", "  \t\n"])


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """All paths in a parsed document."""
    if path:
        yield path
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield from paths(item, (*path, key))


class Writer:
    """Writes TOML in all its ways, and notes where it put each key."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.places: dict[KeyPath, Position] = {}

    def note(self, path: KeyPath) -> None:
        before, _, line = self.text.rpartition("\n")
        self.places[path] = (before.count("\n") + bool(_ or before) + 1 if "\n" in self.text else 1, len(line) + 1)

    def key(self, name: str) -> None:
        bare = name and name.isascii() and name.replace("-", "").isalnum()
        styles = [toml_string(name), "".join(f"\\u{ord(c):04X}" for c in name).join('""'), f"'{name}'"]
        self.text += self.draw(st.sampled_from([name, *styles] if bare else styles))

    def value(self, value: object, path: KeyPath) -> None:
        space = self.draw(st.sampled_from(["", " "]))
        if isinstance(value, list):
            lines = self.draw(st.sampled_from(["", "\n", " # ]\n  "]))
            self.text += "[" + lines
            for index, item in enumerate(value):
                self.note((*path, index))
                self.value(item, (*path, index))
                self.text += space + "," + lines
            self.text += "]"
        elif isinstance(value, dict):
            self.text += "{" + space
            for index, (name, item) in enumerate(value.items()):
                self.text += f",{space}" if index else ""
                self.pair((*path, name), item)
            self.text += space + "}"
        else:
            self.text += str(value)

    def pair(self, path: KeyPath, value: object) -> None:
        self.note(path)
        self.key(str(path[-1]))
        self.text += self.draw(st.sampled_from([" = ", "=", "\t= "]))
        self.value(value, path)

    def table(self, path: KeyPath, pairs: Mapping[str, object]) -> None:
        for name, value in pairs.items():
            self.text += self.draw(BLANKS) + self.draw(st.sampled_from(["", "  "]))
            if isinstance(value, dict) and value and self.draw(st.booleans()):  # dotted
                dotted: dict[str, object] = value
                for index, (inner, item) in enumerate(dotted.items()):
                    if not index:
                        self.note((*path, name))
                    self.key(name)
                    self.text += self.draw(st.sampled_from([".", " . "]))
                    self.pair((*path, name, inner), item)
                    self.text += "\n"
            else:
                self.pair((*path, name), value)
                self.text += " # x\n"

    def header(self, names: tuple[str, ...], path: KeyPath, brackets: int) -> None:
        """Write `[a.b]`; `path` is the last name's, and an array's element is noted with it."""
        self.text += "[" * brackets
        for name in names[:-1]:
            self.key(name)
            self.text += "."
        self.note(path)
        self.places[path[:-1] if brackets > 1 and path[-1] == 0 else path] = self.places[path]
        self.key(names[-1])
        self.text += "]" * brackets + "\n"


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, Position]]:
    writer = Writer(draw)
    names = draw(st.permutations(NAMES))
    pairs = st.dictionaries(st.sampled_from(NAMES[:5]), VALUES, max_size=3)
    writer.table((), {name: draw(VALUES) for name in names[:2]})
    for name in names[2 : 2 + draw(st.integers(0, 2))]:
        writer.header((name,), (name,), 1)
        writer.table((name,), draw(pairs))
        writer.header((name, "sub"), (name, "sub"), 1)
        writer.table((name, "sub"), draw(pairs))
    for name in names[4 : 4 + draw(st.integers(0, 2))]:
        for index in range(draw(st.integers(1, 3))):
            writer.header((name,), (name, index), 2)
            writer.table((name, index), draw(pairs))
            writer.header((name, "sub"), (name, index, "sub"), 1)
            writer.table((name, index, "sub"), draw(pairs))
    return writer.text, writer.places


@settings(max_examples=300)
@given(documents())
def test_every_key_is_found_where_it_was_written(document: tuple[str, dict[KeyPath, Position]]) -> None:
    text, places = document
    assert set(paths(tomli.loads(text))) == set(places), "the test's own writer is wrong"
    assert locate(text) == places


TOKENS = [
    "a",
    "b",
    ".",
    "=",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "\n",
    "\n",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "#",
    "1",
    " ",
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_any_text_is_located_without_a_fault_and_fully_where_it_is_toml(text: str) -> None:
    places = locate(text)
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    assert set(places) == set(paths(table))


def test_a_tables_own_header_is_its_place_rather_than_an_earlier_mention() -> None:
    places = locate("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert places["a",] == (3, 2)
    assert places["a", "b"] == (1, 4)


def test_what_came_before_a_fault_is_kept() -> None:
    assert locate("a = 1\nb = \n") == {("a",): (1, 1), ("b",): (2, 1)}
