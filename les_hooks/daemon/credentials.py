"""What a node proves to others, from its configuration. Imported by `node`, `cleanup` and `les check`."""

from structlog.typing import FilteringBoundLogger

from les_hooks.config import PEERS, Config
from les_hooks.members import parse_address
from les_hooks.security import Credentials, TlsFiles

__all__ = ["credentials_of", "host_of", "tls_files_of"]


def credentials_of(config: Config, log: FilteringBoundLogger) -> Credentials:
    """Read the files that `[security]` names, where nodes prove themselves to each other. Raises StartError."""
    if config.cluster.backend != PEERS:
        return Credentials(None, log)
    return Credentials(config.security.secret_file, log, tls_files=tls_files_of(config), host=host_of(config))


def tls_files_of(config: Config) -> TlsFiles | None:
    """Those of `[security.tls]`."""
    tls = config.security.tls
    return None if tls is None else TlsFiles(ca=tls.ca_file, cert=tls.cert_file, key=tls.key_file)


def host_of(config: Config) -> str:
    """What the certificate of this node must name."""
    return parse_address(config.node.advertise)[0]
