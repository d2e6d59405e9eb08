"""What a node proves to others, and accepts from them, now. Imported through the package.

Files are read again when they have changed; what cannot be used leaves in force what was before, and is told.
"""

import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from les_hooks.errors import StartError
from les_hooks.security.certificate import expiry_warning
from les_hooks.security.private import Secret
from les_hooks.security.secret import Secrets, read_secrets
from les_hooks.security.tls import Tls, TlsFiles, load_tls
from les_hooks.security.watched import Watched

__all__ = ["Credentials"]

_REMIND_SECONDS: Final = 86400.0


class Credentials:
    """The secret of the cluster and the certificate of this node, or that there is none.

    `host` is that of the address that the node advertises, and `now` gives Unix seconds.
    """

    def __init__(
        self,
        secret_file: Path | None = None,
        log: FilteringBoundLogger | None = None,
        *,
        tls_files: TlsFiles | None = None,
        host: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises StartError where the files cannot be used."""
        self._log: FilteringBoundLogger = structlog.get_logger() if log is None else log
        self._now = now
        self._reminded, self._expired = float("-inf"), False
        self._secret: Watched[Secrets] | None = None
        self._tls: Watched[Tls] | None = None
        if secret_file is not None:
            self._secret = Watched([secret_file], lambda: read_secrets(secret_file), told=self._no_secret)
        if tls_files is not None:
            self._tls = Watched(tls_files.all, lambda: load_tls(tls_files, host), told=self._no_certificate)

    @property
    def secrets(self) -> Secrets | None:
        """What is proven and accepted."""
        return None if self._secret is None else self._secret.value

    @property
    def tls(self) -> Tls | None:
        """What is dialed and listened with."""
        return None if self._tls is None else self._tls.value

    @property
    def proven(self) -> Secret | None:
        """What this node proves when it dials."""
        return None if self.secrets is None else self.secrets.accepted[0]

    @property
    def has_files(self) -> bool:
        """Whether there is anything to `refresh`."""
        return self._secret is not None or self._tls is not None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the files since they have changed, and the end of the certificate."""
        found = (
            (self._secret, "the secret from before is in force, for the file has changed"),
            (self._tls, "the certificate from before is in force, for the files have changed"),
        )
        troubles = [
            f"{words}: {watched.trouble}" for watched, words in found if watched is not None and watched.trouble
        ]
        return (*troubles, *filter(None, [self._ending()]))

    def refresh(self) -> bool:
        """Look at the files; returns whether something else is in force now. A system call each where nothing is.

        May be called in a thread of its own, once at a time.
        """
        secrets, tls = self.secrets, self.tls
        if self._secret is not None and self._secret.refresh() and self.secrets != secrets:
            self._log.info("secret-read", fingerprints=[] if self.secrets is None else list(self.secrets.fingerprints))
        if self._tls is not None and self._tls.refresh():
            self._log.info("certificate-read", hosts=list(self._tls.value.hosts), expires=self._tls.value.expires)
        self._remind()
        return self.secrets != secrets or self.tls is not tls

    def objection(self, proved: Secret | None, authorities: Collection[bytes]) -> str:
        """Why a link that rests on these would not be made any more; empty where it would.

        `authorities` are those that `Tls.behind` told of the other end's certificate, none without TLS.
        """
        if proved is not None and self.secrets is not None and proved not in self.secrets.accepted:
            return "its secret is accepted no more"
        if self.tls is not None and not self.tls.authorities.keys() >= set(authorities):
            return "the authority of its certificate is accepted no more"
        return ""

    def _remind(self) -> None:
        """Log the end of the certificate once a day, and when it has come."""
        now, ending = self._now(), self._ending()
        expired = self.tls is not None and self.tls.expires <= now
        if not ending:
            self._reminded = float("-inf")
        elif expired != self._expired or now - self._reminded >= _REMIND_SECONDS:
            self._reminded = now
            self._log.log(logging.ERROR if expired else logging.WARNING, "certificate-expires", reason=ending)
        self._expired = expired

    def _ending(self) -> str:
        return "" if self.tls is None else expiry_warning(self.tls.expires, self._now())

    def _no_secret(self, error: StartError) -> None:
        self._log.error("secret-unusable", what=error.what, reason=error.why, advice=error.advice)

    def _no_certificate(self, error: StartError) -> None:
        self._log.error("certificate-unusable", what=error.what, reason=error.why, advice=error.advice)
