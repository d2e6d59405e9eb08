"""The token of `[http] token_file`, and the session that a browser has in its place. For this package only."""

import hashlib
import hmac
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from les_hooks.errors import StartError
from les_hooks.security import Watched, load_private

__all__ = ["SESSION_SECONDS", "TokenFile", "read_token"]

SESSION_SECONDS: Final = 12 * 3600
"""How long a browser stays logged in: a day's work."""

# What protects a token is its length: at this one, guessing is hopeless however fast somebody may try.
_LEAST_CHARACTERS: Final = 32
_MOST_BYTES: Final = 1024
_CONFIG_EXIT: Final = 78
_LONGEST_END: Final = 12


class TokenFile:
    """The token as it is in the file now: it is read again when the file has changed.

    While the file cannot be used there is no token, and nobody gets in: who writes a new one wants the old one to end.
    """

    def __init__(self, path: Path, log: FilteringBoundLogger) -> None:
        """Raises StartError where the file cannot be used."""
        self._path = path
        self._log = log
        self._file = Watched([path], lambda: read_token(path), told=self._unusable)

    def matches(self, offered: str) -> bool:
        """Whether this is the token."""
        token = self._current()
        return token is not None and hmac.compare_digest(token, offered.encode("utf-8", "surrogateescape"))

    def session(self, now: float) -> str:
        """What a browser may show in the place of the token, from now (Unix seconds) for SESSION_SECONDS."""
        end, token = int(now) + SESSION_SECONDS, self._current()
        return "" if token is None else f"{end}.{_sign(token, end)}"

    def admits(self, session: str, now: float) -> bool:
        """Whether `session` made this, with the token of now, and it has not run out."""
        end, _, signature = session.partition(".")
        token = self._current()
        if token is None or not (session.isascii() and end.isdigit() and len(end) <= _LONGEST_END):
            return False
        return hmac.compare_digest(_sign(token, int(end)), signature) and now < int(end)

    def _current(self) -> bytes | None:
        if self._file.refresh():
            self._log.info("http-token-read", path=str(self._path))
        return None if self._file.trouble else self._file.value

    def _unusable(self, error: StartError) -> None:
        self._log.error("http-token-unusable", path=str(self._path), reason=error.why, advice=error.advice)


def _sign(token: bytes, end: int) -> str:
    """Nothing is remembered of a session: its end is signed with the token, so that a new token ends them all."""
    return hmac.new(token, f"les-hooks session {end}".encode(), hashlib.sha256).hexdigest()


def read_token(path: Path) -> bytes:
    """Read the token of the file. Raises StartError where there is none that is secret and long enough."""
    what = f"[http] token_file {path}"
    advice = f"write a token into it: `(umask 077; openssl rand -hex 32 > {path})`"
    token = load_private(path, what, advice, _MOST_BYTES).strip()
    if not _LEAST_CHARACTERS <= len(token) <= _MOST_BYTES:
        why = f"the token in it has {len(token)} characters, and must have {_LEAST_CHARACTERS} to {_MOST_BYTES}"
        raise StartError(what, why, advice, _CONFIG_EXIT)
    if not all(0x21 <= byte <= 0x7E for byte in token):
        raise StartError(what, "holds more than one word of plain characters", advice, _CONFIG_EXIT)
    return token
