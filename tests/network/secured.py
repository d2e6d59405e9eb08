"""The ways in which a cluster on a network knows its own. For tests and benchmark."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from les_hooks.security import Secrets, new_secret, write_secrets
from tests.network.lan import Host
from tests.security.files import TestAuthority

__all__ = ["Secured", "security"]


class Secured(StrEnum):
    """What is in force."""

    OPEN = "open"
    SECRET = "secret"
    TLS = "tls"


def security(how: Secured, folder: Path, hosts: Sequence[Host]) -> str:
    """The table `[security]` for all nodes; the files that it names are made in the folder."""
    match how:
        case Secured.OPEN:
            return "insecure = true"
        case Secured.SECRET:
            path = folder / "secret"
            write_secrets(path, Secrets(accepted=(new_secret(),)))
            return f'secret_file = "{path}"'
        case Secured.TLS:
            # One certificate that names all of them: they are not to be told apart here.
            files = TestAuthority(folder).issue("all", *(host.ip for host in hosts))
            return f'tls = {{ca_file = "{files.ca}", cert_file = "{files.cert}", key_file = "{files.key}"}}'
