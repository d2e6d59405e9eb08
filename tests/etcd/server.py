"""Real etcd servers for tests, as a process each; by itself one on loopback, with others and in namespaces see `lan`.

    with Server(tmp_path / "etcd") as etcd:
        etcd.ctl("put", "/key", "value")
        etcd.kill()
        etcd.start()

Waits have a limit. What a server says goes to the file `log` in its folder. It ends with whoever started it, however
that ends.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from les_hooks.security.tls import TlsFiles
from tests.cluster import free_ports, until
from tests.needs import need_program

__all__ = ["FAST", "CtlError", "Server", "leads"]

FAST = ("--heartbeat-interval=20", "--election-timeout=200")
"""Flags of servers that miss their leader after a fifth of a second; etcd's own are five times as long."""

_LIMIT_SECONDS = 15.0
_LOG_CHARACTERS = 4000


class CtlError(Exception):
    """What etcdctl said instead of doing it."""


class Server:
    """One etcd, as a context manager: entering starts it and waits until it is healthy, leaving kills it.

    `tls` are its own certificate and the authority that must have issued those of its clients; `ctl` shows the same
    one. `inside` stands before each command, `ip` is where it listens, `ports` for clients and for other servers. Of
    several `name` is to be a key of `peers`, the peer URLs of all of them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flags: Sequence[str] = (),
        tls: TlsFiles | None = None,
        ip: str = "127.0.0.1",
        ports: Sequence[int] = (),
        inside: Sequence[str] = (),
        name: str = "alone",
        peers: dict[str, str] | None = None,
    ) -> None:
        self.programs = [need_program(program) for program in ("etcd", "etcdctl", "setpriv")]
        self.folder = folder
        self.name = name
        self.tls = tls
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.user: str | None = None
        """As whom `ctl` comes, as `name:password`; `enable_auth` sets it."""
        self.frozen = False
        self._flags = flags
        self._inside = inside
        client, peer = ports or free_ports(2)
        self.url = f"{'https' if tls else 'http'}://{ip}:{client}"
        self._peers = peers or {name: f"http://{ip}:{peer}"}

    def start(self) -> Self:
        """Start the process on the data that is there, if any; see `wait`."""
        assert not self.running
        etcd, _, setpriv = self.programs
        own = self._peers[self.name]
        words = {
            "name": self.name,
            "data-dir": self.folder / "data",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": own,
            "initial-advertise-peer-urls": own,
            "initial-cluster": ",".join(f"{name}={url}" for name, url in self._peers.items()),
            # Passwords are no subject here, and each costs a tenth of a second otherwise.
            "bcrypt-cost": 4,
            "logger": "zap",
            "log-outputs": "stderr",
        }
        if self.tls is not None:
            words |= {"cert-file": self.tls.cert, "key-file": self.tls.key, "trusted-ca-file": self.tls.ca}
            words["client-cert-auth"] = "true"
        argv = [etcd, *(f"--{word}={value}" for word, value in words.items()), *self._flags]
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # Each word before etcd becomes it: the process is etcd itself, and dies with this one.
            self.process = subprocess.Popen(
                [setpriv, "--pdeathsig", "KILL", *self._inside, *argv],
                cwd=self.folder,
                env=_environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def wait(self) -> Self:
        """Wait until it is healthy: it serves, and has a leader."""
        try:
            until(self._healthy, f"{self.name} is healthy", _LIMIT_SECONDS)
        except AssertionError as error:
            error.add_note(self.said())
            raise
        return self

    def stop(self) -> None:
        """End it as an operator would; it hands over first if it leads others."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it stand still: it accepts connections, and never answers."""
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def ctl(self, *words: str, stdin: str = "", limit: float = 5.0) -> str:
        """Run etcdctl against this server, and return what it prints. Raises CtlError."""
        argv = [*self._inside, self.programs[1], "--endpoints", self.url, f"--command-timeout={limit:g}s"]
        if self.tls is not None:
            argv += ["--cacert", str(self.tls.ca), "--cert", str(self.tls.cert), "--key", str(self.tls.key)]
        if self.user is not None:
            argv += ["--user", self.user]
        try:
            done = subprocess.run(
                [*argv, *words],
                env=_environ(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=limit + 5.0,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CtlError(f"etcdctl {' '.join(words)}: no end within {limit + 5.0:g} s") from None
        if done.returncode:
            raise CtlError(f"etcdctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `etcdctl endpoint status` tells; raises CtlError where it does not answer."""
        told: dict[str, Any] = json.loads(self.ctl("endpoint", "status", "-w", "json", limit=1.0))[0]["Status"]
        return told

    def enable_auth(self, user: str = "les", password: str = "secret", prefix: str = "/les-hooks/") -> None:
        """Ask everybody for a password from now on; the user may read and write keys under the prefix alone.

        `ctl` is root afterwards.
        """
        root = "root:root"
        for command in (
            f"user add {root}",
            "user grant-role root root",
            f"role add {user}",
            f"role grant-permission --prefix=true {user} readwrite {prefix}",
            f"user add {user}:{password}",
            f"user grant-role {user} {user}",
            "auth enable",
        ):
            self.ctl(*command.split())
        self.user = root

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_CHARACTERS:] if self.log.exists() else ""

    def close(self) -> None:
        """Kill it if it runs."""
        if self.running:
            self.kill()

    def __enter__(self) -> Self:
        try:
            return self.start().wait()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _healthy(self) -> bool:
        assert self.running, f"{self.name} has ended"
        with contextlib.suppress(CtlError):
            # Short, as etcdctl waits a second until it dials again.
            self.ctl("endpoint", "health", limit=0.5)
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self._signal(number)
        self.thaw()
        self.process.wait(_LIMIT_SECONDS)


def leads(status: Mapping[str, Any]) -> bool:
    """Whether a server leads the others, by its own word."""
    return bool(status.get("leader") == status["header"]["member_id"])


def _environ() -> dict[str, str]:
    """None of the variables that etcd and etcdctl would take for flags."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("ETCD_", "ETCDCTL_"))}
    return {**bare, "ETCDCTL_API": "3"}
