"""Tokens: where they are read, and how they get into a request and nowhere else. Private to `floating_ip`."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["Bearer", "Secret", "read_secret", "secret_path", "unsafe_secret"]

_MOST_BYTES = 16 * 1024
# A group that may read it was given it on purpose.
_OTHERS = stat.S_IWGRP | stat.S_IRWXO


class Secret:
    """A text that does not show in logs, errors or the debugger; `reveal` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def secret_path(file: Path | None, credential: str | None, environ: Mapping[str, str]) -> Path:
    """Where the secret is: the file, or the credential that systemd has handed over. Raises Trouble if it has not."""
    if file is not None:
        return file
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        why = f"no credential {credential}: systemd gave none; add LoadCredential={credential}:... to the unit"
        raise Trouble(Fault.UNPREPARED, why)
    return Path(folder, str(credential))


def read_secret(path: Path) -> Secret:
    """Read it, without the blanks around it. Raises Trouble with the reason."""
    try:
        with open(path, "rb", opener=_open) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            raw = file.read(_MOST_BYTES + 1) if is_file else b""
    except OSError as error:
        raise Trouble(Fault.UNPREPARED, f"{path}: {error.strerror}; it has to hold the token") from None
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text or len(raw) > _MOST_BYTES:
        raise Trouble(Fault.UNPREPARED, f"{path}: holds no token; write it there, on one line and nothing else")
    return Secret(text)


def _open(path: str, flags: int) -> int:
    # A pipe in the place of the file would be waited for, and with it all of the daemon.
    return os.open(path, flags | os.O_NONBLOCK)


def unsafe_secret(path: Path) -> str:
    """Say that others could read or change it, and what mends that; empty where they cannot. Raises OSError."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return f"{path} (mode {mode:04o}): others could have the token; chmod o-rwx,g-w {path}" if mode & _OTHERS else ""


class Bearer:
    """Puts a token from a file into requests, and reads it again when it is not accepted: it may have been rotated."""

    def __init__(self, file: Path | None, credential: str | None, environ: Mapping[str, str]) -> None:
        self._where = file, credential, environ
        self._token: Secret | None = None

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Those that authorize this request. Raises Trouble where there is no token."""
        if self._token is None:
            self._token = read_secret(secret_path(*self._where))
        return {"Authorization": f"Bearer {self._token.reveal()}"}

    def renew(self) -> bool:
        """Take note that it was not accepted; returns whether there is another one now."""
        before, self._token = self._token, read_secret(secret_path(*self._where))
        return self._token != before

    def hide(self, text: str) -> str:
        """The text without the token, where a provider has sent it back."""
        return text.replace(self._token.reveal(), "(token)") if self._token is not None else text
