"""Where each key of a TOML text stands, which no parser tells. For the loader of the configuration.

A scanner for text that the parser has already accepted: it needs to find keys, not faults. Should it lose its way
all the same, it keeps the places that it has, and a key without one is shown at the table around it.
"""

import contextlib
import re
from bisect import bisect_right

import tomli

from les_hooks.config.toml_text import KeyPath

__all__ = ["Position", "locate"]

Position = tuple[int, int]
"""Line and column, both counted from 1; columns in characters."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*+")
_SPACE = re.compile(r"[ \t]*+")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]++")
_MULTILINE_BASIC = r'"""(?:\\.|[^\\"]|"{1,2}(?=[^"]))*+"""(?:""|")?'
_MULTILINE_LITERAL = r"'''(?:[^']|'{1,2}(?=[^']))*+'''(?:''|')?"
_STRING = re.compile(rf'{_MULTILINE_BASIC}|{_MULTILINE_LITERAL}|"(?:\\.|[^\\"])*+"|\'[^\']*+\'', re.DOTALL)


class _Lost(Exception):  # noqa: N818  (nobody's error: it never leaves this module)
    """The text is not what the scanner expects here."""


def locate(text: str) -> dict[KeyPath, Position]:
    """Map each key, table and list element of the text to its position; line ends are `\\n`."""
    scanner = _Scanner(text)
    with contextlib.suppress(_Lost, tomli.TOMLDecodeError):
        scanner.document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(offset: int) -> Position:
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    return {path: position(offset) for path, offset in scanner.offsets.items()}


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.offsets: dict[KeyPath, int] = {}
        self.elements: dict[KeyPath, int] = {}  # how many elements an array of tables has so far

    def document(self) -> None:
        table: KeyPath = ()
        self.take(_BLANK)
        while self.at < len(self.text):
            if self.skip("[["):
                table = self.header(array=True)
            elif self.skip("["):
                table = self.header(array=False)
            else:
                self.pair(table)
            self.take(_BLANK)

    def header(self, *, array: bool) -> KeyPath:
        path: KeyPath = ()
        start = self.at
        for name, start in self.keys():
            if path in self.elements:
                path += (self.elements[path] - 1,)
            path += (name,)
            self.offsets.setdefault(path, start)
        if array:
            index = self.elements.get(path, 0)
            self.elements[path] = index + 1
            path += (index,)
        self.offsets[path] = start  # a table's own header says more than a mention in an earlier one
        self.take(re.compile("]]" if array else "]"))
        return path

    def pair(self, table: KeyPath) -> None:
        path = table
        for name, start in self.keys():
            path += (name,)
            self.offsets.setdefault(path, start)
        self.take(re.compile("="))
        self.take(_SPACE)
        self.value(path)

    def keys(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        while not found or self.skip("."):
            self.take(_SPACE)
            start = self.at
            if self.text[start : start + 1] in ('"', "'"):
                written = self.take(_STRING)
                name = next(iter(tomli.loads(f"{written}=0")))  # the parser knows the escapes
            else:
                name = self.take(_BARE)
            found.append((name, start))
            self.take(_SPACE)
        return found

    def value(self, path: KeyPath) -> None:
        if self.skip("["):
            self.array(path)
        elif self.skip("{"):
            while not self.closes("}"):
                self.pair(path)
        elif self.text[self.at : self.at + 1] in ('"', "'"):
            self.take(_STRING)
        else:
            self.take(_SCALAR)

    def array(self, path: KeyPath) -> None:
        index = 0
        while not self.closes("]"):
            element = (*path, index)
            self.offsets[element] = self.at
            self.value(element)
            index += 1

    def closes(self, bracket: str) -> bool:
        """Step over what stands between two elements; says whether the closing bracket came instead of another."""
        self.take(_BLANK)
        self.skip(",")
        self.take(_BLANK)
        return self.skip(bracket)

    def skip(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _Lost
        self.at = match.end()
        return match[0]
