"""What of foreign text may reach a log, a terminal or a variable. Pure; anybody may import it."""

import re

__all__ = ["printable"]

# Whole escape sequences first, so that "\x1b[31mred" leaves "red" and not "[31mred".
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# Control characters, line and paragraph separators, marks that turn the direction of writing (they make a terminal show
# another text than the one that is there), and lone surrogates, which no encoding can write.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text on one line, without escape sequences, control characters and the like; a tab is a space."""
    return _UNPRINTABLE.sub("", _ESCAPE.sub("", text)).replace("\t", " ")
