"""What a node proves to others, and accepts from them, now. Imported through the package.

The file is read again when it has changed; what cannot be used leaves in force what was before, and is told.
"""

import os
from pathlib import Path

import structlog
from structlog.typing import FilteringBoundLogger

from les_hooks.errors import StartError
from les_hooks.security.private import Secret
from les_hooks.security.secret import Secrets, read_secrets

__all__ = ["Credentials"]

_Seen = tuple[int, int, int, int, int] | None


class Credentials:
    """The secret of the cluster, or that there is none. `trouble` says what is wrong with the file since it changed."""

    def __init__(self, secret_file: Path | None = None, log: FilteringBoundLogger | None = None) -> None:
        """Raises StartError where the file cannot be used."""
        self._file = secret_file
        self._log: FilteringBoundLogger = structlog.get_logger() if log is None else log
        self._seen = _look(secret_file)
        self.secrets: Secrets | None = None if secret_file is None else read_secrets(secret_file)
        self.trouble = ""

    @property
    def proven(self) -> Secret | None:
        """What this node proves when it dials."""
        return None if self.secrets is None else self.secrets.accepted[0]

    def refresh(self) -> bool:
        """Look at the file; returns whether something else is in force now. One system call where nothing changed."""
        seen = _look(self._file)
        if self._file is None or seen == self._seen:
            return False
        self._seen = seen
        try:
            secrets = read_secrets(self._file)
        except StartError as error:
            self.trouble = str(error)
            self._log.error("secret-unusable", path=str(self._file), reason=error.why, advice=error.advice)
            return False
        self.trouble = ""
        changed, self.secrets = secrets != self.secrets, secrets
        if changed:
            self._log.info("secret-read", path=str(self._file), fingerprints=list(secrets.fingerprints))
        return changed


def _look(path: Path | None) -> _Seen:
    """What changes when the file does."""
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
