"""The file of the secret that the nodes of a cluster share: one line, or two while it is changed.

The first line is what this node proves when it dials, and both are accepted from others. So a cluster changes its
secret in three steps, in each of which any two nodes have one in common: add the new one below, put it on top, take the
old one out. Imported through the package.
"""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError
from les_hooks.security.private import OTHERS, Secret, load_private

__all__ = ["Secrets", "new_secret", "parse_secrets", "read_secrets", "write_secrets"]

# Whoever sees one link may try secrets for as long as he likes, so it must be hopeless: 32 characters even of
# hexadecimal digits are 128 bits.
_LEAST_CHARACTERS: Final = 32
_MOST_CHARACTERS: Final = 512
_MOST_LINES: Final = 2
_NEW_BYTES: Final = 32
_MARK: Final = "les_"
_NEW_CHARACTERS: Final = len(_MARK) + (_NEW_BYTES * 8 + 5) // 6  # of base64, without its padding
_CONFIG_EXIT: Final = 78
_HEAD: Final = "# The secret of a cluster of les-hooks. Whoever has it can take part, and lead.\n"
_ADVICE: Final = "copy it from another node (`scp -p`); for a new cluster `les secret new {path}` writes one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a node proves, and what it accepts: `accepted` are one or two, the first of them is proven when dialing."""

    accepted: tuple[Secret, ...]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """What may be shown of each, so that people can compare nodes: 8 hexadecimal digits."""
        return tuple(_fingerprint(secret) for secret in self.accepted)


def _fingerprint(secret: Secret) -> str:
    return hashlib.sha256(b"les-hooks fingerprint\0" + secret.reveal().encode()).hexdigest()[:8]


def new_secret() -> Secret:
    """Make one, of 256 random bits; a mark before it lets scanners of published files find it."""
    return Secret(_MARK + secrets.token_urlsafe(_NEW_BYTES))


def read_secrets(path: Path) -> Secrets:
    """Read the file, which nobody else may read. Raises StartError."""
    what, advice = f"[security] secret_file {path}", _ADVICE.format(path=path)
    data = load_private(path, what, advice, replaced=f"do so and replace it: `les secret rotate {path}`")
    try:
        return parse_secrets(data)
    except ValueError as error:
        raise StartError(what, str(error), advice, _CONFIG_EXIT) from None


def parse_secrets(data: bytes) -> Secrets:
    """Take the secrets from what the file holds: a line each; raises ValueError, which repeats nothing of it."""
    lines = [line.strip() for line in data.splitlines()]
    found = [line for line in lines if line and not line.startswith(b"#")]
    if not 1 <= len(found) <= _MOST_LINES:
        raise ValueError(f"holds {len(found) or 'no'} secrets; it takes one line, or two while the secret is changed")
    for line in found:
        if not _LEAST_CHARACTERS <= len(line) <= _MOST_CHARACTERS:
            raise ValueError(
                f"a secret in it has {len(line)} characters, and must have {_LEAST_CHARACTERS} to {_MOST_CHARACTERS}"
            )
        if line.startswith(_MARK.encode()) and len(line) != _NEW_CHARACTERS:
            # A file that somebody is just writing must not pass for another secret.
            raise ValueError(f"a secret in it is not whole: it has {len(line)} characters of {_NEW_CHARACTERS}")
        if not all(0x21 <= byte <= 0x7E for byte in line):
            raise ValueError("a secret in it is more than one word of plain characters")
    if len(set(found)) < len(found):
        raise ValueError("holds the same secret twice")
    return Secrets(accepted=tuple(Secret(line.decode("ascii")) for line in found))


def write_secrets(path: Path, secrets_: Secrets) -> None:
    """Write the file in one step: nobody but its owner can read it at any moment. Raises StartError.

    A file that is replaced keeps its owner and its mode.
    """
    _refuse_open_folder(path)
    path = path.resolve()  # of a link the file that it leads to
    _refuse_open_folder(path)
    text = "".join(f"{secret.reveal()}\n" for secret in secrets_.accepted)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                _take_after(path, file.fileno())
                file.write(_HEAD + text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        why, advice = f"cannot be written ({error.strerror})", "run this as who may write there, or name another file"
        raise StartError(f"secret {path}", why, advice) from error


def _refuse_open_folder(path: Path) -> None:
    """Raise StartError where anybody could have put a link there to a file of root's, or a file that stays his own."""
    try:
        mode = os.stat(path.parent).st_mode
    except OSError:
        return  # it will be said of the file
    if mode & stat.S_IWOTH:
        why = f"is in a folder that anybody can write in ({path.parent}, mode {stat.S_IMODE(mode):04o})"
        raise StartError(f"secret {path}", why, "name a file in another folder, and move it where it is to be")


def _take_after(path: Path, descriptor: int) -> None:
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & ~OTHERS)
