"""Reading EC2's answers, which are XML. Private to `aws`.

EC2 sends no document type, and one is refused: entities, which could make much of little, are declared in it.
"""

import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from les_plugins.floating_ip.http import Reply
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["error_in", "ident", "items", "read_answer", "text"]


def read_answer(reply: Reply, action: str) -> Element:
    """The answer to this action. Raises Trouble where it is anything else."""
    try:
        root = _parse(reply.body)
    except (expat.ExpatError, ValueError) as error:
        raise Trouble(Fault.MALFORMED, f"an answer that is not understood ({error})") from None
    if root.tag != f"{action}Response":
        raise Trouble(Fault.MALFORMED, f"an answer that is not understood ({root.tag[:64]!r} to {action})")
    return root


def items(element: Element, name: str) -> list[Element]:
    """What is in the set of this name. Raises Trouble where there is no such set: that does not make it empty."""
    found = element.find(name)
    if found is None:
        raise Trouble(Fault.MALFORMED, f"an answer that is not understood (without {name})")
    return found.findall("item")


def text(element: Element, name: str) -> str:
    """The text of this element; empty where there is none."""
    return (element.findtext(name) or "").strip()


def ident(element: Element, name: str) -> str:
    """The same, where it is the id of something. Raises Trouble where it is none."""
    found = text(element, name)
    if not re.fullmatch(r"[A-Za-z0-9:._-]{0,128}", found):
        raise Trouble(Fault.MALFORMED, f"an answer that is not understood ({name} is {found[:64]!r})")
    return found


def error_in(body: bytes) -> tuple[str, str]:
    """The code and the message of an error; both empty where the body is none."""
    try:
        found = _parse(body).find("Errors/Error")
    except (expat.ExpatError, ValueError):
        return "", ""
    return ("", "") if found is None else (text(found, "Code"), text(found, "Message"))


def _parse(body: bytes) -> Element:
    # ElementTree's own parser reads document types, and does not tell of them.
    builder = TreeBuilder()
    # Whatever it says of its encoding: a name there could be that of any codec of Python.
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, _: builder.start(name, {})
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(body, True)
    return builder.close()


def _refuse(*_: object) -> None:
    raise ValueError("a document type")
