"""What is shown of a URL and of what a receiver says: nothing of what lets in. Private to `webhook`."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from les_hooks.text import plain, printable

__all__ = ["HIDDEN", "Redactor", "shown_url"]

HIDDEN = "(hidden)"

# To hide shorter ones would make every answer unreadable.
_SHORTEST = 4
_SHORTEST_PART = 8
_SEPARATORS = re.compile(r"[/?&=;,\s]+")


def shown_url(url: str) -> str:
    """Scheme and host of a URL; in those of chats, all the rest is the secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{printable(host)}/" + ("..." if parts.path.strip("/") or parts.query else "")


class Redactor:
    """Takes secrets out of a text that somebody else wrote: whole, and each part of them that is long enough."""

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {word for secret in secrets for form in (secret, unquote(secret)) for word in _words(form)}
        self._words = sorted(words, key=lambda word: (-len(word), word))

    @classmethod
    def of(cls, url: str, secrets: Iterable[str]) -> "Redactor":
        """One for what knows this URL and these other secrets."""
        parts = urlsplit(url)
        return cls([parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else ""), *secrets])

    def hide(self, text: str) -> str:
        """The text without them."""
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return text

    def line(self, text: str, most: int) -> str:
        """The same on one line of at most `most` characters, fit for a terminal."""
        return printable(plain(" ".join(self.hide(text).split())))[:most]

    def lines(self, text: str, most: int) -> str:
        """The same, line by line."""
        return "\n".join(printable(line) for line in self.hide(text).splitlines())[:most]


def _words(secret: str) -> Iterable[str]:
    parts = [part for part in _SEPARATORS.split(secret) if len(part) >= _SHORTEST_PART]
    return [secret, *parts] if len(secret) >= _SHORTEST else parts
