"""What a node proves to others, from its configuration. Imported by `node`, `cleanup` and `les check`."""

from structlog.typing import FilteringBoundLogger

from les_hooks.config import Config
from les_hooks.security import Credentials

__all__ = ["credentials_of"]


def credentials_of(config: Config, log: FilteringBoundLogger | None = None) -> Credentials:
    """Read the files that `[security]` names. Raises StartError."""
    return Credentials(config.security.secret_file, log)
