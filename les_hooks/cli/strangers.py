"""What `les check` says of the secret and the certificates that keep strangers out. For `check`."""

from collections.abc import Iterator

import structlog

from les_hooks.cli.inspection import Finding, refusal
from les_hooks.config import Config
from les_hooks.control.security import mode_of, security
from les_hooks.daemon.credentials import credentials_of, host_of, tls_files_of
from les_hooks.errors import StartError
from les_hooks.security import Credentials

__all__ = ["in_force", "security_findings"]


def in_force(config: Config) -> str:
    """What keeps strangers out, in the words of `les status`; without what is in files that cannot be used."""
    try:
        held = credentials_of(config, structlog.get_logger())
    except StartError:
        return f"{mode_of(config)}, whose files cannot be used here"
    return str(security(config, held)["summary"])


def security_findings(config: Config) -> Iterator[Finding]:
    """Whether the files could be used, each kind by itself, and whether the certificate ends soon."""
    secret, tls = config.security.secret_file, tls_files_of(config)
    log = structlog.get_logger()
    if secret is not None:
        try:
            Credentials(secret, log)
        except StartError as error:
            yield refusal(error, secret)
    if tls is not None:
        try:
            held = Credentials(None, log, tls_files=tls, host=host_of(config))
        except StartError as error:
            yield refusal(error, tls.key)
        else:
            what = f"[security.tls] cert_file {tls.cert}"
            yield from (Finding(area="files", what=what, message=each, problem=False) for each in held.warnings)
