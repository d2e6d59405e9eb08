"""Foreign text made harmless, for terminals and for encoders. Imports nothing of ours; anybody may import it."""

__all__ = ["encodable", "printable"]


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
