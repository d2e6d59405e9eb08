"""Foreign text made harmless, for terminals and for encoders. Imports nothing of ours; anybody may import it."""

__all__ = ["encodable", "error_words", "printable"]


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
