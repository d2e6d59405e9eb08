"""Foreign text made harmless, for terminals and for encoders. Imports nothing of ours; anybody may import it."""

import re

__all__ = ["encodable", "error_words", "plain", "printable"]


# Whole escape sequences first, so that "\x1b[31mred" leaves "red" and not "[31mred".
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# Control characters, line and paragraph separators, marks that turn the direction of writing (they make a terminal show
# another text than the one that is there), and lone surrogates, which no encoding can write.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escape what a terminal would act on or not show: `\x1b`, `\n`, `\u202e`; the rest stays as it is.

    Newlines count: a name with a newline in it must not be able to forge a line of its own.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def encodable(text: str) -> str:
    r"""Escape lone surrogates, which stand for bytes of a file name that are not UTF-8 and which no encoder takes."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def error_words(error: BaseException, most: int = 500) -> str:
    """Tell an error that a stranger's code raised, on one line of at most `most` characters."""
    try:
        words = str(error)
    except Exception:  # a stranger's `__str__`
        words = "(its message cannot be had)"
    return encodable(printable(f"{type(error).__name__}: {words}" if words else type(error).__name__))[:most]


def plain(text: str) -> str:
    """Return the text on one line, without escape sequences, control characters and the like; a tab is a space.

    For what a program reads: an escaped character would be taken for what it is not.
    """
    return _UNPRINTABLE.sub("", _ESCAPE.sub("", text)).replace("\t", " ")
