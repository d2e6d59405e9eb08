"""What a node proves to others, from its configuration. Imported by `node`, `cleanup` and `les check`."""

from structlog.typing import FilteringBoundLogger

from les_hooks.config import Config
from les_hooks.members import parse_address
from les_hooks.security import Credentials, TlsFiles

__all__ = ["credentials_of"]


def credentials_of(config: Config, log: FilteringBoundLogger | None = None) -> Credentials:
    """Read the files that `[security]` names. Raises StartError."""
    tls = config.security.tls
    return Credentials(
        config.security.secret_file,
        log,
        tls_files=None if tls is None else TlsFiles(ca=tls.ca_file, cert=tls.cert_file, key=tls.key_file),
        host=parse_address(config.node.advertise)[0],
    )
