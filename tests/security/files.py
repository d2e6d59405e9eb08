"""Files of authorities and nodes for tests, made as `les ca` makes them, at whatever time the test says."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from les_hooks.security.ca import Authority
from les_hooks.security.tls import TlsFiles

__all__ = ["DAY", "YEAR", "TestAuthority"]

DAY = 86400.0
YEAR = 365 * DAY


@dataclass
class TestAuthority:
    """An authority, and where the files of its nodes go. `made` is in Unix seconds."""

    __test__ = False

    folder: Path
    made: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        issued = Authority.new(self.made)
        assert issued.key is not None
        self.certificate = issued.certificate
        self.authority = Authority(issued.certificate, issued.key)

    def issue(self, name: str, *hosts: str, now: float | None = None, folder: Path | None = None) -> TlsFiles:
        """Make the three files of a node, in place of those that are there."""
        issued = self.authority.issue(name, hosts, time.time() if now is None else now)
        assert issued.key is not None
        return self.put(name, issued.certificate, issued.key, folder)

    def put(self, name: str, certificate: bytes, key: bytes, folder: Path | None = None) -> TlsFiles:
        """Write these as the files of a node."""
        where = folder or self.folder
        files = TlsFiles(ca=where / f"{name}-ca.crt", cert=where / f"{name}.crt", key=where / f"{name}.key")
        files.ca.write_bytes(self.certificate)
        files.ca.chmod(0o644)  # whatever the umask
        files.cert.write_bytes(certificate)
        files.key.touch(0o600)
        files.key.write_bytes(key)
        return files

    def trusting(self, files: TlsFiles, *others: Self) -> TlsFiles:
        """Have the node trust these authorities, too."""
        files.ca.write_bytes(b"".join([self.certificate, *(other.certificate for other in others)]))
        return files
