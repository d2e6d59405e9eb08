"""HTML that is escaped unless it says otherwise: elements with their attributes and children. Private to `dashboard`.

Some ten lines in the place of a template engine: the page is made of parts that are functions anyhow, and what is no
`Markup` cannot get into it unescaped.
"""

import html
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from les_hooks.text import printable

__all__ = ["Attribute", "Child", "Markup", "cell", "heading", "table", "tag"]


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Attribute: TypeAlias = str | int | float | bool | None
Child: TypeAlias = "str | int | float | Iterable[Child] | None"  # Markup is a str

_VOID: Final = frozenset({"link", "meta"})


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. Attributes are named as Python can: `class_`, `aria_label`; those of False and None are left out."""
    written = "".join(map(_attribute, attributes, attributes.values()))
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{_joined(children)}</{name}>")


def heading(text: str, key: str, *more: Child) -> Markup:
    """The heading of a section, by which that is called: its `aria_labelledby` is the key."""
    return tag("h2", text, *more, id=key)


def cell(*children: Child, **attributes: Attribute) -> Markup:
    """A cell of a table that is no plain text."""
    return tag("td", *children, **attributes)


def table(caption: str, headers: Mapping[str, str], rows: Iterable[Markup]) -> Markup:
    """A table of these rows (`tr`), its columns by their classes; the caption is for who hears it."""
    top = tag("tr", [tag("th", text, scope="col", class_=class_ or None) for text, class_ in headers.items()])
    return tag("table", tag("caption", caption, class_="unseen"), tag("thead", top), tag("tbody", rows))


def _joined(children: Child) -> str:
    if children is None or isinstance(children, bool):
        return ""  # so that `condition and element` can be written
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int | float):
        return _escaped(children)
    return "".join(map(_joined, children))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{_escaped(value)}"'


def _escaped(value: str | int | float) -> str:
    # Control characters and marks that turn the direction of writing become visible: a name must not pose as another.
    return html.escape(printable(str(value)))
