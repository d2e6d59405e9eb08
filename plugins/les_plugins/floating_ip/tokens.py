"""Tokens: where they are read, and how they get into a request and nowhere else. Private to `floating_ip`."""

from collections.abc import Mapping
from pathlib import Path

from les_hooks.security import MOST_BYTES, Secret, read_private
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["Bearer", "read_secret", "secret_path"]


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
        raw = read_private(path)
    except OSError as error:
        raise Trouble(Fault.UNPREPARED, f"{path}: {error.strerror}; it has to hold the token") from None
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text or len(raw) > MOST_BYTES:
        raise Trouble(Fault.UNPREPARED, f"{path}: holds no token; write it there, on one line and nothing else")
    return Secret(text)


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
